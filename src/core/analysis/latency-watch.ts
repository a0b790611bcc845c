import type { Arm } from '../slot.ts';
import type { LatencyCounts, TrafficSecond } from '../traffic.ts';
import {
  addJump,
  addSecond,
  dispersionOfBoth,
  noJumps,
  noMoments,
  type EventJumps,
  type EventMoments,
} from './dispersion.ts';
import type { ArmCounts } from './event-evidence.ts';
import { countFrom, totalCount } from './histogram.ts';
import {
  addLatencies,
  latenciesOf,
  noLatencyPast,
  rememberLatencies,
  slowAbove,
  slowFactors,
  slowShare,
  SLOWER,
  turnMinute,
  type LatencyPast,
  type SlowFrom,
  type SlowThresholds,
} from './latency-evidence.ts';
import type { AnalysisSettings } from './settings.ts';
import { openMetric, track, type TrackedMetric } from './tracked-metric.ts';
import type { TrafficMinute } from './traffic-minute.ts';

export const QUANTILES = [0.5, 0.95, 0.99] as const;
/** The first requests of a process are slow, so a tail says nothing while it warms up; half of all requests do. */
const WARMING_QUANTILE = 0.5;
/** Of those above stable's quantile there may be this share more in the candidate, to be called "not worse". */
export const MORE_SLOW = 0.5;

export interface QuantileWatch {
  readonly quantile: number;
  /** Null while too little is known of stable. */
  readonly slow: SlowThresholds | null;
  /** Of stable, since it is watched. */
  readonly moments: EventMoments;
  /** Of the candidate. */
  readonly jumps: EventJumps;
  readonly metric: TrackedMetric;
}

export interface LatencyWatch {
  readonly past: LatencyPast;
  readonly quantiles: readonly QuantileWatch[];
}

export const openLatencyWatch = (minutes: readonly TrafficMinute[]): LatencyWatch => ({
  past: minutes.reduce((past, { minute, latency }) => rememberLatencies(past, minute, latency), noLatencyPast),
  quantiles: QUANTILES.map((quantile) => ({
    quantile,
    slow: null,
    moments: noMoments,
    jumps: noJumps,
    metric: openMetric(SLOWER.length),
  })),
});

export const latencyDispersion = (watch: QuantileWatch, settings: AnalysisSettings): number =>
  settings.burst ?? dispersionOfBoth(watch.moments, watch.jumps);

/** One arm's latencies of a second, counted once for all quantiles. */
interface Timed {
  readonly latency: LatencyCounts;
  readonly total: number;
}

const timed = (latency: LatencyCounts): Timed => ({ latency, total: totalCount(latency) });

type Arms = Readonly<Record<Arm, Timed>>;

/** `learning`: nothing is held against the candidate. `warming`: only that most of its requests take far longer. */
export type LatencyStage = 'learning' | 'warming' | 'comparing';

/**
 * Folds in a second: thresholds come from minutes that are over, so nothing is compared with what it belongs to. Before there are users
 * the copies of their requests are compared.
 */
export function watchLatency(
  watch: LatencyWatch,
  { second, arms, mirror }: TrafficSecond,
  settings: AnalysisSettings,
  stage: LatencyStage,
): LatencyWatch {
  const past = turnMinute(watch.past, second);
  const stable = arms.stable.latency;
  const isTurned = past !== watch.past;
  const known = isTurned ? latenciesOf(past) : [];
  const users: Arms = { candidate: timed(arms.candidate.latency), stable: timed(stable) };
  const isCopied = mirror !== undefined;
  const compared: Arms = isCopied
    ? { candidate: timed(mirror.latency.candidate), stable: timed(mirror.latency.stable) }
    : users;
  return {
    past: stable.length === 0 ? past : addLatencies(past, stable),
    quantiles: watch.quantiles.map((before) => {
      const slow = isTurned ? slowAbove(known, before.quantile, settings.slower) : before.slow;
      const one = slow === before.slow ? before : { ...before, slow };
      return slow === null ? one : watchQuantile(one, slow, { second, users, compared, stage, isCopied, settings });
    }),
  };
}

function watchQuantile(
  watch: QuantileWatch,
  slow: SlowThresholds,
  seen: {
    readonly second: number;
    readonly users: Arms;
    readonly compared: Arms;
    readonly stage: LatencyStage;
    /** Copies promote nobody. */
    readonly isCopied: boolean;
    readonly settings: AnalysisSettings;
  },
): QuantileWatch {
  const { users, compared, stage } = seen;
  const live = slowOf(users, slow);
  const moments = addSecond(watch.moments, live.stableTotal, live.stableEvents);
  const jumps = addJump(watch.jumps, live.candidateTotal, live.candidateEvents);
  const { quantile, metric } = watch;
  const isSilent = stage === 'learning' || (stage === 'warming' && quantile > WARMING_QUANTILE);
  if (isSilent || compared.candidate.total === 0 || compared.stable.total === 0)
    return { quantile, slow, moments, jumps, metric };
  const dispersion = latencyDispersion(watch, seen.settings);
  // People are told of one threshold; the bets of the warm-up know another.
  const counts = compared === users ? live : slowOf(compared, slow);
  const bet = stage === 'warming' ? slowOf(compared, { ...slow, candidate: slow.warming }) : counts;
  const tracked = track(metric, {
    second: seen.second,
    counts,
    logFactors: slowFactors(bet, slowShare(quantile, watch.moments), dispersion),
    margin: seen.isCopied || stage === 'warming' ? null : { ratio: 1, allowance: MORE_SLOW * (1 - quantile) },
    dispersion,
    horizonSeconds: seen.settings.horizonSeconds,
  });
  return { quantile, slow, moments, jumps, metric: tracked };
}

const slowOf = ({ candidate, stable }: Arms, slow: SlowFrom): ArmCounts => ({
  candidateTotal: candidate.total,
  candidateEvents: countFrom(candidate.latency, slow.candidate),
  stableTotal: stable.total,
  stableEvents: countFrom(stable.latency, slow.stable),
});
