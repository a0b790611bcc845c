import type { HardLimits } from '../spec/platform.ts';
import type { Arm } from '../slot.ts';
import type { ArmSecond, TrafficSecond } from '../traffic.ts';
import { addSecond, dispersionOf, noMoments, type EventMoments } from './dispersion.ts';
import { eventFactors, MORE_EVENTS, type ArmCounts } from './event-evidence.ts';
import { bucketFrom, countFrom } from './histogram.ts';
import type { AnalysisSettings } from './settings.ts';
import { openMetric, track, type TrackedMetric } from './tracked-metric.ts';

/** "p99 at most t" is "at most this share slower than t". */
const ALLOWED = 0.01;

/** Requests that took longer than the hard limit, beside stable's: also those that have no answer yet, so that a release that hangs is found. */
export interface OverdueWatch {
  /** Requests that had no answer at the end of the last second and were too late already. */
  readonly waiting: Readonly<Record<Arm, number>>;
  /** Of stable. */
  readonly moments: EventMoments;
  readonly metric: TrackedMetric;
}

export const openOverdueWatch = (): OverdueWatch => ({
  waiting: { stable: 0, candidate: 0 },
  moments: noMoments,
  metric: openMetric(MORE_EVENTS.length),
});

export const overdueDispersion = (watch: OverdueWatch, settings: AnalysisSettings): number =>
  settings.burst ?? dispersionOf(watch.moments);

/**
 * Folds in a second. A request counts in the second in which it became too late: answered too late now, or waiting for too
 * long now, unless it was that a second ago already. Nothing counts twice, and a second's counts are of that second alone, as
 * the comparison needs them: null hypothesis "the candidate's share is at most 1 + delta times stable's, and 1 % besides".
 */
export function watchOverdue(
  watch: OverdueWatch,
  { second, arms }: TrafficSecond,
  settings: AnalysisSettings,
  limits: HardLimits,
  betting: boolean,
): OverdueWatch {
  const from = bucketFrom(limits.maxP99Ms);
  const candidate = becameLate(arms.candidate, watch.waiting.candidate, from);
  const stable = becameLate(arms.stable, watch.waiting.stable, from);
  const counts: ArmCounts = {
    candidateTotal: candidate.total,
    candidateEvents: candidate.late,
    stableTotal: stable.total,
    stableEvents: stable.late,
  };
  const next = {
    waiting: { stable: stable.waiting, candidate: candidate.waiting },
    moments: addSecond(watch.moments, stable.total, stable.late),
    metric: watch.metric,
  };
  if (!betting || candidate.total === 0 || stable.total === 0) return next;
  const dispersion = overdueDispersion(watch, settings);
  const metric = track(watch.metric, {
    second,
    counts,
    logFactors: eventFactors(counts, { ratio: 1 + settings.delta, allowance: ALLOWED }, dispersion, MORE_EVENTS),
    margin: null,
    dispersion,
    horizonSeconds: settings.horizonSeconds,
  });
  return { ...next, metric };
}

function becameLate(
  arm: ArmSecond,
  waitedBefore: number,
  from: number,
): { readonly late: number; readonly total: number; readonly waiting: number } {
  const slow = countFrom(arm.latency, from);
  const waiting = arm.waiting === undefined ? 0 : countFrom(arm.waiting, from);
  const late = Math.max(0, slow + waiting - waitedBefore);
  return { late, total: Math.max(0, arm.requests - slow) + late, waiting };
}
