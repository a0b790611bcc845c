/** Pulls exact amounts out of a stream of pieces of any size, holding no more than was asked for and one piece. */
export class ByteSource {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);
  #hasEnded = false;

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** The next `count` bytes; fewer at the end. */
  async take(count: number): Promise<Buffer> {
    const taken: Buffer[] = [];
    let missing = count;
    while (missing > 0) {
      const piece = await this.some(missing);
      if (piece.byteLength === 0) break;
      taken.push(piece);
      missing -= piece.byteLength;
    }
    return taken.length === 1 ? (taken[0] ?? Buffer.alloc(0)) : Buffer.concat(taken);
  }

  /** Looks at the next bytes without taking them; fewer at the end. */
  async peek(count: number): Promise<Buffer> {
    const head = await this.take(count);
    this.#rest = Buffer.concat([head, this.#rest]);
    return head;
  }

  /** All that is left. */
  async *remaining(): AsyncGenerator<Buffer> {
    for (;;) {
      const piece = await this.some(Number.MAX_SAFE_INTEGER);
      if (piece.byteLength === 0) return;
      yield piece;
    }
  }

  /** Some of the next bytes, `most` at most; none at the end. */
  async some(most: number): Promise<Buffer> {
    while (this.#rest.byteLength === 0 && !this.#hasEnded) {
      const { done, value } = await this.#pieces.next();
      if (done === true) this.#hasEnded = true;
      else this.#rest = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
    const piece = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(piece.byteLength);
    return piece;
  }
}
