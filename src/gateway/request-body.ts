import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

/** Bytes of a body that are read and thrown away so that the client sees an early answer; then it is cut off. */
const maxDiscardBytes = 64 * 1024 * 1024;
const maxDiscardMs = 30_000;

/**
 * The body of a request on its way to an instance, chunk by chunk and never faster than the instance reads. It stands
 * between the client's message and the connection to the instance so that the end of one does not destroy the other: an
 * instance may answer before it has read everything, and the client must get that answer.
 */
export class RequestBody extends Readable {
  readonly #request: IncomingMessage;
  readonly #maxBytes: number;
  readonly #onBytes: () => void;
  readonly #onStart: () => void;
  readonly #onTooLarge: () => void;
  #bytes = 0;
  #started = false;
  /** Everything has been received from the client. */
  complete = false;
  /** The instance does not take what is there. */
  blocked = false;

  /**
   * @param callbacks.start the instance is ready for the body; called once
   * @param callbacks.bytes bytes moved
   * @param callbacks.tooLarge more than `maxBytes` came; nothing more is passed on
   */
  constructor(
    request: IncomingMessage,
    maxBytes: number | null,
    callbacks: { readonly start: () => void; readonly bytes: () => void; readonly tooLarge: () => void },
  ) {
    super({ highWaterMark: 65_536 });
    this.#request = request;
    this.#maxBytes = maxBytes ?? Number.POSITIVE_INFINITY;
    this.#onStart = callbacks.start;
    this.#onBytes = callbacks.bytes;
    this.#onTooLarge = callbacks.tooLarge;
    // The client destroys the body when its own connection fails; that is reported there, not here.
    this.on('error', () => {});
  }

  override _read(): void {
    if (!this.#started) {
      this.#started = true;
      this.#request.on('data', this.#onData);
      this.#request.once('end', this.#onEnd);
      this.#onStart();
    }
    this.blocked = false;
    this.#request.resume();
    this.#onBytes();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#detach();
    callback(error);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes += chunk.length;
    this.#onBytes();
    if (this.#bytes > this.#maxBytes) {
      this.#detach();
      this.#onTooLarge();
    } else if (!this.push(chunk)) {
      this.blocked = true;
      this.#request.pause();
    }
  };

  readonly #onEnd = (): void => {
    this.complete = true;
    this.#onBytes();
    this.push(null);
  };

  #detach(): void {
    this.#request.off('data', this.#onData);
    this.#request.off('end', this.#onEnd);
  }
}

/**
 * Reads on and throws away what is left of a request that has been answered early. Closing at once would reset the
 * connection, and the answer could be lost with it (RFC 9112, 9.6). The connection is cut when there is too much left.
 */
export function discardRest(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  let bytes = 0;
  const cut = (): void => {
    request.socket.destroy();
  };
  const timer = setTimeout(cut, maxDiscardMs);
  timer.unref();
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxDiscardBytes) cut();
  });
  request.once('close', () => clearTimeout(timer));
  request.resume();
}
