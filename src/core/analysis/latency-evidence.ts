import type { LatencyCounts } from '../traffic.ts';
import type { ArmCounts } from './event-evidence.ts';
import { boundsOf, bucketFrom, bucketHolding, countFrom, mergeLatencies, totalCount } from './histogram.ts';

/** Odds of being slow, candidate by stable. */
export const SLOWER = [1.2, 1.5, 2, 3, 5, 10, 30] as const;

const KEPT_MINUTES = 5;
/** Requests that the rate of the quantile's own definition counts for, before there is a past. */
const PSEUDO_REQUESTS = 500;
/** Caches and compilers that are cold do not explain more than three times stable's time, unless that is a moment. */
const WARMING_FACTOR = 3;
const WARMING_MOMENT_MS = 50;
/** So many of stable's requests must lie above a quantile before it is compared with. */
export const LEAST_ABOVE = 5;

/** Stable's latencies of the last minutes, and the thresholds that follow from them. */
export interface LatencyPast {
  readonly minutes: readonly { readonly minute: number; readonly latency: LatencyCounts }[];
  readonly minute: number;
  /** Of the minute that is not over; merged once it is. */
  readonly open: readonly LatencyCounts[];
}

export const noLatencyPast: LatencyPast = { minutes: [], minute: -1, open: [] };

/** Lowest bucket that is slow, for each arm; null while too little is known of stable. */
export interface SlowFrom {
  readonly stable: number;
  readonly candidate: number;
}

export interface SlowThresholds extends SlowFrom {
  /** Of a candidate that warms up. */
  readonly warming: number;
}

/** A minute that is over. */
export const rememberLatencies = (past: LatencyPast, minute: number, latency: LatencyCounts): LatencyPast => ({
  ...past,
  minutes: [...past.minutes.filter((one) => one.minute > minute - KEPT_MINUTES), { minute, latency }],
});

/** Puts the minute before away when `second` is the first of another one. */
export function turnMinute(past: LatencyPast, second: number): LatencyPast {
  const minute = Math.floor(second / 60);
  if (minute === past.minute) return past;
  const closed = past.open.length === 0 ? past : rememberLatencies(past, past.minute, mergeLatencies(past.open));
  return { minutes: closed.minutes.filter((one) => one.minute >= minute - KEPT_MINUTES), minute, open: [] };
}

export const addLatencies = (past: LatencyPast, latency: LatencyCounts): LatencyPast => ({
  ...past,
  open: [...past.open, latency],
});

/** Everything that is remembered but the minute that is not over. */
export const latenciesOf = (past: LatencyPast): LatencyCounts => mergeLatencies(past.minutes.map((one) => one.latency));

/**
 * Where "slow" begins: for stable at the upper edge of the bucket that holds its quantile, for the candidate at `tolerance`
 * above that, rounded up to an edge. Null while stable is not known well enough.
 *
 * @param known stable's latencies of the last five minutes
 * @param quantile 0.99 is the p99
 * @param tolerance 0.1 lets the candidate be 10 % slower
 */
export function slowAbove(known: LatencyCounts, quantile: number, tolerance: number): SlowThresholds | null {
  const total = totalCount(known);
  if (total * (1 - quantile) < LEAST_ABOVE) return null;
  const holding = bucketHolding(known, quantile, total);
  const { toMs } = boundsOf(holding);
  return {
    stable: holding + 1,
    candidate: bucketFrom(toMs * (1 + tolerance)),
    warming: bucketFrom(Math.max(toMs * (1 + tolerance), toMs * WARMING_FACTOR, toMs + WARMING_MOMENT_MS)),
  };
}

/** The same from what is remembered. */
export const slowFrom = (past: LatencyPast, quantile: number, tolerance: number): SlowFrom | null =>
  slowAbove(latenciesOf(past), quantile, tolerance);

/** Slow requests of one second in both arms. */
export function slowCounts(candidate: LatencyCounts, stable: LatencyCounts, slow: SlowFrom): ArmCounts {
  return {
    candidateTotal: totalCount(candidate),
    candidateEvents: countFrom(candidate, slow.candidate),
    stableTotal: totalCount(stable),
    stableEvents: countFrom(stable, slow.stable),
  };
}

/** Stable's share of slow requests, from the past alone, drawn towards what the quantile's name says. */
export const slowShare = (quantile: number, past: { readonly total: number; readonly events: number }): number =>
  (past.events + PSEUDO_REQUESTS * (1 - quantile)) / (past.total + PSEUDO_REQUESTS);

/**
 * Log likelihood ratios of one second against "no larger share of the candidate is slow than of stable": two binomials
 * against one (Turner, Ly & Gruenwald 2024, arXiv 2106.02693). With g(u) = p u/p0 + (1-p)(1-u)/(1-p0) for a true common share p the mean is
 * g(pc)^nc g(pb)^nb, and by concavity of the logarithm at most g(p0)^(nc+nb) = 1, whatever p is; it falls with a smaller share of the
 * candidate. A copy that is as slow as its original more often than chance makes it smaller. Divided by the dispersion: see `eventFactors`.
 *
 * @param share stable's share as guessed from the past; a bad guess costs power, never validity
 */
export function slowFactors(counts: ArmCounts, share: number, dispersion: number): readonly number[] {
  const { candidateTotal, candidateEvents, stableTotal, stableEvents } = counts;
  if (candidateTotal <= 0 || stableTotal <= 0) return SLOWER.map(() => 0);
  const guess = Math.min(Math.max(share, 1e-6), 1 - 1e-6);
  return SLOWER.map((odds) => {
    const worse = (odds * guess) / (1 - guess + odds * guess);
    const common = (candidateTotal * worse + stableTotal * guess) / (candidateTotal + stableTotal);
    const log =
      candidateEvents * Math.log(worse / common) +
      Math.max(0, candidateTotal - candidateEvents) * Math.log((1 - worse) / (1 - common)) +
      stableEvents * Math.log(guess / common) +
      Math.max(0, stableTotal - stableEvents) * Math.log((1 - guess) / (1 - common));
    return log / dispersion;
  });
}
