/**
 * Which keys have been seen, and as which number. Holds 63 bits of hash a key instead of the key (hash compaction: Wolper and
 * Leroy 1993, Stern and Dill 1995): with n keys the chance that any two are taken for one is about n² / 2^64, below one in
 * four million for two million keys.
 */
export class StateTable {
  #high: Int32Array;
  #low: Int32Array;
  #index: Int32Array;
  #mask: number;
  #size = 0;

  constructor(capacity = 1 << 16) {
    this.#high = new Int32Array(capacity);
    this.#low = new Int32Array(capacity);
    this.#index = new Int32Array(capacity).fill(-1);
    this.#mask = capacity - 1;
  }

  get size(): number {
    return this.#size;
  }

  /** Number of the key in `words[0..count)`; a new key gets the next number. */
  number(words: Int32Array, count: number): number {
    if (this.#size * 2 > this.#mask) this.#grow();
    const high = hash(words, count, 0x9747b28c) & 0x7fffffff;
    const low = hash(words, count, 0x3c6ef372);
    let at = low & this.#mask;
    for (; (this.#index[at] ?? -1) !== -1; at = (at + 1) & this.#mask) {
      if (this.#low[at] === low && this.#high[at] === high) return this.#index[at] ?? -1;
    }
    this.#high[at] = high;
    this.#low[at] = low;
    this.#index[at] = this.#size;
    this.#size += 1;
    return this.#size - 1;
  }

  #grow(): void {
    const [high, low, index] = [this.#high, this.#low, this.#index];
    const capacity = (this.#mask + 1) * 2;
    this.#high = new Int32Array(capacity);
    this.#low = new Int32Array(capacity);
    this.#index = new Int32Array(capacity).fill(-1);
    this.#mask = capacity - 1;
    for (let from = 0; from < index.length; from += 1) {
      const number = index[from] ?? -1;
      if (number === -1) continue;
      let at = (low[from] ?? 0) & this.#mask;
      while ((this.#index[at] ?? -1) !== -1) at = (at + 1) & this.#mask;
      this.#high[at] = high[from] ?? 0;
      this.#low[at] = low[from] ?? 0;
      this.#index[at] = number;
    }
  }
}

/** MurmurHash3 (x86, 32 bit) over whole words. */
function hash(words: Int32Array, count: number, seed: number): number {
  let h = seed;
  for (let at = 0; at < count; at += 1) {
    let k = Math.imul(words[at] ?? 0, 0xcc9e2d51);
    k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
    h ^= k;
    h = (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
  }
  h ^= count;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}

/** Numbers by number: grows by itself, four bytes each. */
export class NumberList {
  #values = new Int32Array(1 << 12);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  at(index: number): number {
    return this.#values[index] ?? -1;
  }

  set(index: number, value: number): void {
    while (index >= this.#values.length) {
      const more = new Int32Array(this.#values.length * 2);
      more.set(this.#values);
      this.#values = more;
    }
    this.#values[index] = value;
    if (index >= this.#size) this.#size = index + 1;
  }
}
