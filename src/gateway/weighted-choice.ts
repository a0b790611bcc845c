/**
 * Shares a sequence of requests so that the candidate's part is exact, not only on average: the rarer side gets one
 * request in each stretch of `100 / weight`, at a random place of the stretch (stratified sampling). At 5 % every 20
 * requests hold exactly one. The random place matters: with a fixed one a client that alternates GET and POST would
 * send all its POSTs to the same arm, and the comparison of arms would compare methods.
 */
export class WeightedChoice {
  readonly #random: () => number;
  #weight = 0;
  #request = 0;
  #stretch = 0;
  #nextPlace = 0;
  /** Places that fell on a request that was already taken by the place before. */
  #due = 0;

  /** @param random uniform in [0, 1) */
  constructor(random: () => number) {
    this.#random = random;
  }

  /**
   * True when the next request is for the candidate.
   *
   * @param weightPercent 0 to 100; a changed weight starts new stretches
   */
  next(weightPercent: number): boolean {
    if (weightPercent <= 0) return false;
    if (weightPercent >= 100) return true;
    if (weightPercent !== this.#weight) {
      this.#weight = weightPercent;
      this.#restart();
    }
    const candidateIsRarer = weightPercent <= 50;
    return this.#rarerIsNext(100 / (candidateIsRarer ? weightPercent : 100 - weightPercent)) === candidateIsRarer;
  }

  #restart(): void {
    this.#request = 0;
    this.#stretch = 0;
    this.#due = 0;
    this.#nextPlace = -1;
  }

  #rarerIsNext(length: number): boolean {
    if (this.#nextPlace < 0) this.#nextPlace = this.#random() * length;
    while (this.#nextPlace < this.#request + 1) {
      this.#due += 1;
      this.#stretch += 1;
      this.#nextPlace = (this.#stretch + this.#random()) * length;
    }
    this.#request += 1;
    // Numbers stay small and exact over years of requests: start over where a stretch ends on a whole request.
    if (this.#request >= 1_000_000 && this.#due === 0) this.#restart();
    if (this.#due === 0) return false;
    this.#due -= 1;
    return true;
  }
}
