/** Seconds that are looked back on, as in Finagle and Linkerd. */
const WINDOW_SECONDS = 10;

/**
 * How many requests may be sent again: a share of those that came, and a few a second so that quiet services have some too. Without
 * it every caller that retries multiplies an outage. After Finagle's RetryBudget
 * (https://twitter.github.io/finagle/guide/Clients.html#retry-budgets) and Linkerd's
 * (https://linkerd.io/2.11/tasks/configuring-retries/), over a sliding window of whole seconds.
 */
export class RetryBudget {
  readonly #ratio: number;
  readonly #minPerSecond: number;
  readonly #requests = new Float64Array(WINDOW_SECONDS);
  readonly #retries = new Float64Array(WINDOW_SECONDS);
  #second = Number.NEGATIVE_INFINITY;
  #requestsInWindow = 0;
  #retriesInWindow = 0;

  /**
   * @param ratio retries for each request, 0.1 for 10 %
   * @param minPerSecond retries a second that are there without any request
   */
  constructor(ratio: number, minPerSecond: number) {
    this.#ratio = ratio;
    this.#minPerSecond = minPerSecond;
  }

  /** A request came (not: was sent again). @param now milliseconds that do not go back */
  deposit(now: number): void {
    const place = this.#slide(now);
    this.#requests[place] = (this.#requests[place] ?? 0) + 1;
    this.#requestsInWindow += 1;
  }

  /**
   * Asks to send one request again.
   *
   * @returns whether it may be; then it is taken from the budget
   */
  withdraw(now: number): boolean {
    const place = this.#slide(now);
    const allowed = this.#ratio * this.#requestsInWindow + this.#minPerSecond * WINDOW_SECONDS;
    if (this.#retriesInWindow + 1 > allowed) return false;
    this.#retries[place] = (this.#retries[place] ?? 0) + 1;
    this.#retriesInWindow += 1;
    return true;
  }

  /** Forgets what is older than the window. @returns the place of the current second */
  #slide(now: number): number {
    const second = Math.floor(now / 1000);
    // A clock that went back counts on in the second it was in.
    if (second > this.#second) {
      const first = Math.max(this.#second + 1, second - WINDOW_SECONDS + 1);
      for (let passed = first; passed <= second; passed += 1) {
        const place = placeOf(passed);
        this.#requestsInWindow -= this.#requests[place] ?? 0;
        this.#retriesInWindow -= this.#retries[place] ?? 0;
        this.#requests[place] = 0;
        this.#retries[place] = 0;
      }
      this.#second = second;
    }
    return placeOf(this.#second);
  }
}

/** Also of seconds before 0. */
const placeOf = (second: number): number => ((second % WINDOW_SECONDS) + WINDOW_SECONDS) % WINDOW_SECONDS;
