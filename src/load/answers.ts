import { createHash, type Hash } from 'node:crypto';

// What the demo platform must answer, known before it is asked. `examples/demo/services` computes the same on its own.

const salt = 'veza-demo';

export const echoChecksum = (n: number): string => sha256(`${salt}:echo:${n}`);
export const eventChecksum = (n: number): string => sha256(`${salt}:event:${n}`);
export const socketChecksum = (n: number): string => sha256(`${salt}:ws:${n}`);
/** What the worker answers to the end of the chain web → api → worker. */
export const chainChecksum = (n: number): string => sha256(`chain:${n}`);

/** Text of a message: its own for every client and sequence, and not all ASCII. */
export const messageText = (client: string, seq: number): string => `message ${seq} of ${client}, naïve ✓`;
export const messageChecksum = (client: string, seq: number): string => sha256(messageText(client, seq));

/**
 * A body of `bytes` bytes that is different for every `n`. Only its last 32 bytes differ: the hash over the rest is
 * computed once, so that 5 MB bodies cost the client next to nothing.
 */
export class UploadBodies {
  readonly bytes: number;
  readonly #block = Buffer.alloc(65_536, 'veza load client 0123456789 ');
  readonly #fixed: number;
  readonly #hashOfFixed: Hash;

  /** @param bytes size of every body, at least 32 */
  constructor(bytes: number) {
    this.bytes = bytes;
    this.#fixed = bytes - 32;
    this.#hashOfFixed = createHash('sha256');
    for (const chunk of this.#fixedChunks()) this.#hashOfFixed.update(chunk);
  }

  sha256(n: number): string {
    return this.#hashOfFixed.copy().update(this.#tail(n)).digest('hex');
  }

  *chunks(n: number): Generator<Buffer> {
    yield* this.#fixedChunks();
    yield this.#tail(n);
  }

  *#fixedChunks(): Generator<Buffer> {
    for (let sent = 0; sent < this.#fixed; sent += this.#block.length) {
      yield this.#block.subarray(0, Math.min(this.#block.length, this.#fixed - sent));
    }
  }

  #tail(n: number): Buffer {
    return Buffer.from(`${n}`.padStart(32, '.'));
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
