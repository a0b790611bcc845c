const FIRST_MS = 250;
const LONGEST_MS = 15_000;

/**
 * How long to wait before connecting again: doubling, and anywhere in between, so that the clients of an instance that
 * went away do not all come back at once ("full jitter": M. Brooker, "Exponential Backoff And Jitter", AWS, 2015).
 *
 * @param failures connections that failed since the last one that worked
 * @param random from 0 to 1
 */
export function backoffMs(failures: number, random: number): number {
  return Math.round(Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures, 16)) * random);
}
