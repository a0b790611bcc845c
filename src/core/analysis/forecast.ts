import { eventFactors, eventFactorsAgainstPast, MORE_EVENTS } from './event-evidence.ts';
import { FIRST_STAKE } from './bets.ts';
import { BREAKER_REQUESTS, ERRORS_SHARE, type JudgeSettings } from './judge.ts';
import { slowFrom } from './latency-evidence.ts';
import { MORE_SLOW, QUANTILES } from './latency-watch.ts';
import { countFrom, totalCount } from './histogram.ts';
import { LEAST_EVENTS, WINDOW_SECONDS, wilson } from './limits.ts';
import { atLeast, atMost, normalTail, poissonQuantile } from './poisson.ts';
import { openPromotion, promote, promotionOf } from './promotion.ts';
import type { ArmCounts } from './event-evidence.ts';
import type { LatencyCounts } from '../traffic.ts';

// What the judge will be able to see, from the traffic that is expected: its own factors over expected counts. Within a stage they
// are linear in the counts, so sums over seconds are as good as seconds, and nothing needs to be simulated. Checked against
// simulation through the judge itself.

/** Traffic of a service as it is expected to be. */
export interface ExpectedTraffic {
  /** Of both arms together. */
  readonly requestsPerSecond: number;
  /** Share of stable's requests that fail, 0 to 1. */
  readonly errorShare: number;
  /** How many errors come at once; at least 1. */
  readonly dispersion: number;
  readonly latency: LatencyCounts;
}

/** A time with the same share of the traffic on the candidate. */
export interface Stage {
  /** Percent for the candidate. */
  readonly weight: number;
  readonly seconds: number;
}

/** What metrics without a fault are worth in the combination, once their first stake is lost. */
const QUIET_METRIC = 0.5;
const STABLE_QUANTILES = [0.1, 0.3, 0.5, 0.7, 0.9] as const;
const LEAST_SHARE = 1e-5;

/** Stages up to a time, without the seconds that say nothing. */
function seenBy(stages: readonly Stage[], second: number, silent: number): readonly Stage[] {
  const seen: Stage[] = [];
  let passed = 0;
  for (const { weight, seconds } of stages) {
    const from = Math.max(passed, silent);
    const to = Math.min(passed + seconds, second);
    if (to > from) seen.push({ weight, seconds: to - from });
    passed += seconds;
  }
  return seen;
}

const candidateRate = (traffic: ExpectedTraffic, stage: Stage): number =>
  (traffic.requestsPerSecond * stage.weight) / 100;

const requestsOf = (traffic: ExpectedTraffic, stages: readonly Stage[]): number =>
  stages.reduce((sum, stage) => sum + candidateRate(traffic, stage) * stage.seconds, 0);

const lengthOf = (stages: readonly Stage[]): number => stages.reduce((sum, { seconds }) => sum + seconds, 0);

/**
 * Probability that a candidate which fails `share` of its requests from the first one on has been taken back by `second`.
 *
 * @param share of the candidate's requests, 0 to 1
 * @param second since the first exposure
 */
export function foundBy(
  settings: JudgeSettings,
  traffic: ExpectedTraffic,
  stages: readonly Stage[],
  share: number,
  second: number,
): number {
  return Math.max(
    byComparison(settings, traffic, stages, share, second),
    byLimits(settings, traffic, stages, share, second),
    byBreaker(settings, traffic, stages, share, second),
  );
}

function byComparison(
  { analysis }: JudgeSettings,
  traffic: ExpectedTraffic,
  stages: readonly Stage[],
  share: number,
  second: number,
): number {
  const seen = seenBy(stages, second, analysis.warmUpSeconds);
  const requests = requestsOf(traffic, seen);
  if (requests === 0) return 0;
  const declared = analysis.metrics.reduce((sum, metric) => sum + (metric.kind === 'limit' ? 0 : metric.weight), 0);
  const weight = (1 - declared) * ERRORS_SHARE;
  const needed = (1 / analysis.alpha - (1 - weight) * QUIET_METRIC) / weight;
  const { dispersion, errorShare, requestsPerSecond } = traffic;
  const stableErrors = errorShare * (requestsPerSecond * lengthOf(seen) - requests);
  let probability = 0;
  for (const quantile of STABLE_QUANTILES) {
    const stable = dispersion * poissonQuantile(quantile, stableErrors / dispersion);
    // Evidence rises with the candidate's errors: the smallest number that is enough decides.
    let [few, enough] = [analysis.minErrors - 1, Math.ceil(requests) + analysis.minErrors];
    if (evidence(analysis, traffic, seen, enough, stable) < needed) continue;
    while (enough - few > 1) {
      const middle = Math.floor((few + enough) / 2);
      if (evidence(analysis, traffic, seen, middle, stable) >= needed) enough = middle;
      else few = middle;
    }
    probability += atLeast(enough, requests * share) / STABLE_QUANTILES.length;
  }
  return probability;
}

