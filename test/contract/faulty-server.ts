import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Readable } from 'node:stream';

/** What may be wrong with somebody who is asked over HTTP. */
export type Fault =
  /** Nobody listens. */
  | 'gone'
  /** Takes the question, and says nothing. */
  | 'silent'
  /** Answers a byte now and then, for ever. */
  | 'slow'
  | 'failing'
  /** Says that all is well, and then something else. */
  | 'garbage'
  /** Answers, and does not stop. */
  | 'endless'
  /** Says to ask somebody else, who would answer well. */
  | 'elsewhere';

/** A real HTTP server that answers as it should, until it is told to be faulty. */
export interface FaultyServer {
  readonly port: number;
  readonly url: string;
  /** Questions that arrived. */
  readonly asked: readonly {
    readonly method: string;
    readonly path: string;
    readonly headers: IncomingMessage['headers'];
    readonly body: string;
  }[];
  /** Null: as it should be. */
  be(fault: Fault | null): Promise<void>;
  close(): Promise<void>;
}

type Answer = (
  request: {
    readonly method: string;
    readonly path: string;
    readonly headers: IncomingMessage['headers'];
    readonly body: string;
  },
  response: ServerResponse,
) => void | Promise<void>;

export async function startFaultyServer(answer: Answer): Promise<FaultyServer> {
  let fault: Fault | null = null;
  const asked: { method: string; path: string; headers: IncomingMessage['headers']; body: string }[] = [];
  const sockets = new Set<Socket>();
  const timers = new Set<NodeJS.Timeout>();

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const question = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    };
    asked.push(question);
    switch (fault) {
      case null:
      case 'gone':
        return answer(question, response);
      case 'silent':
        return;
      case 'slow': {
        response.writeHead(200);
        const timer = setInterval(() => response.write('\n'), 50);
        timers.add(timer);
        return;
      }
      case 'failing':
        response.writeHead(500).end('out of\norder');
        return;
      case 'garbage':
        response.writeHead(200, { 'content-type': 'text/html' }).end('<html>\0 sign in first');
        return;
      case 'endless':
        response.writeHead(200);
        Readable.from(forEver('# more\n'.repeat(10_000))).pipe(response);
        return;
      case 'elsewhere':
        if (question.path === '/good') return answer(question, response);
        response.writeHead(307, { location: '/good' }).end();
    }
  }

  let server = createServer();
  const listen = async (port: number): Promise<void> => {
    server = createServer((request, response) => {
      response.on('error', () => {});
      handle(request, response).catch(() => request.socket.destroy());
    });
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => sockets.delete(socket));
    });
    server.listen(port, '127.0.0.1');
    await new Promise<void>((resolve, reject) => {
      server.once('listening', resolve);
      server.once('error', reject);
    });
  };
  const leave = async (): Promise<void> => {
    for (const timer of timers) clearInterval(timer);
    timers.clear();
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };

  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    asked,
    async be(next) {
      if (fault === 'gone' && next !== 'gone') await listen(port);
      if (next === 'gone' && fault !== 'gone') await leave();
      fault = next;
    },
    async close() {
      if (fault !== 'gone') await leave();
    },
  };
}

function* forEver(chunk: string): Generator<string> {
  for (;;) yield chunk;
}
