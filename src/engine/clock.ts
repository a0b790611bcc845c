/** Time, injected: the real clock, or a simulated one. */
export interface Clock {
  /** UTC milliseconds. */
  now(): number;
  /** Calls back once, after `delayMs`; the returned function cancels. */
  after(delayMs: number, callback: () => void): () => void;
}

/** Longest delay that a timer of the platform can take. */
const LONGEST_MS = 2_147_483_647;

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(0, delayMs), LONGEST_MS));
    return () => clearTimeout(timer);
  },
};