/** The e-value of errors after so many of them, spread over the stages as their requests are. */
function evidence(
  analysis: JudgeSettings['analysis'],
  traffic: ExpectedTraffic,
  stages: readonly Stage[],
  candidateErrors: number,
  stableErrors: number,
): number {
  const requests = requestsOf(traffic, stages);
  const seconds = lengthOf(stages);
  const beside = Math.max(1e-9, traffic.requestsPerSecond * seconds - requests);
  const limit = { ratio: 1 + analysis.delta, allowance: analysis.allowance };
  const sums = MORE_EVENTS.map(() => 0);
  for (const stage of stages) {
    const candidateTotal = candidateRate(traffic, stage) * stage.seconds;
    const stableTotal = traffic.requestsPerSecond * stage.seconds - candidateTotal;
    const candidateEvents = (candidateErrors * candidateTotal) / requests;
    const logs =
      stage.weight < 100
        ? eventFactors(
            {
              candidateTotal,
              candidateEvents,
              stableTotal,
              stableEvents: (stableErrors * stableTotal) / beside,
            },
            limit,
            traffic.dispersion,
            MORE_EVENTS,
          )
        : eventFactorsAgainstPast(candidateTotal, candidateEvents, pastRate(traffic), limit, traffic.dispersion);
    logs.forEach((log, index) => (sums[index] = (sums[index] ?? 0) + log));
  }
  const late = (FIRST_STAKE * seconds) / Math.max(1, analysis.horizonSeconds - 1);
  let total = 0;
  for (const log of sums) {
    const grown = Math.min(log, 400);
    const whole = Math.exp(grown);
    // Bets that were placed later have grown for a part of the time.
    const later = Math.abs(grown) < 1e-6 ? 1 : Math.expm1(grown) / grown;
    total += (FIRST_STAKE * whole + late * later) / sums.length;
  }
  return total;
}

/** What an hour of stable proves its rate to be at most. */
const pastRate = ({ requestsPerSecond, errorShare }: ExpectedTraffic): number => {
  const requests = requestsPerSecond * 3_600;
  return wilson(requests * errorShare, requests)[1];
};

function byLimits(
  { analysis, limits }: JudgeSettings,
  traffic: ExpectedTraffic,
  stages: readonly Stage[],
  share: number,
  second: number,
): number {
  const allowed = 1 - limits.minSuccessPercent / 100;
  if (second <= analysis.warmUpSeconds || traffic.errorShare > allowed) return 0;
  const requests = requestsOf(traffic, seenBy(stages, second, Math.max(0, second - WINDOW_SECONDS)));
  const whole = Math.max(1, Math.round(requests));
  let [few, enough] = [LEAST_EVENTS - 1, whole];
  if (whole < LEAST_EVENTS || wilson(whole, whole)[0] <= allowed) return 0;
  while (enough - few > 1) {
    const middle = Math.floor((few + enough) / 2);
    if (wilson(middle, whole)[0] > allowed) enough = middle;
    else few = middle;
  }
  return atLeast(enough, requests * share);
}

function byBreaker(
  { analysis }: JudgeSettings,
  traffic: ExpectedTraffic,
  stages: readonly Stage[],
  share: number,
  second: number,
): number {
  const requests = requestsOf(traffic, seenBy(stages, Math.min(second, analysis.warmUpSeconds), 0));
  return requests < BREAKER_REQUESTS ? 0 : atLeast(requests / 2, requests * share);
}

/** Seconds after the first exposure by which such a fault is found with `probability`; null: not within the stages. */
export function secondsToFind(
  settings: JudgeSettings,
  traffic: ExpectedTraffic,
  stages: readonly Stage[],
  share: number,
  probability: number,
): number | null {
  const end = Math.floor(lengthOf(stages));
  const found = (second: number): boolean => foundBy(settings, traffic, stages, share, second) >= probability;
  let before = 0;
  let at = Math.min(1, end);
  while (at > before) {
    if (found(at)) {
      while (at - before > 1) {
        const middle = Math.floor((before + at) / 2);
        if (found(middle)) at = middle;
        else before = middle;
      }
      return at;
    }
    before = at;
    at = Math.min(end, Math.ceil(at * 1.25));
  }
  return null;
}

/**
 * The smallest share of failing requests that is found with `probability` by the end of each stage; null: not even a release that fails
 * every request is.
 */
