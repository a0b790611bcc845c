/** Gap in seconds up to which seconds between two ticks count as observed. */
const longestObservedGap = 5;
/** Milliseconds that the wall clock must have run ahead before labels follow it. */
const followAfterMs = 2_000;

/**
 * Numbers seconds for counting. Labels are UTC seconds, but time passes by the monotonic clock: a wall clock that jumps
 * never makes seconds that nobody observed, and no label comes twice. When the wall clock jumps ahead, labels skip; when
 * it jumps back, labels go on from where they are and are ahead until it has caught up. Seconds in which this process
 * did not run (suspended, stopped) were not observed.
 */
export class SecondClock {
  readonly #wall: () => number;
  readonly #monotonic: () => number;
  #offsetMs: number;
  #last: number;

  /**
   * @param wall UTC milliseconds
   * @param monotonic milliseconds from any origin
   */
  constructor(wall: () => number, monotonic: () => number) {
    this.#wall = wall;
    this.#monotonic = monotonic;
    this.#offsetMs = wall() - monotonic();
    this.#last = this.now();
  }

  /** The second that now belongs to. */
  now(): number {
    return Math.floor((this.#monotonic() + this.#offsetMs) / 1000);
  }

  /** The same, with how many milliseconds of it have passed. */
  read(): { readonly second: number; readonly passedMs: number } {
    const ms = Math.floor(this.#monotonic() + this.#offsetMs);
    const second = Math.floor(ms / 1000);
    return { second, passedMs: ms - second * 1000 };
  }

  /** Seconds that began since the last tick and were observed, ascending. Call it several times a second. */
  tick(): readonly number[] {
    const before = this.now();
    const observed: number[] = [];
    const gap = before - this.#last;
    for (let second = gap > longestObservedGap ? before : this.#last + 1; second <= before; second += 1) {
      observed.push(second);
    }
    this.#last = before;
    const ahead = this.#wall() - (this.#monotonic() + this.#offsetMs);
    if (ahead > followAfterMs) {
      this.#offsetMs += ahead;
      this.#last = this.now();
      observed.push(this.#last);
    }
    return observed;
  }
}
