import { createServer, request, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

/** One origin for all services, as the router has it: the longest prefix decides. WebSockets, too. */
export interface ReverseProxy {
  readonly origin: string;
  /** Sends a prefix elsewhere, from the next request on. */
  route(prefix: string, target: string): void;
  close(): Promise<void>;
}

/** Listens on localhost, which browsers trust without TLS: `Secure` and `__Host-` cookies work there. */
export async function startReverseProxy(): Promise<ReverseProxy> {
  const routes = new Map<string, URL>();
  const sockets = new Set<Socket>();
  const targetOf = (incoming: IncomingMessage): URL | null => {
    const path = incoming.url ?? '/';
    const prefix = [...routes.keys()].filter((one) => path.startsWith(one)).toSorted((a, b) => b.length - a.length)[0];
    return prefix === undefined ? null : (routes.get(prefix) ?? null);
  };

  const server = createServer((incoming, answer) => {
    const target = targetOf(incoming);
    if (target === null) {
      answer.writeHead(503).end();
      return;
    }
    const { method, url, headers } = incoming;
    const onward = request({ host: target.hostname, port: target.port, method, path: url, headers }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    onward.on('error', () => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end()));
    answer.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  server.on('upgrade', (incoming: IncomingMessage, client: Socket, head: Buffer) => {
    const target = targetOf(incoming);
    if (target === null) {
      client.destroy();
      return;
    }
    const onward = connect(Number(target.port), target.hostname);
    sockets.add(client).add(onward);
    const lines = [`GET ${incoming.url ?? '/'} HTTP/1.1`];
    for (let at = 0; at < incoming.rawHeaders.length; at += 2) {
      lines.push(`${incoming.rawHeaders[at] ?? ''}: ${incoming.rawHeaders[at + 1] ?? ''}`);
    }
    onward.write(`${lines.join('\r\n')}\r\n\r\n`);
    onward.write(head);
    client.pipe(onward).pipe(client);
    for (const [one, other] of [[client, onward] as const, [onward, client] as const]) {
      one.on('error', () => other.destroy());
      one.on('close', () => {
        other.destroy();
        sockets.delete(one);
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  return {
    origin: `http://localhost:${port}`,
    route: (prefix, target) => void routes.set(prefix, new URL(target)),
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
