import type { ServerFrame } from './frames.ts';

/** What of `ws` an outbox needs. */
export interface Sink {
  send(data: string, sent: (error?: Error) => void): void;
}

/** From here on nothing is sent that could be sent later. */
const FULL_BYTES = 256 * 1024;
/** No client that reads lets it come to this. */
const OVERFLOW_BYTES = 1024 * 1024;

/**
 * What is on its way to one client: bounded, so that a client that does not read costs a known amount of memory. It does not
 * hold frames back; whoever can wait asks `room()` first.
 */
export class Outbox {
  readonly #sink: Sink;
  readonly #clock: () => number;
  #pendingBytes = 0;
  #progressAt: number;
  #waiting: (() => void)[] = [];
  #closed = false;

  /** @param clock milliseconds */
  constructor(sink: Sink, clock: () => number) {
    this.#sink = sink;
    this.#clock = clock;
    this.#progressAt = clock();
  }

  send(frame: ServerFrame): void {
    if (this.#closed) return;
    const text = JSON.stringify(frame);
    const bytes = Buffer.byteLength(text);
    if (this.#pendingBytes === 0) this.#progressAt = this.#clock();
    this.#pendingBytes += bytes;
    this.#sink.send(text, () => {
      this.#pendingBytes -= bytes;
      this.#progressAt = this.#clock();
      if (this.#pendingBytes < FULL_BYTES / 2) this.#wake();
    });
  }

  get full(): boolean {
    return this.#pendingBytes >= FULL_BYTES;
  }

  get overflowed(): boolean {
    return this.#pendingBytes >= OVERFLOW_BYTES;
  }

  /** For how long nothing has left though something waits, in milliseconds. */
  get stalledMs(): number {
    return this.#pendingBytes === 0 ? 0 : this.#clock() - this.#progressAt;
  }

  /** Resolves when there is room again, or when it was closed. */
  async room(): Promise<void> {
    while (this.full && !this.#closed) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Nothing more is sent. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
