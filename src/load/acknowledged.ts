/** Sequence numbers of acknowledged messages, one bit each. */
export class AcknowledgedSet {
  #bits = new Uint8Array(1024);
  #size = 0;

  add(seq: number): void {
    if (this.has(seq)) return;
    const byte = seq >>> 3;
    if (byte >= this.#bits.length) {
      const larger = new Uint8Array(Math.max(this.#bits.length * 2, byte + 1));
      larger.set(this.#bits);
      this.#bits = larger;
    }
    this.#bits[byte] = (this.#bits[byte] ?? 0) | (1 << (seq & 7));
    this.#size += 1;
  }

  has(seq: number): boolean {
    return ((this.#bits[seq >>> 3] ?? 0) & (1 << (seq & 7))) !== 0;
  }

  get size(): number {
    return this.#size;
  }
}
