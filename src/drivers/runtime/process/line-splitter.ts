/** Longest line that is kept whole, in bytes; longer ones become several. */
export const MAX_LINE_BYTES = 64 * 1024;

export interface SplitLine {
  readonly text: string;
  /** Bytes of the stream up to and with this line and its newline. */
  readonly end: number;
}

const NEWLINE = 0x0a;

/**
 * Cuts a stream of bytes into lines. Invalid UTF-8 becomes U+FFFD; a line over 64 KiB is cut between characters; a
 * carriage return before the newline is dropped.
 */
export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes given out as lines. */
  #end: number;

  constructor(from: number) {
    this.#end = from;
  }

  /** Bytes that were given to the splitter, whether or not they are a line yet. */
  get position(): number {
    return this.#end + this.#rest.length;
  }

  /** Bytes that were given out as lines: where to go on after a crash. */
  get end(): number {
    return this.#end;
  }

  push(chunk: Buffer): SplitLine[] {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const lines: SplitLine[] = [];
    let from = 0;
    for (;;) {
      const newline = data.indexOf(NEWLINE, from);
      const to = newline === -1 ? data.length : newline;
      if (to - from > MAX_LINE_BYTES) {
        const cut = cutBetweenCharacters(data, from + MAX_LINE_BYTES);
        lines.push(this.#line(data.subarray(from, cut), cut - from));
        from = cut;
      } else if (newline === -1) {
        break;
      } else {
        lines.push(this.#line(data.subarray(from, newline), newline + 1 - from));
        from = newline + 1;
      }
    }
    this.#rest = Buffer.from(data.subarray(from));
    return lines;
  }

  /** What is left without a newline, once no more will come. */
  flush(): SplitLine[] {
    if (this.#rest.length === 0) return [];
    const line = this.#line(this.#rest, this.#rest.length);
    this.#rest = Buffer.alloc(0);
    return [line];
  }

  #line(bytes: Buffer, length: number): SplitLine {
    this.#end += length;
    const text = bytes.toString('utf8');
    return { text: text.endsWith('\r') ? text.slice(0, -1) : text, end: this.#end };
  }
}

/** The last place at or before `at` that does not split a UTF-8 character: continuation bytes are 10xxxxxx (RFC 3629). */
function cutBetweenCharacters(data: Buffer, at: number): number {
  for (let cut = at; cut > at - 4; cut -= 1) if (((data[cut] ?? 0) & 0xc0) !== 0x80) return cut;
  return at;
}
