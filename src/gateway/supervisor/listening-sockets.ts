import { lookup } from 'node:dns/promises';
import net from 'node:net';
import { getSystemErrorMap } from 'node:util';

/**
 * A listening socket that this process holds without accepting from it: it is passed to workers, which accept from one
 * queue. Opaque; Node's handle of it.
 */
export interface SocketHandle {
  close(): void;
  getsockname(out: { port?: number }): number;
}

export interface HeldSocket {
  readonly host: string;
  readonly port: number;
  readonly handle: SocketHandle;
}

// Node's own `cluster` opens shared sockets this way: bound here, listening with the first worker. A `net.Server` here
// would accept connections that nobody serves.
const { _createServerHandle: createServerHandle } = net as unknown as {
  readonly _createServerHandle: (
    address: string,
    port: number,
    addressType: 4 | 6,
    fd: number,
    flags: number,
  ) => SocketHandle | number;
};

/**
 * Opens a socket for workers to listen on. Port 0 takes a free one.
 *
 * @throws Error with the system's `code` when the address cannot be listened on
 */
export async function openSocket(host: string, port: number): Promise<HeldSocket> {
  const { address, family } = net.isIP(host) > 0 ? { address: host, family: net.isIP(host) } : await lookup(host);
  const handle = createServerHandle(address, port, family === 6 ? 6 : 4, -1, 0);
  if (typeof handle === 'number') throw listenError(handle, host, port);
  // libuv keeps "address in use" for later; asking for the name brings it out.
  const name: { port?: number } = {};
  const status = handle.getsockname(name);
  if (status !== 0 || name.port === undefined) {
    handle.close();
    throw listenError(status, host, port);
  }
  return { host, port: name.port, handle };
}

function listenError(status: number, host: string, port: number): Error {
  const [code] = getSystemErrorMap().get(status) ?? [`error ${status}`];
  return Object.assign(new Error(`listen ${code}: ${host}:${port}`), { code });
}
