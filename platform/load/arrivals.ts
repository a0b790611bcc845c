import type { Random } from '../seed/random.ts';

/**
 * When things happen that happen `perSecond` times a second on average and know nothing of each other (a Poisson process), and
 * of nobody's answers either: an open loop. Latency counts from when something was due, so that a slow answer cannot hide the
 * requests that should have been sent meanwhile ("coordinated omission": Gil Tene, How NOT to Measure Latency, 2013).
 */
export class Arrivals {
  readonly #random: Random;
  readonly #perSecond: number;
  readonly #endMs: number;
  #nextMs: number;

  /** @param startMs on the same clock as what is handed to `takeDue`, as is `endMs`, when the last one may be due */
  constructor(random: Random, perSecond: number, startMs: number, endMs: number) {
    this.#random = random;
    this.#perSecond = perSecond;
    this.#endMs = endMs;
    this.#nextMs = startMs + random.exponential(perSecond) * 1_000;
  }

  /** The times, in milliseconds, that are due by now, in order. */
  takeDue(nowMs: number): readonly number[] {
    const due: number[] = [];
    while (!this.ended && this.#nextMs <= nowMs) {
      due.push(this.#nextMs);
      this.#nextMs += this.#random.exponential(this.#perSecond) * 1_000;
    }
    return due;
  }

  /** When the next one is due; null when there will be none. */
  get nextMs(): number | null {
    return this.ended ? null : this.#nextMs;
  }

  get ended(): boolean {
    return this.#nextMs > this.#endMs;
  }
}
