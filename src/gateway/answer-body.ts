import type { ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import { EventBoundaryScanner } from './sse-boundary.ts';

/** The body of an answer on its way to the client, chunk by chunk and never faster than the client reads. */
export class AnswerBody {
  readonly #response: ServerResponse;
  readonly #controller: Dispatcher.DispatchController;
  readonly #onDrain: () => void;
  readonly #onEventsEnded: () => void;
  /** Bytes that are still announced; null when no length was. */
  #announced: number | null;
  readonly #events: EventBoundaryScanner | null;
  #lastChunk: Buffer | null = null;
  #written = false;
  #told = false;
  /** The client does not take what is there. */
  blocked = false;

  /**
   * @param options.announced bytes of the body when its length was given
   * @param options.readableEvents an event stream whose events can be told apart
   * @param options.onDrain the client reads again
   * @param options.onEventsEnded an event stream that was told to end has been ended, behind a whole event
   */
  constructor(
    response: ServerResponse,
    controller: Dispatcher.DispatchController,
    options: {
      readonly announced: number | null;
      readonly readableEvents: boolean;
      readonly onDrain: () => void;
      readonly onEventsEnded: () => void;
    },
  ) {
    this.#response = response;
    this.#controller = controller;
    this.#announced = options.announced;
    this.#events = options.readableEvents ? new EventBoundaryScanner() : null;
    this.#onDrain = options.onDrain;
    this.#onEventsEnded = options.onEventsEnded;
  }

  /** Nothing has gone out, nor will with the end: the head must be sent by itself. */
  get headIsWaiting(): boolean {
    return !this.#written && this.#lastChunk === null;
  }

  push(chunk: Buffer): void {
    if (this.#events !== null) {
      this.#pushEvents(this.#events, chunk);
      return;
    }
    if (this.#announced !== null) {
      this.#announced -= chunk.length;
      // The last piece goes out together with the end: one packet for a small answer.
      if (this.#announced === 0) {
        this.#lastChunk = chunk;
        return;
      }
    }
    this.#write(chunk);
  }

  /** The instance has sent everything. */
  end(trailers: Readonly<Record<string, string | string[] | undefined>>): void {
    const pairs = Object.entries(trailers).flatMap(([name, value]) =>
      [value ?? []].flat().map((one): [string, string] => [name, one]),
    );
    if (pairs.length > 0) this.#response.addTrailers(pairs);
    if (this.#lastChunk === null) this.#response.end();
    // As a Latin-1 string, bytes are what they were, and Node joins it with the head: one plain write, not a gathering one.
    else if (this.#lastChunk.length <= 8_192) this.#response.end(this.#lastChunk.toString('latin1'), 'latin1');
    else this.#response.end(this.#lastChunk);
  }

  /** Ends an event stream behind the current event; other bodies go on. */
  tell(): void {
    if (this.#events === null || this.#told) return;
    this.#told = true;
    if (this.#events.atBoundary) this.#endEvents();
  }

  #pushEvents(events: EventBoundaryScanner, chunk: Buffer): void {
    if (!this.#told) {
      events.push(chunk);
      this.#write(chunk);
      return;
    }
    const end = events.pushToBoundary(chunk);
    this.#write(end === -1 ? chunk : chunk.subarray(0, end));
    if (end !== -1) this.#endEvents();
  }

  #endEvents(): void {
    this.#response.end();
    this.#onEventsEnded();
  }

  #write(chunk: Buffer): void {
    this.#written = true;
    if (this.#response.write(chunk) || this.blocked) return;
    this.blocked = true;
    this.#controller.pause();
    this.#response.once('drain', () => {
      this.blocked = false;
      this.#onDrain();
      this.#controller.resume();
    });
  }
}
