import { createHash } from 'node:crypto';

/**
 * Reproducible randomness: sfc32 (Chris Doty-Humphrey, PractRand), its state taken from the SHA-256 of a seed and a label.
 * The same seed and label give the same numbers on every machine; another label gives an independent stream, so that what is
 * added to one part of the data never changes another.
 */
export class Random {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number | string, label = '') {
    this.#seed = `${seed}/${label}`;
    const digest = createHash('sha256').update(this.#seed).digest();
    this.#a = digest.readInt32LE(0);
    this.#b = digest.readInt32LE(4);
    this.#c = digest.readInt32LE(8);
    for (let round = 0; round < 12; round += 1) this.integer(2);
  }

  /** An independent stream of the same seed. */
  stream(label: string): Random {
    return new Random(this.#seed, label);
  }

  /** A number from 0 up to, and without, 1. */
  fraction(): number {
    return this.#next() / 4_294_967_296;
  }

  /** A whole number from 0 up to, and without, `below`. */
  integer(below: number): number {
    return Math.floor(this.fraction() * below);
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.integer(most - least + 1);
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** @throws RangeError for an empty list */
  pick<T>(from: readonly T[]): T {
    const picked = from[this.integer(from.length)];
    if (picked === undefined) throw new RangeError('nothing to pick from');
    return picked;
  }

  /** `count` different ones, in a random order; all of them when there are not so many. */
  sample<T>(from: readonly T[], count: number): readonly T[] {
    const rest = [...from];
    const taken: T[] = [];
    while (taken.length < count && rest.length > 0) taken.push(...rest.splice(this.integer(rest.length), 1));
    return taken;
  }

  /** Time to the next of events that come `perSecond` times a second on average (a Poisson process), in seconds. */
  exponential(perSecond: number): number {
    return -Math.log(1 - this.fraction()) / perSecond;
  }

  /** A rank from 0 below `ranks`, small ones more often: the k-th with a weight of about 1 / (k + 1). */
  rank(ranks: number): number {
    return Math.min(ranks - 1, Math.floor((ranks + 1) ** this.fraction()) - 1);
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; at += 1) bytes[at] = this.#next() & 0xff;
    return bytes;
  }

  /** In the form of a random UUID (RFC 9562, version 4). */
  uuid(): string {
    const bytes = this.bytes(16);
    bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
    bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
    const hex = bytes.toString('hex');
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + sum) | 0;
    return sum >>> 0;
  }
}
