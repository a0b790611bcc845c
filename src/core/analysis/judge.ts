import type { HardLimits } from '../spec/platform.ts';
import type { ArmSecond, TrafficSecond } from '../traffic.ts';
import { formatPercent } from '../units/percent.ts';
import { errorDispersion, hasBaseline, openErrorWatch, watchErrors, type ErrorWatch } from './error-watch.ts';
import {
  latencyDispersion,
  openLatencyWatch,
  watchLatency,
  type LatencyStage,
  type LatencyWatch,
} from './latency-watch.ts';
import {
  describeArm,
  judgeArm,
  judgeLimits,
  observeLimits,
  openLimits,
  overdue,
  percent,
  viewArm,
  type LimitsState,
  type LimitsView,
} from './limits.ts';
import { beyondLimit, openLimitWatch, watchLimit, type LimitWatch } from './limit-watch.ts';
import { isBroken, metricDispersion, openMetricWatches, watchMetrics, type MetricWatches } from './metric-watch.ts';
import { differenceOf, openMirrorWatch, watchMirror, type MirrorWatch } from './mirror-watch.ts';
import { onsetOf } from './onset.ts';
import { openOverdueWatch, overdueDispersion, watchOverdue, type OverdueWatch } from './overdue-watch.ts';
import { promotionOf } from './promotion.ts';
import type { AnalysisSettings } from './settings.ts';
import { describeMetric, worseOf, type TrackedMetric } from './tracked-metric.ts';
import { errorsOf } from './traffic-minute.ts';
import type { Evidence, Judge, Judgement, MetricEvidence, Rule } from './verdict.ts';

/** Evidence of the metrics that every service has: half from errors, half evenly from the quantiles of latency and the two hard limits. */
export const ERRORS_SHARE = 0.5;
export const BREAKER_REQUESTS = 20;
const BREAKER_SHARE = 0.5;

/** Everything that a judge is made of; kept with the seconds it has seen, so that its verdict can be computed again. */
export interface JudgeSettings {
  readonly analysis: AnalysisSettings;
  readonly limits: HardLimits;
}

export interface JudgeState {
  /** UTC seconds; what is not later changes nothing. */
  readonly lastSecond: number;
  /** Seconds since the first in which anybody, synthetic users among them, had or awaited an answer of the candidate, that one included. */
  readonly exposed: number;
  /** Of the candidate, from users, since the first one. */
  readonly requests: number;
  readonly limits: LimitsState;
  readonly errors: ErrorWatch;
  readonly latency: LatencyWatch;
  readonly overdue: OverdueWatch;
  readonly beyond: LimitWatch;
  readonly metrics: MetricWatches;
  readonly mirror: MirrorWatch;
  readonly breaker: { readonly requests: number; readonly errors: number };
}

/**
 * The judge of a release: anytime-valid comparisons of errors, latency and declared metrics, combined as a weighted mean of e-values,
 * which is one itself whatever depends on what (Vovk & Wang 2021, arXiv 1912.06116); beside it the hard limits, the breaker of the warm-up
 * and the copies of the mirror. A release that is worse by more than is allowed reaches 1/alpha; one that is not does so with
 * probability at most alpha, over the whole rollout.
 */
export function judgeOf(settings: JudgeSettings): Judge<JudgeState> {
  const { analysis, limits } = settings;
  return {
    start: (past) => ({
      lastSecond: -1,
      exposed: 0,
      requests: 0,
      limits: openLimits,
      errors: openErrorWatch(past),
      latency: openLatencyWatch(past),
      overdue: openOverdueWatch(),
      beyond: openLimitWatch(),
      metrics: openMetricWatches(analysis.metrics),
      mirror: openMirrorWatch,
      breaker: { requests: 0, errors: 0 },
    }),
    observe: (state, second) => {
      if (second.second <= state.lastSecond) return state;
      const { candidate } = second.arms;
      const isExposed = state.exposed > 0 || isUsed(second);
      const exposed = isExposed ? state.exposed + 1 : 0;
      const betting = exposed > analysis.warmUpSeconds;
      // What happened in the warm-up is not held against the candidate afterwards either.
      const compared = state.requests + candidate.requests > 0 ? withoutCopies(second) : second;
      const isWarm = analysis.warmUpSeconds > 0 && exposed === analysis.warmUpSeconds + 1;
      const minute = observeLimits(isWarm ? openLimits : state.limits, second, limits);
      return {
        lastSecond: second.second,
        exposed,
        requests: state.requests + candidate.requests,
        limits: minute,
        errors: watchErrors(state.errors, compared, analysis, betting),
        latency: watchLatency(state.latency, compared, analysis, latencyStage(exposed, analysis)),
        overdue: watchOverdue(state.overdue, second, analysis, limits, betting),
        beyond: betting
          ? watchLimit(
              state.beyond,
              second,
              analysis,
              limits,
              judgeArm(minute, 'stable', limits) === 'broken',
              errorDispersion(state.errors, analysis),
            )
          : state.beyond,
        metrics: watchMetrics(state.metrics, second, analysis, betting),
        mirror: second.mirror === undefined ? state.mirror : watchMirror(state.mirror, second.mirror),
        breaker: betting ? state.breaker : addToBreaker(state.breaker, candidate),
      };
    },
    judge: (state) => judge(state, settings),
    explain: (state) => explain(state, settings),
  };
}

