import { Problem } from '../kit/problem.ts';

export interface WorkQueueOptions {
  /** How many run at once. */
  readonly atOnce: number;
  /** How many may wait; whoever comes then is turned away. */
  readonly waiting: number;
}

/**
 * Bounds costly work. Hashing a password takes 19 MiB and tens of milliseconds of a core: a flood of log-ins would take all memory,
 * and answers that come after the client has given up. Turned away early, with a time to come back, a client does better.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #queue: (() => void)[] = [];
  #running = 0;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /**
   * Runs the work when it is its turn, in the order of arrival.
   *
   * @throws Problem 503 `busy` at once when too many wait
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#options.atOnce) this.#running += 1;
    else {
      if (this.#queue.length >= this.#options.waiting)
        throw new Problem(503, 'busy', 'Too many people are logging in at this moment.', { retryAfterSeconds: 2 });
      // Whoever ends hands its place on, so that nobody who comes meanwhile can take it.
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    }
    try {
      return await work();
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
