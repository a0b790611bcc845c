import { getSystemErrorMap } from 'node:util';
import { bindSocket, type BoundSocket } from '../../system/bind-socket.ts';

/**
 * Opens a socket for workers to listen on: passed to them, they accept from one queue. Port 0 takes a free one.
 *
 * @throws Error with the system's `code` when the address cannot be listened on
 */
export async function openSocket(host: string, port: number): Promise<BoundSocket> {
  const bound = await bindSocket(host, port);
  if (typeof bound !== 'number') return bound;
  const [code] = getSystemErrorMap().get(bound) ?? [`error ${bound}`];
  throw Object.assign(new Error(`listen ${code}: ${host}:${port}`), { code });
}
