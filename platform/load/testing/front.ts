import { createServer, request, type IncomingHttpHeaders } from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';

/** A whole answer on its way to the user. */
export interface Passing {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What goes wrong on the way. Left out, everything is passed on as it is. */
export interface Faults {
  /** @returns null when the connection is broken instead */
  answer?(method: string, path: string, answer: Passing): Passing | null;
  /** Frames of chat to a member, in order. @returns those that he gets */
  frame?(text: string): readonly string[];
  /** The code that a member's connection is closed with when the service closes it. */
  close?(code: number): number;
}

export interface Front {
  readonly url: string;
  /** Closes every WebSocket that is open, as a router that goes away does. */
  closeSockets(code: number): void;
  stop(): Promise<void>;
}

/**
 * Joins services at one address, by the longest prefix, as the router does, and names a release in every answer. Unlike a
 * router it may do wrong on purpose: to see that it is found.
 *
 * @param routes URL of a service by path prefix
 */
export async function startFront(routes: Readonly<Record<string, string>>, faults: Faults = {}): Promise<Front> {
  const prefixes = Object.keys(routes).toSorted((a, b) => b.length - a.length);
  const targetOf = (path: string): URL => {
    const prefix = prefixes.find((one) => path.startsWith(one));
    return new URL(path, routes[prefix ?? '/'] ?? 'http://127.0.0.1:1');
  };

  const server = createServer((incoming, outgoing) => {
    const path = incoming.url ?? '/';
    const method = incoming.method ?? 'GET';
    const upstream = request(targetOf(path), { method, headers: incoming.headers }, (from) => {
      const chunks: Buffer[] = [];
      from.on('data', (chunk: Buffer) => chunks.push(chunk));
      from.on('error', () => outgoing.destroy());
      from.on('end', () => {
        const whole = { status: from.statusCode ?? 0, headers: from.headers, body: Buffer.concat(chunks) };
        const passed = faults.answer === undefined ? whole : faults.answer(method, path, whole);
        if (passed === null) {
          outgoing.destroy();
          return;
        }
        const { 'transfer-encoding': _, connection: __, ...headers } = passed.headers;
        if (method !== 'HEAD') headers['content-length'] = String(passed.body.length);
        outgoing.writeHead(passed.status, { 'x-veza-release': 'rel_test', ...headers });
        outgoing.end(passed.body);
      });
    });
    upstream.on('error', () => outgoing.destroy());
    incoming.pipe(upstream);
  });

  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  server.on('upgrade', (incoming, socket, head) => {
    sockets.handleUpgrade(incoming, socket, head, (user) => {
      const service = new WebSocket(targetOf(incoming.url ?? '/').href.replace(/^http/, 'ws'));
      const early: string[] = [];
      user.on('message', (data) => {
        const text = (data as Buffer).toString('utf8');
        if (service.readyState === WebSocket.OPEN) service.send(text);
        else early.push(text);
      });
      service.on('open', () => {
        for (const text of early) service.send(text);
      });
      service.on('message', (data) => {
        const text = (data as Buffer).toString('utf8');
        for (const passed of faults.frame?.(text) ?? [text]) user.send(passed);
      });
      // 1005: none was given. 1006 cannot be sent: the connection just ends.
      service.on('close', (code) => closeWith(user, faults.close?.(code) ?? code));
      user.on('close', (code) => closeWith(service, code));
      service.on('error', () => user.terminate());
      user.on('error', () => service.terminate());
    });
  });

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    closeSockets: (code) => {
      for (const socket of sockets.clients) closeWith(socket, code);
    },
    stop: async () => {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function closeWith(socket: WebSocket, code: number): void {
  if (code === 1006) socket.terminate();
  else if (code === 1005) socket.close();
  else socket.close(code);
}