function latencyStage(exposed: number, analysis: AnalysisSettings): LatencyStage {
  if (exposed <= analysis.warmUpSeconds) return 'learning';
  return exposed <= analysis.latencyWarmUpSeconds ? 'warming' : 'comparing';
}

/** Once there are users, copies of their requests are not compared: stable's answers would count twice. */
function withoutCopies(second: TrafficSecond): TrafficSecond {
  if (second.mirror === undefined) return second;
  const { mirror: _, ...users } = second;
  return users;
}

/** By users, also those who still wait, by copies of their requests, or by what a metric counted of its own: runs of synthetic users. */
const isUsed = ({ arms, mirror, samples }: TrafficSecond): boolean =>
  arms.candidate.requests > 0 ||
  (arms.candidate.waiting?.length ?? 0) > 0 ||
  (mirror?.pairs ?? 0) > 0 ||
  (samples ?? []).some((sample) => (sample.arms.candidate?.total ?? 0) > 0);

const addToBreaker = (breaker: JudgeState['breaker'], candidate: ArmSecond): JudgeState['breaker'] => ({
  requests: breaker.requests + candidate.requests,
  errors: breaker.errors + errorsOf(candidate),
});

function judge(state: JudgeState, settings: JudgeSettings): Judgement {
  const kept = judgeLimits(state.limits, settings.limits);
  const stableBroken = kept.stable === 'broken';
  if (ruleOf(state, settings, kept) !== null) return { verdict: 'worse', stableBroken };
  return { verdict: !stableBroken && isShown(state, settings, kept) ? 'not-worse' : 'undecided', stableBroken };
}

/** What takes the candidate back, if anything does. */
function ruleOf(state: JudgeState, { analysis, limits }: JudgeSettings, kept: LimitsView): Rule | null {
  if (isTripped(state, analysis, limits)) return 'breaker';
  if (worse(state, analysis) >= 1 / analysis.alpha) return state.errors.againstPast ? 'past' : 'comparison';
  if (differenceOf(state.mirror) !== null) return 'mirror';
  if (state.metrics.limited.some(isBroken)) return 'metric-limit';
  if (analysis.warmUpSeconds > 0 && state.exposed <= analysis.warmUpSeconds) return null;
  // Beside a baseline there is evidence for that, too; alone there are only the limits.
  if (hasBaseline(state.errors)) return null;
  return kept.candidate === 'broken' && kept.stable !== 'broken' ? 'limits' : null;
}

/** Nothing of the warm-up counts but this: half of so many requests failed, or wait for too long. */
function isTripped(
  { breaker, limits: seen, exposed }: JudgeState,
  analysis: AnalysisSettings,
  limits: HardLimits,
): boolean {
  if (analysis.warmUpSeconds === 0) return false;
  const hanging = exposed <= analysis.warmUpSeconds ? overdue(seen, 'candidate', limits) : 0;
  const requests = breaker.requests + hanging;
  return requests >= BREAKER_REQUESTS && breaker.errors + hanging >= BREAKER_SHARE * requests;
}

/** Shares of the evidence: quantiles and hard limits have the same. They add up to 1 with those of the declared metrics. */
function sharesOf(
  { metrics }: AnalysisSettings,
  quantiles: number,
): { readonly errors: number; readonly other: number } {
  let rest = 1;
  for (const metric of metrics) if (metric.kind !== 'limit') rest -= metric.weight;
  return { errors: rest * ERRORS_SHARE, other: (rest * (1 - ERRORS_SHARE)) / (quantiles + 2) };
}

interface Weighed {
  readonly name: string;
  readonly metric: TrackedMetric;
  /** The e-value that the candidate is worse in it. */
  readonly worse: number;
  readonly weight: number;
  readonly dispersion: number;
  /** A promotion waits for it. */
  readonly promoted: boolean;
}

/** Every compared metric and its share of the evidence, for people. */
function weighed(state: JudgeState, { analysis, limits }: JudgeSettings): readonly Weighed[] {
  const worseIn = (metric: TrackedMetric): number => worseOf(metric, analysis.minErrors);
  const { quantiles } = state.latency;
  const share = sharesOf(analysis, quantiles.length);
  return [
    {
      name: 'errors',
      metric: state.errors.metric,
      worse: worseIn(state.errors.metric),
      weight: share.errors,
      dispersion: errorDispersion(state.errors, analysis),
      promoted: true,
    },
    ...quantiles.map((watch) => ({
      name: `latency p${watch.quantile * 100}`,
      metric: watch.metric,
      worse: worseIn(watch.metric),
      weight: share.other,
      dispersion: latencyDispersion(watch, analysis),
      promoted: watch.slow !== null,
    })),
    {
      name: `latency above ${limits.maxP99Ms} ms`,
      metric: state.overdue.metric,
      worse: worseIn(state.overdue.metric),
      weight: share.other,
      dispersion: overdueDispersion(state.overdue, analysis),
      promoted: false,
    },
    {
      name: `errors above ${formatPercent(Number((100 - limits.minSuccessPercent).toFixed(6)))}`,
      metric: state.beyond.aboveStable,
      worse: beyondLimit(state.beyond, analysis.minErrors),
      weight: share.other,
      dispersion: errorDispersion(state.errors, analysis),
      promoted: false,
    },
    ...state.metrics.counted.map((watch) => ({
      name: watch.settings.name,
      metric: watch.metric,
      worse: worseIn(watch.metric),
      weight: watch.settings.weight,
      dispersion: metricDispersion(watch, analysis),
      promoted: false,
    })),
  ];
}

