import { lookup } from 'node:dns/promises';
import net from 'node:net';

/** Node's handle of a socket that is bound, and from which nobody here accepts: it is for other processes. */
export interface SocketHandle {
  readonly fd: number;
  close(): void;
  getsockname(out: { port?: number }): number;
}

export interface BoundSocket {
  readonly host: string;
  readonly port: number;
  readonly handle: SocketHandle;
}

// Node's own `cluster` opens shared sockets this way: bound here, listening where it is passed to. A `net.Server` here would
// accept connections that nobody serves.
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
 * Binds a socket that other processes will listen on. Port 0 takes a free one.
 *
 * @returns the socket, or the system's error number
 * @throws the resolver's error when the host has no address
 */
export async function bindSocket(host: string, port: number): Promise<BoundSocket | number> {
  const { address, family } = net.isIP(host) > 0 ? { address: host, family: net.isIP(host) } : await lookup(host);
  const handle = createServerHandle(address, port, family === 6 ? 6 : 4, -1, 0);
  if (typeof handle === 'number') return handle;
  // libuv keeps "address in use" for later; asking for the name brings it out.
  const name: { port?: number } = {};
  const status = handle.getsockname(name);
  if (status === 0 && name.port !== undefined) return { host, port: name.port, handle };
  handle.close();
  return status;
}
