import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import type { Endpoint } from '../../src/core/route-table.ts';

/** A real instance to route to. It says who it is, and does what its path says. */
export interface Instance {
  readonly endpoint: Endpoint;
  /** Requests that reached it. */
  readonly requests: () => number;
  /** Headers of those that were no upgrades. */
  readonly heard: () => readonly IncomingHttpHeaders[];
  /** WebSocket close codes that it received. */
  readonly closeCodes: readonly number[];
  /** Lets every request to `/held` go on. */
  release(): void;
  /** Waits until so many requests are held. */
  held(count: number): Promise<void>;
  /** Breaks off everything, as a killed process would. */
  kill(): Promise<void>;
}

export async function startInstance(id: string): Promise<Instance> {
  let requests = 0;
  const heard: IncomingHttpHeaders[] = [];
  const sockets = new Set<Socket>();
  const holding = new Set<() => void>();
  const closeCodes: number[] = [];

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://instance');
    response.setHeader('x-instance', id);
    switch (url.pathname) {
      case '/upload': {
        const hash = createHash('sha256');
        let bytes = 0;
        for await (const chunk of request as AsyncIterable<Buffer>) {
          hash.update(chunk);
          bytes += chunk.length;
        }
        response.end(JSON.stringify({ bytes, sha256: hash.digest('hex') }));
        return;
      }
      case '/refuse-upload':
        response.writeHead(401).end('no');
        return;
      case '/held':
        await new Promise<void>((resolve) => holding.add(resolve));
        response.end('held');
        return;
      case '/status':
        response.writeHead(Number(url.searchParams.get('code'))).end('as you wish');
        return;
      case '/no-content':
        response.writeHead(204).end();
        return;
      case '/events': {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        let n = 0;
        // Each event in two writes, so that its end is in another chunk than its beginning.
        const timer = setInterval(() => {
          n += 1;
          response.write(`id: ${n}\ndata: {"n":`);
          setImmediate(() => response.write(`${n}}\n\n`));
        }, 10);
        response.once('close', () => clearInterval(timer));
        return;
      }
      case '/die':
        response.writeHead(200, url.searchParams.has('length') ? { 'content-length': 1_000 } : {});
        response.write('the beginning of an answer');
        setTimeout(() => request.socket.destroy(), 20);
        return;
      case '/large': {
        const chunk = Buffer.alloc(65_536, 'x');
        for (let sent = 0; sent < 160; sent += 1) {
          if (!response.write(chunk)) await new Promise((resolve) => response.once('drain', resolve));
        }
        response.end();
        return;
      }
      case '/trailers':
        response.writeHead(200, { trailer: 'x-sum' });
        response.write('body');
        response.addTrailers({ 'x-sum': '42' });
        response.end();
        return;
      default:
        request.resume();
        response.setHeader('connection', 'x-only-here');
        response.setHeader('x-only-here', 'secret');
        response.end(
          JSON.stringify({ instance: id, method: request.method, url: request.url, headers: request.headers }),
        );
    }
  }

  const server = createServer((request, response) => {
    requests += 1;
    heard.push(request.headers);
    response.on('error', () => {});
    answer(request, response).catch(() => request.socket.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  });
  const webSockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    requests += 1;
    socket.on('error', () => {});
    if (request.url === '/no-websocket') {
      socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno');
      return;
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('error', () => {});
      webSocket.on('message', (data, binary) => webSocket.send(data, { binary }));
      webSocket.on('close', (code) => closeCodes.push(code));
      webSocket.send(id);
    });
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;

  return {
    endpoint: { id, host: '127.0.0.1', port },
    requests: () => requests,
    heard: () => heard,
    closeCodes,
    release() {
      for (const go of holding) go();
      holding.clear();
    },
    async held(count) {
      await until(() => holding.size >= count, `${count} requests held by ${id}`);
    },
    async kill() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.resetAndDestroy();
      await closed;
    },
  };
}

/** Waits for a condition, and says which when it does not come. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 15_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`did not happen within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
