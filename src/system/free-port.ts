import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

// Below what Linux hands out to outgoing connections (net.ipv4.ip_local_port_range, 32768 to 60999 unless set otherwise): a port
// from in there may be taken by any connection between being found free and being listened on. Above what platforms of this
// repository declare for instances.
const LOWEST = 28_000;
const HIGHEST = 32_700;
const ATTEMPTS = 200;

/** Whether nobody listens there. */
export function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/**
 * The first free port from `from` on (100 are tried), or any one that no outgoing connection takes; 0 asks for any at once.
 *
 * @throws Error when none is free
 */
export async function freePort(host: string, from: number): Promise<number> {
  const last = from === 0 ? 0 : from + 100;
  for (let port = from; port < last; port += 1) if (await isFree(host, port)) return port;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = randomInt(LOWEST, HIGHEST);
    if (await isFree(host, port)) return port;
  }
  throw new Error(`Found no free port of ${host} between ${LOWEST} and ${HIGHEST}`);
}
