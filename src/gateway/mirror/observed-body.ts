import type { ParsedAnswer } from '../http1/message.ts';

/** Bytes of a JSON body up to which its shape is looked at. */
export const longestJson = 65_536;

const json = /^application\/(?:[a-z0-9.+-]*\+)?json\b/i;

/** Where memory for bodies comes from: there is little of it. */
export interface BodyMemory {
  /** False when there is none left. */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

/** What one of two answers to the same request brought: its size, and its body when that is short JSON. */
export class ObservedBody {
  readonly #memory: BodyMemory | null;
  #announced: number | null = null;
  /** Of a length that is counted here, not only announced (HEAD). */
  #counts = false;
  #bytes = 0;
  #complete = false;
  #pieces: Buffer[] | null = null;
  #held = 0;

  /** @param memory null when shapes are not compared */
  constructor(memory: BodyMemory | null) {
    this.#memory = memory;
  }

  /** Bytes that have come. */
  get bytes(): number {
    return this.#bytes;
  }

  begin(answer: ParsedAnswer): void {
    this.#announced = answer.announced;
    this.#counts = answer.body === null || answer.body.kind !== 'none';
    const readable = answer.contentEncoding === null || answer.contentEncoding === 'identity';
    const short = answer.announced === null || answer.announced <= longestJson;
    if (this.#memory !== null && this.#counts && readable && short && json.test(answer.contentType ?? ''))
      this.#pieces = [];
  }

  /** @param piece memory that is used again when this returns */
  data(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#pieces === null) return;
    if (this.#bytes > longestJson || this.#memory?.take(piece.length) !== true) {
      this.drop();
      return;
    }
    this.#held += piece.length;
    this.#pieces.push(Buffer.from(piece));
  }

  end(): void {
    this.#complete = true;
  }

  /** Bytes of the whole body; null when nobody knows. */
  get size(): number | null {
    return this.#counts && this.#complete ? this.#bytes : this.#announced;
  }

  /** The whole body, if it is short JSON. */
  get json(): Buffer | null {
    return this.#pieces !== null && this.#complete ? Buffer.concat(this.#pieces) : null;
  }

  /** What was kept of it is not needed any more. */
  drop(): void {
    this.#pieces = null;
    this.#memory?.give(this.#held);
    this.#held = 0;
  }
}
