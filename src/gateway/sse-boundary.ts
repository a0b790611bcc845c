const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/**
 * Follows a text/event-stream to know where an event ends: after a blank line, with lines ended by LF, CR or CRLF
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html, 9.2.5), however the bytes are cut into chunks.
 */
export class EventBoundaryScanner {
  #lineIsEmpty = true;
  #afterCarriageReturn = false;
  #atBoundary = true;

  /** Nothing of an unfinished event has passed: the stream may end here. */
  get atBoundary(): boolean {
    return this.#atBoundary;
  }

  /** Follows a whole chunk. */
  push(chunk: Uint8Array): void {
    for (const byte of chunk) this.#step(byte);
  }

  /**
   * Follows a chunk up to the end of the first event in it.
   *
   * @returns the index behind the event, or -1 when no event ends in the chunk
   */
  pushToBoundary(chunk: Uint8Array): number {
    for (let i = 0; i < chunk.length; i += 1) {
      this.#step(chunk[i] ?? 0);
      if (!this.#atBoundary) continue;
      // A LF right behind belongs to the CR that ended the line.
      const pair = this.#afterCarriageReturn && chunk[i + 1] === lineFeed;
      if (pair) this.#step(lineFeed);
      return i + (pair ? 2 : 1);
    }
    return -1;
  }

  #step(byte: number): void {
    if (byte === lineFeed && this.#afterCarriageReturn) {
      this.#afterCarriageReturn = false;
      return;
    }
    this.#afterCarriageReturn = byte === carriageReturn;
    if (byte === lineFeed || byte === carriageReturn) {
      this.#atBoundary = this.#lineIsEmpty;
      this.#lineIsEmpty = true;
    } else {
      this.#lineIsEmpty = false;
      this.#atBoundary = false;
    }
  }
}
