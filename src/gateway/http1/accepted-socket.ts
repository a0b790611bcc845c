import { Socket, type SocketConstructorOpts } from 'node:net';
import { sharedMemory } from './shared-memory.ts';
import { deliver } from './socket-user.ts';

/** What a socket of Node reads with. It has been there under this name since Node 0.x, but is not documented. */
interface Handle {
  readonly useUserBuffer: (memory: Uint8Array) => void;
}
type WithHandle = Socket & { _handle?: Partial<Handle> | null };

/**
 * The same connection as a socket that reads into the shared memory. Node has `onread` only for sockets that it connects
 * itself; those that a server accepts allocate 64 kB for every read and pass each through a stream, which takes as long as
 * all that the gateway does with a small request. Therefore the handle of the accepted socket moves to a new one.
 *
 * Call it before anything of the accepted socket is used, in the turn in which it was accepted: nothing has been read then. Where Node's
 * sockets are not as expected, the accepted one comes back, and everything works as before.
 */
export function readingShared(accepted: Socket): Socket {
  const handle = (accepted as WithHandle)._handle;
  if (typeof handle?.useUserBuffer !== 'function') return accepted;
  (accepted as WithHandle)._handle = null;
  // The types know of `handle` only what is new; Node's own server passes the handle of what it has accepted.
  const options = {
    handle,
    allowHalfOpen: true,
    onread: {
      buffer: sharedMemory,
      callback(length: number, bytes: Uint8Array): boolean {
        deliver(socket, bytes as Buffer, length);
        return true;
      },
    },
  };
  const socket = new Socket(options as unknown as SocketConstructorOpts);
  // Without its handle it is empty; its server no longer counts it.
  accepted.destroy();
  return socket;
}
