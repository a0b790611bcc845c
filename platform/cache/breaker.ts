/** How a breaker stands: `closed` lets through, `open` refuses, `half-open` lets one through to see. */
export type BreakerState = 'closed' | 'open' | 'half-open';

/**
 * Stops asking something that does not answer, so that waiting for it does not slow down what can do without.
 *
 * Closed until `failures` calls in a row have failed; then open for `openMs`; then one call is let through, and its outcome
 * closes it or opens it again.
 *
 * @see M. Nygard, Release It!, 2nd ed., 2018, chapter 5 "Circuit Breaker"
 */
export class Breaker {
  readonly #failures: number;
  readonly #openMs: number;
  readonly #clock: () => number;
  #failed = 0;
  #openUntil = 0;
  #trying = false;

  constructor(options: { readonly failures: number; readonly openMs: number; readonly clock: () => number }) {
    this.#failures = options.failures;
    this.#openMs = options.openMs;
    this.#clock = options.clock;
  }

  get state(): BreakerState {
    if (this.#failed < this.#failures) return 'closed';
    return this.#trying || this.#clock() >= this.#openUntil ? 'half-open' : 'open';
  }

  /** Whether a call may be made now. Who is let through says what came of it with `succeeded` or `failed`. */
  enter(): boolean {
    if (this.#failed < this.#failures) return true;
    if (this.#trying || this.#clock() < this.#openUntil) return false;
    this.#trying = true;
    return true;
  }

  succeeded(): void {
    this.#failed = 0;
    this.#trying = false;
  }

  failed(): void {
    this.#failed = Math.min(this.#failed + 1, this.#failures);
    this.#trying = false;
    if (this.#failed === this.#failures) this.#openUntil = this.#clock() + this.#openMs;
  }
}
