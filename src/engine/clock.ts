/** Time, injected: the real clock, or a simulated one. */
export interface Clock {
  /** UTC milliseconds; never goes back. */
  now(): number;
  /** Calls back once, after `delayMs`; the returned function cancels. */
  after(delayMs: number, callback: () => void): () => void;
}

/** Longest delay that a timer of the platform can take. */
const LONGEST_MS = 2_147_483_647;

/**
 * UTC that goes on while the machine's clock is set back, and follows it when it is set ahead or the machine has slept: a
 * wait that has begun never gets longer by a clock that jumps.
 *
 * @param wall UTC milliseconds, as the machine believes
 * @param monotonic milliseconds from any origin
 * @returns whole UTC milliseconds, never less than before
 */
export function steadyTime(wall: () => number, monotonic: () => number): () => number {
  let offset = Number.NEGATIVE_INFINITY;
  return () => {
    const passed = monotonic();
    offset = Math.max(offset, wall() - passed);
    return Math.round(passed + offset);
  };
}

export const systemClock: Clock = {
  now: steadyTime(
    () => Date.now(),
    () => performance.now(),
  ),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(0, delayMs), LONGEST_MS));
    return () => clearTimeout(timer);
  },
};
