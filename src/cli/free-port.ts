import { createServer } from 'node:net';

/** Whether nobody listens there. */
export function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** The first free port from `from` on, or one that the system gives; 0 leaves it to the system at once. */
export async function freePort(host: string, from: number): Promise<number> {
  const last = from === 0 ? 0 : from + 100;
  for (let port = from; port < last; port += 1) if (await isFree(host, port)) return port;
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host, port: 0 }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : from));
    });
  });
}
