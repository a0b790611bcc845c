import { scheduledOperations, type Mix, type ScheduledOperation } from './options.ts';

/**
 * An open-loop schedule: request k is due at `start + k / rate`, whatever became of the requests before it. Latency is
 * counted from when a request was due, so a slow answer cannot hide the ones that should have been asked meanwhile
 * ("coordinated omission": Gil Tene, How NOT to Measure Latency, 2013).
 */
export class Schedule {
  readonly #startMs: number;
  readonly #ratePerSecond: number;
  readonly #endMs: number;
  #next = 0;

  /** @param startMs @param durationMs on the same monotonic clock as what is handed to `takeDue` */
  constructor(startMs: number, ratePerSecond: number, durationMs: number) {
    this.#startMs = startMs;
    this.#ratePerSecond = ratePerSecond;
    this.#endMs = startMs + durationMs;
  }

  /** When request `k` is due, in milliseconds. */
  dueMs(k: number): number {
    return this.#startMs + (k * 1000) / this.#ratePerSecond;
  }

  /** Takes the requests that are due by now, each with the time at which it was due; all that were missed come at once. */
  *takeDue(nowMs: number): Generator<{ readonly k: number; readonly dueMs: number }> {
    while (!this.ended && this.dueMs(this.#next) <= nowMs) {
      const k = this.#next;
      this.#next += 1;
      yield { k, dueMs: this.dueMs(k) };
    }
  }

  /** When the next request is due, in milliseconds; null when the schedule is over. */
  get nextMs(): number | null {
    return this.ended ? null : this.dueMs(this.#next);
  }

  get ended(): boolean {
    return this.dueMs(this.#next) >= this.#endMs;
  }
}

/**
 * The kinds of requests in turn, each as often as its weight says and as evenly spread as it can be ("smooth weighted
 * round-robin", as nginx has it): always the same order, so that two runs are the same load.
 */
export class MixCycle {
  readonly #weights: Mix;
  readonly #total: number;
  readonly #credit: Record<ScheduledOperation, number> = { echo: 0, chain: 0, post: 0, read: 0 };

  constructor(mix: Mix) {
    this.#weights = mix;
    this.#total = scheduledOperations.reduce((sum, operation) => sum + mix[operation], 0);
  }

  next(): ScheduledOperation {
    let chosen: ScheduledOperation = 'echo';
    let most = Number.NEGATIVE_INFINITY;
    for (const operation of scheduledOperations) {
      if (this.#weights[operation] === 0) continue;
      this.#credit[operation] += this.#weights[operation];
      if (this.#credit[operation] > most) {
        most = this.#credit[operation];
        chosen = operation;
      }
    }
    this.#credit[chosen] -= this.#total;
    return chosen;
  }
}
