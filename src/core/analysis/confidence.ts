import { MOST_WEALTH } from './bets.ts';
import type { ArmCounts } from './event-evidence.ts';

/** By how many times the candidate's share of events exceeds stable's. */
export interface RatioInterval {
  /** The ratio of the two shares as counted; null when stable had no event. */
  readonly estimate: number | null;
  readonly low: number;
  /** Null: no upper end, which is so until stable has had an event. */
  readonly high: number | null;
}

/** Logarithm of the largest ratio that is looked at: a double holds it. */
const FARTHEST = 700;
const BISECTIONS = 64;
/** More than concave integrands ever need. */
const MOST_STEPS = 20_000;
/** Part of a standard deviation of the likelihood: the trapezoidal rule is exact to ten digits for bell-shaped integrands. */
const STEP_IN_DEVIATIONS = 0.2;
const WIDEST_STEP = 0.2;
/** What is e^-40 of the peak adds nothing to a sum of doubles. */
const NEGLIGIBLE = -40;

/**
 * Confidence sequence of the ratio of two shares: looked at after every second, it contains the true ratio at all times with
 * probability at least 1 - alpha, as long as the ratio does not change. Every hypothetical ratio `r` says with which
 * probability an event is the candidate's, `r nc / (r nc + nb)`, whatever the rate of stable; the interval is made of those against which a
 * mixture over all ratios wins less than 1/alpha. The mixture is Beta(1/2, 1/2) for that probability in the first stretch, so with one stretch
 * it is the closed form of SEQUENTIAL.md, `ln B(1/2+X, 1/2+Y) - ln B(1/2, 1/2) - X ln theta - Y ln(1-theta)` (Robbins 1970, Ann. Math. Statist.
 * 41; Howard & Ramdas 2022, arXiv 1906.09712; for the split of two Poisson processes Lindon & Malek 2022, arXiv 2011.03567).
 *
 * @param stretches counts of the times with the same weight, one entry each, oldest first. Totals of times with different weights must not be
 *   added up: under drifting rates the sum shows a difference that is none
 * @param alpha 0.01 is a 99 % interval
 * @param dispersion how many events come at once; each counts as one by so many
 * @returns null when there is nothing to compare: no requests in one of the arms, or no events
 */
export function ratioInterval(stretches: readonly ArmCounts[], alpha: number, dispersion = 1): RatioInterval | null {
  const compared = stretches.filter((one) => one.candidateTotal > 0 && one.stableTotal > 0);
  const candidate = sum(compared, (one) => one.candidateEvents);
  const stable = sum(compared, (one) => one.stableEvents);
  if (candidate + stable <= 0) return null;
  const likelihood = likelihoodOf(compared, dispersion);
  const peak = peakOf(likelihood);
  const mixed = logMixture(compared, likelihood);
  const isOutside = (logRatio: number): boolean => mixed - likelihood(logRatio).log >= Math.log(1 / alpha);
  return {
    estimate: stable > 0 ? (candidate > 0 ? Math.exp(peak) : 0) : null,
    low: candidate > 0 ? Math.exp(edge(peak, -FARTHEST, isOutside)) : 0,
    high: stable > 0 ? Math.exp(edge(peak, FARTHEST, isOutside)) : null,
  };
}

/**
 * E-value against a ratio: how much better the mixture explains the counts than that ratio does. One of 1/alpha or more excludes it.
 *
 * @param ratio the candidate's share of events by stable's, above 0
 */
export function evidenceAgainstRatio(stretches: readonly ArmCounts[], ratio: number, dispersion = 1): number {
  const compared = stretches.filter((one) => one.candidateTotal > 0 && one.stableTotal > 0);
  const likelihood = likelihoodOf(compared, dispersion);
  return Math.min(Math.exp(logMixture(compared, likelihood) - likelihood(Math.log(ratio)).log), MOST_WEALTH);
}

/** Of a ratio's logarithm: the log likelihood of the counts, its slope, and how sharply it bends. It is concave. */
type Likelihood = (logRatio: number) => { readonly log: number; readonly slope: number; readonly bend: number };

function likelihoodOf(stretches: readonly ArmCounts[], dispersion: number): Likelihood {
  const known = stretches.map((one) => ({
    offset: Math.log(one.candidateTotal) - Math.log(one.stableTotal),
    candidate: one.candidateEvents / dispersion,
    stable: one.stableEvents / dispersion,
  }));
  return (logRatio) => {
    let log = 0;
    let slope = 0;
    let bend = 0;
    for (const { offset, candidate, stable } of known) {
      const odds = logRatio + offset;
      // Softplus, so that nothing is lost when theta is next to 0 or 1.
      const logTheta = -softplus(-odds);
      const logRest = -softplus(odds);
      const theta = Math.exp(logTheta);
      log += candidate * logTheta + stable * logRest;
      slope += candidate * Math.exp(logRest) - stable * theta;
      bend += (candidate + stable) * theta * Math.exp(logRest);
    }
    return { log, slope, bend };
  };
}

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** The most likely log ratio: where the slope, which only falls, is 0. */
function peakOf(likelihood: Likelihood): number {
  return edge(-FARTHEST, FARTHEST, (logRatio) => likelihood(logRatio).slope < 0);
}

/** Logarithm of the likelihood's mean over the mixture: the trapezoidal rule over the log ratio, from the integrand's peak outwards. */
function logMixture(stretches: readonly ArmCounts[], likelihood: Likelihood): number {
  const [first] = stretches;
  if (first === undefined) return 0;
  const offset = Math.log(first.candidateTotal) - Math.log(first.stableTotal);
  const integrand = (logRatio: number): number => {
    const odds = logRatio + offset;
    // Density of the log odds when the probability is Beta(1/2, 1/2).
    return likelihood(logRatio).log - (softplus(odds) + softplus(-odds)) / 2 - Math.log(Math.PI);
  };
  const slope = (logRatio: number): number => likelihood(logRatio).slope - Math.tanh((logRatio + offset) / 2) / 2;
  const peak = edge(-2 * FARTHEST, 2 * FARTHEST, (logRatio) => slope(logRatio) < 0);
  const top = integrand(peak);
  const step = Math.min(WIDEST_STEP, STEP_IN_DEVIATIONS / Math.sqrt(likelihood(peak).bend + 0.25));
  let total = 1;
  for (const towards of [-step, step]) {
    for (let i = 1; i <= MOST_STEPS; i += 1) {
      const height = integrand(peak + i * towards) - top;
      total += Math.exp(height);
      if (height < NEGLIGIBLE) break;
    }
  }
  return top + Math.log(total * step);
}

/** Where a condition that is false at `from` and true from some point towards `to` on becomes true. */
function edge(from: number, to: number, isBeyond: (at: number) => boolean): number {
  let inside = from;
  let beyond = to;
  for (let i = 0; i < BISECTIONS; i += 1) {
    const middle = (inside + beyond) / 2;
    if (isBeyond(middle)) beyond = middle;
    else inside = middle;
  }
  return (inside + beyond) / 2;
}

const sum = (stretches: readonly ArmCounts[], of: (one: ArmCounts) => number): number =>
  stretches.reduce((total, one) => total + of(one), 0);
