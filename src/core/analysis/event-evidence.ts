/** What one second counted in both arms: how many could have, and how many did. */
export interface ArmCounts {
  readonly candidateTotal: number;
  readonly candidateEvents: number;
  readonly stableTotal: number;
  readonly stableEvents: number;
}

export interface EventSettings {
  /** Null hypothesis: the candidate's rate is at most `ratio` times stable's (at least, for alternatives below 1). */
  readonly ratio: number;
  /** Absolute allowance besides, as a share: 0.002 is 0.2 percentage points. */
  readonly allowance: number;
}

/** How many times worse than the null hypothesis allows; a mixture needs no guess. */
export const MORE_EVENTS = [1.5, 2, 3, 5, 10, 30, 100] as const;
/** For events that there should be many of. */
export const FEWER_EVENTS = [1 / 1.5, 1 / 2, 1 / 3, 1 / 5, 1 / 10, 1 / 30, 1 / 100] as const;

/**
 * Log likelihood ratios of one second, one an alternative. With a = m/q and b = 1/q the factor a^xc b^xb has mean
 * <= exp(nc pc (a-1) - nb pb (1-b)), and r0 nc (a-1) = nb (1-b): at most 1 for every rate of stable and every split, exactly for
 * Bernoulli and Poisson counts (Lindon & Malek 2022, arXiv 2011.03567, for the conditional form). Only this second's counts: pooled totals
 * reject healthy releases when rates drift while weights change.
 *
 * The whole logarithm is divided by the dispersion, so the allowance too. When causes come as a Poisson process and each makes
 * at most J events, s in the candidate and t in stable, then a^(s/J) b^(t/J) is convex in (s, t) and at most 1 + s/J (a-1) - t/J (1-b): the
 * mean is bounded as above with rates pc/J, pb/J and allowance/J. In groups of at most J requests that depend on one another in any way,
 * Hoelder's inequality gives E[prod f^(1/J)] <= prod E[f]^(1/J) <= 1.
 *
 * @param dispersion how many events come at once
 */
export function eventFactors(
  counts: ArmCounts,
  { ratio, allowance }: EventSettings,
  dispersion: number,
  alternatives: readonly number[],
): readonly number[] {
  const { candidateTotal, candidateEvents, stableTotal, stableEvents } = counts;
  const events = candidateEvents + stableEvents;
  const factors: number[] = [];
  const isSilent = candidateTotal <= 0 || stableTotal <= 0 || (events === 0 && allowance === 0);
  const base = ratio * candidateTotal + stableTotal;
  for (const m of alternatives) {
    if (isSilent) {
      factors.push(0);
      continue;
    }
    const q = (ratio * m * candidateTotal + stableTotal) / base;
    let log = -allowance * candidateTotal * (m / q - 1);
    if (events > 0) log -= events * Math.log(q);
    if (candidateEvents > 0) log += candidateEvents * Math.log(m);
    factors.push(log / dispersion);
  }
  return factors;
}

/**
 * The same against a rate of stable that is known from its past, for a rollout without a baseline beside it. Weaker: nothing says that the
 * past still holds.
 *
 * @param stableRate share, an upper bound of what stable had
 */
export function eventFactorsAgainstPast(
  candidateTotal: number,
  candidateEvents: number,
  stableRate: number,
  { ratio, allowance }: EventSettings,
  dispersion: number,
): readonly number[] {
  const allowed = (ratio * stableRate + allowance) * candidateTotal;
  return MORE_EVENTS.map((m) => (candidateEvents * Math.log(m) - allowed * (m - 1)) / dispersion);
}
