/** So much at once, so much a second: what a well-behaved peer never uses up. */
export class TokenBucket {
  readonly #burst: number;
  readonly #perSecond: number;
  #tokens: number;
  #at: number;

  /** @param now milliseconds, monotonic */
  constructor(burst: number, perSecond: number, now: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#tokens = burst;
    this.#at = now;
  }

  /** @returns false when there is not enough left; what is left is taken all the same */
  take(amount: number, now: number): boolean {
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) / 1000) * this.#perSecond) - amount;
    this.#at = now;
    return this.#tokens >= 0;
  }
}
