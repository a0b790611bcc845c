import { readRequestLine, type CountedRequest } from './request-line.ts';

/** Seconds within which both lines of a request are written. */
const bothWithin = 60;

/**
 * Requests from lines of which each comes twice: HAProxy drops a line when it finds another of its threads writing to the same
 * descriptor (`fd_write_frag_line` gives up after 200 looks), so it is told to write each by two. A request is counted by the first
 * of its lines that is read.
 */
export class RequestLines {
  /** Requests of which one line has been read, with the second of their end; oldest first. */
  readonly #seen: Map<string, number>;
  readonly #onRequest: (request: CountedRequest) => void;

  /** @param seen what `store` gave */
  constructor(onRequest: (request: CountedRequest) => void, seen: readonly (readonly [string, number])[] = []) {
    this.#onRequest = onRequest;
    this.#seen = new Map(seen);
  }

  read(line: string): void {
    const request = readRequestLine(line);
    if (request === null) return;
    const { key, second } = request;
    if (key !== null) {
      if (this.#seen.delete(key)) return;
      this.#seen.set(key, second);
      this.#forget(second - bothWithin);
    }
    this.#onRequest(request);
  }

  /** Requests whose second line may still come. */
  store(): readonly (readonly [string, number])[] {
    return [...this.#seen];
  }

  #forget(before: number): void {
    for (const [key, second] of this.#seen) {
      if (second >= before) return;
      this.#seen.delete(key);
    }
  }
}
