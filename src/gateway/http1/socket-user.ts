import type { Duplex } from 'node:stream';

/** Who uses a client's socket: HTTP/1.1, or what it was upgraded to. */
export interface SocketUser {
  /** @param bytes the first `length` of it; memory that is used again when this returns */
  received(bytes: Buffer, length: number): void;
  drained(): void;
  ended(): void;
  closed(): void;
}

const userOf = Symbol('user');
type Used = Duplex & { [userOf]?: SocketUser };

/**
 * Lets somebody hear of a socket. One set of listeners serves all sockets and stays when the user changes: a closure for
 * each of them, or a listener that is removed, costs memory on every connection.
 */
export function listenTo(socket: Duplex, user: SocketUser): void {
  (socket as Used)[userOf] = user;
  socket.on('data', onData);
  socket.on('drain', onDrain);
  socket.on('end', onEnd);
  socket.on('error', onError);
  socket.on('close', onClose);
}

/** From here on somebody else hears of a socket that is listened to. */
export function handOver(socket: Duplex, user: SocketUser): void {
  (socket as Used)[userOf] = user;
}

/** What a socket that reads into memory of ours has read. */
export function deliver(socket: Duplex, bytes: Buffer, length: number): void {
  (socket as Used)[userOf]?.received(bytes, length);
}

function onData(this: Used, bytes: Buffer): void {
  this[userOf]?.received(bytes, bytes.length);
}

function onDrain(this: Used): void {
  this[userOf]?.drained();
}

function onEnd(this: Used): void {
  this[userOf]?.ended();
}

function onClose(this: Used): void {
  this[userOf]?.closed();
}

/** `close` follows. */
function onError(): void {}
