/** Chance that can be repeated: the same seed gives the same numbers (sfc32, http://pracrand.sourceforge.net). */
export class Random {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string) {
    this.#seed = seed;
    [this.#a, this.#b, this.#c] = digest(seed);
    for (let warmUp = 0; warmUp < 12; warmUp += 1) this.next();
  }

  /** A stream of its own, so that one more draw here moves nothing there. */
  fork(label: string): Random {
    return new Random(`${this.#seed}/${label}`);
  }

  /** Uniform in [0, 1). */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 0x1_0000_0000;
  }

  /** A whole number, both ends included. */
  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(list: readonly [T, ...T[]]): T {
    return list[this.int(0, list.length - 1)] ?? list[0];
  }

  /** Of a list that may be empty. */
  any<T>(list: readonly T[]): T | null {
    return list.length === 0 ? null : (list[this.int(0, list.length - 1)] ?? null);
  }

  /** How many of `count` tries succeed; exact for small numbers, the normal approximation for large ones. */
  successes(count: number, probability: number): number {
    if (probability <= 0 || count <= 0) return 0;
    if (probability >= 1) return count;
    if (count > 40) {
      const spread = Math.sqrt(count * probability * (1 - probability));
      const bell = this.next() + this.next() + this.next() - 1.5;
      return Math.min(count, Math.max(0, Math.round(count * probability + 2 * bell * spread)));
    }
    let successes = 0;
    for (let tries = 0; tries < count; tries += 1) if (this.chance(probability)) successes += 1;
    return successes;
  }
}

/** Three numbers out of a text (FNV-1a, one after another). */
function digest(text: string): [number, number, number] {
  const words: number[] = [];
  let hash = 0x811c9dc5;
  for (let round = 0; round < 3; round += 1) {
    for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
    hash = Math.imul(hash ^ (round + 1), 0x01000193);
    hash ^= hash >>> 15;
    words.push(hash | 0);
  }
  const [a = 0, b = 0, c = 0] = words;
  return [a, b, c];
}
