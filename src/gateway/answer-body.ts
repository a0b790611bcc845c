import type { ClientStream } from './client-stream.ts';
import type { AnswerEncoder } from './edge-policy.ts';
import { EventBoundaryScanner } from './sse-boundary.ts';

/** Whose answer it is. */
export interface AnswerOwner {
  /** The instance is to wait, or to go on. */
  holdInstance(hold: boolean): void;
  /** An event stream that was told to end has been ended by us, behind a whole event. */
  eventsEnded(): void;
  /** Everything has been written. @param trailers flat */
  written(trailers: readonly string[]): void;
  encoderFailed(): void;
}

/** The body of an answer on its way to the client, piece by piece and never faster than the client reads. */
export class AnswerBody {
  /** Bytes for the client so far, as they are sent. */
  bytes = 0;
  /** The client does not take what is there. */
  blocked = false;
  readonly #client: ClientStream;
  readonly #owner: AnswerOwner;
  readonly #events: EventBoundaryScanner | null;
  #encoder: AnswerEncoder['stream'] | null = null;
  #told = false;
  #over = false;

  /**
   * @param readableEvents it is an event stream whose events can be told apart
   * @param encoder what turns its bytes into fewer; null to pass them on as they are
   */
  constructor(client: ClientStream, owner: AnswerOwner, readableEvents: boolean, encoder: AnswerEncoder | null) {
    this.#client = client;
    this.#owner = owner;
    this.#events = readableEvents ? new EventBoundaryScanner() : null;
    if (encoder !== null) this.#encodeWith(encoder);
  }

  /** @param bytes memory that is used again when this returns */
  push(bytes: Buffer): void {
    const events = this.#events;
    if (events === null) {
      this.#pass(bytes);
    } else if (!this.#told) {
      events.push(bytes);
      this.#pass(bytes);
    } else {
      const end = events.pushToBoundary(bytes);
      this.#pass(end === -1 ? bytes : bytes.subarray(0, end));
      if (end !== -1) this.#owner.eventsEnded();
    }
  }

  /** The instance has sent everything. */
  end(trailers: readonly string[]): void {
    if (this.#encoder === null) this.#owner.written(trailers);
    else this.#encoder.end();
  }

  /** Ends an event stream behind the current event; other bodies go on. */
  tell(): void {
    if (this.#events === null || this.#told) return;
    this.#told = true;
    if (this.#events.atBoundary) this.#owner.eventsEnded();
  }

  /** The client reads again. */
  drained(): void {
    this.blocked = false;
    if (this.#encoder === null) this.#owner.holdInstance(false);
    else this.#encoder.resume();
  }

  /** Nothing more is wanted. */
  stop(): void {
    this.#over = true;
    this.#encoder?.destroy();
  }

  #pass(bytes: Buffer): void {
    if (this.#encoder !== null) {
      // The encoder works later, in a thread of its own.
      if (!this.#encoder.write(Buffer.from(bytes))) this.#owner.holdInstance(true);
      return;
    }
    this.bytes += bytes.length;
    if (this.#client.write(bytes) || this.blocked) return;
    this.blocked = true;
    this.#owner.holdInstance(true);
  }

  #encodeWith({ stream }: AnswerEncoder): void {
    this.#encoder = stream;
    stream.on('data', (bytes: Buffer) => {
      if (this.#over) return;
      this.bytes += bytes.length;
      if (!this.#client.write(bytes)) {
        this.blocked = true;
        stream.pause();
      }
      this.#client.flush?.();
    });
    stream.on('drain', () => {
      if (!this.#over) this.#owner.holdInstance(false);
    });
    stream.once('end', () => {
      if (!this.#over) this.#owner.written([]);
    });
    stream.on('error', () => {
      if (!this.#over) this.#owner.encoderFailed();
    });
  }
}
