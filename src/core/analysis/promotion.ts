import { MOST_WEALTH } from './bets.ts';
import type { ArmCounts, EventSettings } from './event-evidence.ts';

/** Shares of what the null hypothesis says that the candidate may have instead; 0 is "no events at all". */
const ALTERNATIVES = [0, 0.2, 0.4, 0.6, 0.8] as const;
/** Logarithm of 0, as far as a double goes on from it. */
const LOG_OF_NOTHING = -50;
const LOGS = ALTERNATIVES.map((a) => (a === 0 ? LOG_OF_NOTHING : Math.log(a)));
const LARGEST_LOG = Math.log(MOST_WEALTH);

/** Sums of log likelihood ratios against "the candidate is worse by more than is allowed", one an alternative. */
export type Promotion = readonly number[];

export const openPromotion = (): Promotion => ALTERNATIVES.map(() => 0);

/**
 * Folds in one second. Null hypothesis: the candidate's rate is above `ratio` times stable's plus the allowance.
 * E[a^xc b^xb] <= exp(-nc pc (1-a) + nb pb (b-1)), and with b = 1 + r nc (1-a)/nb that is at most exp(-eps nc (1-a)).
 *
 * @param dispersion how many events come at once; the whole logarithm is divided by it, the allowance too (see `eventFactors`): with
 *   the whole allowance and events by so many, bad releases in bursts would be called good
 */
export function promote(
  sums: Promotion,
  counts: ArmCounts,
  { ratio, allowance }: EventSettings,
  dispersion: number,
): Promotion {
  const { candidateTotal, candidateEvents, stableTotal, stableEvents } = counts;
  if (candidateTotal <= 0 || stableTotal <= 0) return sums;
  const next: number[] = [];
  for (let index = 0; index < ALTERNATIVES.length; index += 1) {
    const less = 1 - (ALTERNATIVES[index] ?? 0);
    let log = allowance * candidateTotal * less;
    if (candidateEvents > 0) log += candidateEvents * (LOGS[index] ?? 0);
    if (stableEvents > 0) log += stableEvents * Math.log(1 + (ratio * candidateTotal * less) / stableTotal);
    next.push(clamp((sums[index] ?? 0) + log / dispersion));
  }
  return next;
}

/** The e-value against "worse": from 1/beta on the candidate is not worse. */
export function promotionOf(sums: Promotion): number {
  let total = 0;
  for (const sum of sums) total += Math.exp(Math.min(sum, LARGEST_LOG));
  return Math.min(total / sums.length, MOST_WEALTH);
}

const clamp = (log: number): number => Math.min(Math.max(log, -1e300), 1e300);
