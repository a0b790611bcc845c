import type { Arm } from './slot.ts';

/**
 * Latency counts in log-linear buckets: bucket 0 holds [0, 1) units of 100 us; from there 32 buckets an octave, so a
 * bucket is at most 3.2 % wide. Sparse: pairs of bucket index and count, ascending.
 */
export type LatencyCounts = readonly (readonly [bucket: number, count: number])[];

/** What one arm of one service answered in one second, bucketed by completion, counted where both arms pass. */
export interface ArmSecond {
  readonly requests: number;
  /** Answers of the instance with status 5xx. */
  readonly serverErrors: number;
  /** Requests that the gateway had to answer for the instance: refused, reset, timed out, cut short. */
  readonly gatewayErrors: number;
  readonly clientErrors: number;
  readonly latency: LatencyCounts;
  /**
   * How long requests that had no answer yet had waited when the second ended. They are counted as answered later, once
   * they are; until then this is all that is known of a release that hangs. Absent when a router cannot say.
   */
  readonly waiting?: LatencyCounts;
}

/** The second that is not over, as it was when the router was asked. Nothing may be kept of it: it is still counting. */
export interface CurrentSecond {
  readonly soFar: TrafficSecond;
  /** How much of it has passed, 0 to 999. */
  readonly passedMs: number;
}

/** One closed second of one service: late data never rewrites it. */
export interface TrafficSecond {
  readonly service: string;
  /** UTC seconds. */
  readonly second: number;
  readonly arms: Readonly<Record<Arm, ArmSecond>>;
}