export function smallestFaults(
  settings: JudgeSettings,
  traffic: ExpectedTraffic,
  stages: readonly Stage[],
  probability: number,
): readonly (number | null)[] {
  let passed = 0;
  let best: number | null = null;
  return stages.map(({ seconds }) => {
    passed += seconds;
    const found = (share: number): boolean => foundBy(settings, traffic, stages, share, passed) >= probability;
    // What was found before is found now.
    if (found(best ?? 1)) {
      let [low, high]: [number, number] = [Math.log(LEAST_SHARE), Math.log(best ?? 1)];
      for (let round = 0; round < 18; round += 1) {
        const middle = (low + high) / 2;
        if (found(Math.exp(middle))) high = middle;
        else low = middle;
      }
      best = Math.exp(high);
    }
    return best;
  });
}

/**
 * Seconds that each step takes when the release is as good as stable: until it is shown to be (half of the times sooner), at least the
 * bake time, at most the step's own.
 *
 * @param steps with their full time
 */
export function secondsWhenWell(
  settings: JudgeSettings,
  traffic: ExpectedTraffic,
  steps: readonly Stage[],
): readonly number[] {
  const done: Stage[] = [];
  return steps.map((step) => {
    const from = lengthOf(done);
    const shown = (seconds: number): boolean =>
      isShown(settings, traffic, [...done, { ...step, seconds }], from + seconds);
    let [low, high] = [Math.min(settings.analysis.bakeSeconds, step.seconds), step.seconds];
    if (shown(high)) {
      if (shown(low)) high = low;
      while (high - low > 0.5) {
        const middle = (low + high) / 2;
        if (shown(middle)) high = middle;
        else low = middle;
      }
    }
    const seconds = Math.ceil(high);
    done.push({ ...step, seconds });
    return seconds;
  });
}

/** More likely than not, a release that is as good as stable has been shown to be so. */
function isShown(
  { analysis }: JudgeSettings,
  traffic: ExpectedTraffic,
  stages: readonly Stage[],
  second: number,
): boolean {
  const seen = seenBy(stages, second, analysis.warmUpSeconds).filter(({ weight }) => weight < 100);
  if (stages.some(({ weight }) => weight === 100) || requestsOf(traffic, stages) < analysis.minRequests) return false;
  const { errorShare, dispersion, latency } = traffic;
  const goal = 1 / analysis.beta;
  const errors = shownProbability(traffic, seen, {
    candidate: errorShare,
    stable: errorShare,
    allowance: analysis.margin,
    dispersion,
    goal,
  });
  if (errors < 0.5) return false;
  const warm = seenBy(stages, second, Math.max(analysis.warmUpSeconds, analysis.latencyWarmUpSeconds));
  const past = { minutes: [{ minute: 0, latency }], minute: 1, open: [] };
  const total = totalCount(latency);
  return QUANTILES.every((quantile) => {
    const slow = slowFrom(past, quantile, analysis.slower);
    if (slow === null) return true;
    return (
      shownProbability(traffic, warm, {
        candidate: countFrom(latency, slow.candidate) / total,
        stable: countFrom(latency, slow.stable) / total,
        allowance: MORE_SLOW * (1 - quantile),
        dispersion: 1,
        goal,
      }) >= 0.5
    );
  });
}

function shownProbability(
  traffic: ExpectedTraffic,
  stages: readonly Stage[],
  seen: {
    readonly candidate: number;
    readonly stable: number;
    readonly allowance: number;
    readonly dispersion: number;
    readonly goal: number;
  },
): number {
  const requests = requestsOf(traffic, stages);
  const beside = traffic.requestsPerSecond * lengthOf(stages) - requests;
  if (requests <= 0 || beside <= 0) return 0;
  const value = (candidateEvents: number, stableEvents: number): number =>
    promotionOf(
      stages.reduce((sums, stage) => {
        const candidateTotal = candidateRate(traffic, stage) * stage.seconds;
        const stableTotal = traffic.requestsPerSecond * stage.seconds - candidateTotal;
        const counts: ArmCounts = {
          candidateTotal,
          candidateEvents: (candidateEvents * candidateTotal) / requests,
          stableTotal,
          stableEvents: (stableEvents * stableTotal) / beside,
        };
        return promote(sums, counts, { ratio: 1, allowance: seen.allowance }, seen.dispersion);
      }, openPromotion()),
    );
  // The rarer it is, the more its own scatter says; of what is frequent the middle is enough.
  const stableEvents = seen.dispersion * poissonQuantile(0.5, (seen.stable * beside) / seen.dispersion);
  if (value(0, stableEvents) < seen.goal) return 0;
  let [few, many] = [0, Math.ceil(requests)];
  while (many - few > 1) {
    const middle = Math.floor((few + many) / 2);
    if (value(middle, stableEvents) >= seen.goal) few = middle;
    else many = middle;
  }
  const mean = seen.candidate * requests;
  return mean < 30 ? atMost(few, mean) : normalTail((mean - few - 0.5) / Math.sqrt(mean * (1 - seen.candidate)));
}
