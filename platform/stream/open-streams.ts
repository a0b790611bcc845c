import type { ServerResponse } from 'node:http';
import { Problem } from '../kit/problem.ts';

interface OpenStream {
  readonly response: ServerResponse;
  written: number;
  sinceMs: number;
}

/**
 * Bodies that are being sent. Bounds how many there are, and ends those whose client takes nothing any more: each holds a file or
 * a connection, and a client that stops reading costs its sender nothing.
 */
export class OpenStreams {
  readonly #limit: number;
  readonly #stalledMs: number;
  readonly #clock: () => number;
  readonly #open = new Set<OpenStream>();

  constructor(options: { readonly limit: number; readonly stalledMs: number; readonly clock: () => number }) {
    this.#limit = options.limit;
    this.#stalledMs = options.stalledMs;
    this.#clock = options.clock;
  }

  get count(): number {
    return this.#open.size;
  }

  /**
   * Counts an answer until it is over.
   *
   * @throws Problem 503 when there are too many
   */
  admit(response: ServerResponse): void {
    if (this.#open.size >= this.#limit) {
      throw new Problem(503, 'too-many-streams', 'Too much is being played here at the moment. Try again shortly.', {
        retryAfterSeconds: 2,
      });
    }
    const stream: OpenStream = { response, written: 0, sinceMs: this.#clock() };
    this.#open.add(stream);
    response.once('close', () => this.#open.delete(stream));
  }

  /** Cuts off who has taken nothing for too long. To be called now and then; returns how many it were. */
  endStalled(): number {
    const now = this.#clock();
    let ended = 0;
    for (const stream of this.#open) {
      // Counts what waits in our own buffers, too: it grows only while the client makes room there.
      const written = stream.response.socket?.bytesWritten ?? 0;
      if (written !== stream.written) {
        stream.written = written;
        stream.sinceMs = now;
      } else if (now - stream.sinceMs >= this.#stalledMs) {
        stream.response.destroy();
        ended += 1;
      }
    }
    return ended;
  }
}