/** The combined e-value that the candidate is worse. */
function worse({ errors, latency, overdue, beyond, metrics }: JudgeState, analysis: AnalysisSettings): number {
  const share = sharesOf(analysis, latency.quantiles.length);
  const least = analysis.minErrors;
  let others = worseOf(overdue.metric, least) + beyondLimit(beyond, least);
  for (const { metric } of latency.quantiles) others += worseOf(metric, least);
  let sum = share.errors * worseOf(errors.metric, least) + share.other * others;
  for (const { settings, metric } of metrics.counted) sum += settings.weight * worseOf(metric, least);
  return sum;
}

/** Shown to be not worse: in every metric beside a baseline; without one, by keeping the limits for certain. */
function isShown(state: JudgeState, { analysis }: JudgeSettings, kept: LimitsView): boolean {
  if (kept.candidate === 'broken' || state.requests < analysis.minRequests) return false;
  if (state.errors.againstPast) return kept.candidate === 'kept';
  const enough = 1 / analysis.beta;
  return (
    promotionOf(state.errors.metric.promotion) >= enough &&
    state.latency.quantiles.every(({ slow, metric }) => slow === null || promotionOf(metric.promotion) >= enough)
  );
}

function explain(state: JudgeState, settings: JudgeSettings): Evidence {
  const { analysis, limits } = settings;
  const kept = judgeLimits(state.limits, limits);
  const rule = ruleOf(state, settings, kept);
  const stableBroken = kept.stable === 'broken';
  const all = weighed(state, settings);
  const metrics = all.map(({ name, metric, worse: evidence, weight, dispersion, promoted }) =>
    describeMetric(name, metric, {
      worse: evidence,
      needed: 1 / (analysis.alpha * weight),
      shownAt: promoted ? 1 / analysis.beta : null,
      dispersion,
    }),
  );
  return {
    summary: summarise(state, settings, rule, stableBroken, metrics),
    candidate: viewArm(state.limits, 'candidate', limits),
    stable: viewArm(state.limits, 'stable', limits),
    metrics,
    worse: worse(state, analysis),
    threshold: 1 / analysis.alpha,
    rule,
    since: onsetOf(loudest(all).metric.onset),
  };
}

/** The metric that contributes most to the evidence. */
function loudest(all: readonly Weighed[]): Weighed {
  return all.reduce((most, one) => (one.weight * one.worse > most.weight * most.worse ? one : most));
}

function summarise(
  state: JudgeState,
  { limits }: JudgeSettings,
  rule: Rule | null,
  stableBroken: boolean,
  metrics: readonly MetricEvidence[],
): string {
  switch (rule) {
    case 'breaker': {
      const hanging = overdue(state.limits, 'candidate', limits);
      const requests = state.breaker.requests + hanging;
      return `the candidate: ${percent(state.breaker.errors + hanging, requests)} of its first ${requests} requests failed${hanging === 0 ? '' : ' or have no answer'}`;
    }
    case 'mirror':
      return differenceOf(state.mirror) ?? '';
    case 'metric-limit': {
      const broken = state.metrics.limited.find(isBroken);
      return `${broken?.settings.name ?? ''}: ${broken?.last ?? ''} ${broken?.settings.times ?? 0} times in a row outside its limits, stable is within`;
    }
    case 'comparison':
    case 'past': {
      const most = metrics.reduce((a, b) => (b.worse / b.needed > a.worse / a.needed ? b : a));
      const beside = rule === 'past' ? "stable's last hour (weaker than a baseline beside it)" : 'stable';
      return `${most.metric}: ${totals(most.candidate)} of the candidate, ${totals(most.stable)} of ${beside}; evidence ${short(most.worse)}, enough from ${short(most.needed)}`;
    }
    case 'limits':
    case null:
      return stableBroken
        ? `stable breaks its limits too: ${describeArm(state.limits, 'stable', limits)}`
        : `the candidate: ${describeArm(state.limits, 'candidate', limits)}`;
  }
}

const totals = ({ events, total }: MetricEvidence['candidate']): string =>
  `${Math.round(events)} of ${Math.round(total)} (${percent(events, total)})`;

const short = (value: number): string => (value < 1e6 ? String(Math.round(value)) : value.toExponential(1));
