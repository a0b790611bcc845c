/** How many events more than stable's rate would have given, and where that number lies with 95 % certainty. */
export interface Excess {
  readonly excess: number;
  readonly low: number;
  readonly high: number;
}

/** Two-sided 95 % of the normal distribution. */
const Z = 1.96;

/**
 * Limits of the mean of a Poisson count: Byar's approximation, within 1 % of the exact ones from one event on (Breslow & Day 1987, Statistical
 * Methods in Cancer Research II, 2.3).
 *
 * @param count need not be whole
 */
export function poissonLimits(count: number): readonly [low: number, high: number] {
  const above = count + 1;
  const high = above * (1 - 1 / (9 * above) + Z / (3 * Math.sqrt(above))) ** 3;
  if (count <= 0) return [0, high];
  const low = count * Math.max(0, 1 - 1 / (9 * count) - Z / (3 * Math.sqrt(count))) ** 3;
  return [low, high];
}

/**
 * The candidate's events minus what stable's rates give for as many requests. Times with different weights are compared each by itself: a
 * sum over them shows a difference that is none when rates drift. The interval is recovered from those of its two parts (Zou & Donner 2008,
 * Statist. Med. 27, 1693-1702), the part of stable as a weighted sum of counts (Fay & Feuer 1997, Statist. Med. 16, 791-801). It is one of a
 * fixed time, for people to see the size: what is certain is said by the e-value.
 *
 * @param strata requests of the candidate by requests of stable (`share`), and the events of both
 * @param dispersion how many events come at once
 */
export function excessOf(
  strata: readonly { readonly share: number; readonly candidateEvents: number; readonly stableEvents: number }[],
  dispersion: number,
): Excess {
  let [events, expected, variance, widest] = [0, 0, 0, 0];
  for (const { share, candidateEvents, stableEvents } of strata) {
    events += candidateEvents;
    expected += share * stableEvents;
    variance += share * share * stableEvents;
    widest = Math.max(widest, share);
  }
  const [low, high] = poissonLimits(events / dispersion).map((limit) => limit * dispersion) as [number, number];
  const [expectedLow, expectedHigh] = weightedLimits(expected, variance, widest, dispersion);
  const excess = events - expected;
  return {
    excess,
    low: excess - Math.hypot(events - low, expectedHigh - expected),
    high: excess + Math.hypot(high - events, expected - expectedLow),
  };
}

function weightedLimits(
  sum: number,
  variance: number,
  widest: number,
  dispersion: number,
): readonly [low: number, high: number] {
  // Nothing was seen: what one event of the weightiest stratum could have been.
  const scale = (variance > 0 ? variance / sum : widest) * dispersion;
  if (scale <= 0) return [sum, sum];
  const [low, high] = poissonLimits(sum / scale);
  return [low * scale, high * scale];
}
