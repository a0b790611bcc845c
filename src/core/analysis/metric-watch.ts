import type { Arm } from '../slot.ts';
import type { MetricCount, MetricSample, TrafficSecond } from '../traffic.ts';
import { addSecond, dispersionOf, noMoments, type EventMoments } from './dispersion.ts';
import { eventFactors, FEWER_EVENTS, MORE_EVENTS, type ArmCounts } from './event-evidence.ts';
import type { AnalysisSettings, MetricSettings } from './settings.ts';
import { openMetric, track, type TrackedMetric } from './tracked-metric.ts';

type Counted = Exclude<MetricSettings, { kind: 'limit' }>;
type Limited = Extract<MetricSettings, { kind: 'limit' }>;

/** A metric that is compared: events by a total of their own, or by the arm's requests since it was asked before. */
export interface CountedWatch {
  readonly settings: Counted;
  readonly metric: TrackedMetric;
  readonly moments: EventMoments;
  /** Requests of both arms since the last answer. */
  readonly requests: Readonly<Record<Arm, number>>;
}

/** A metric that has limits. */
export interface LimitedWatch {
  readonly settings: Limited;
  /** Times in a row that the candidate was outside and stable was not. */
  readonly outside: number;
  readonly last: number | null;
}

export interface MetricWatches {
  readonly counted: readonly CountedWatch[];
  readonly limited: readonly LimitedWatch[];
}

export const openMetricWatches = (metrics: readonly MetricSettings[]): MetricWatches => ({
  counted: metrics.flatMap((settings) =>
    settings.kind === 'limit'
      ? []
      : [
          {
            settings,
            // A candidate that has none of what there should be many of has no events to show.
            metric: openMetric(MORE_EVENTS.length, wantsMore(settings) ? 'stable' : 'candidate'),
            moments: noMoments,
            requests: { stable: 0, candidate: 0 },
          },
        ],
  ),
  limited: metrics.flatMap((settings) => (settings.kind === 'limit' ? [{ settings, outside: 0, last: null }] : [])),
});

export const metricDispersion = (watch: CountedWatch, settings: AnalysisSettings): number =>
  settings.burst ?? dispersionOf(watch.moments);

export const isBroken = ({ outside, settings }: LimitedWatch): boolean => outside >= settings.times;

const wantsMore = (settings: Counted): boolean => settings.kind === 'rate' && settings.better === 'more';

/** Folds in what a second's samples say. A metric that could not be asked for one arm says nothing of that time. */
export function watchMetrics(
  watches: MetricWatches,
  second: TrafficSecond,
  settings: AnalysisSettings,
  betting: boolean,
): MetricWatches {
  if (watches.counted.length === 0 && watches.limited.length === 0) return watches;
  const samples = new Map((second.samples ?? []).map((sample) => [sample.metric, sample]));
  return {
    counted: watches.counted.map((watch) =>
      watchCounted(watch, second, samples.get(watch.settings.name) ?? null, settings, betting),
    ),
    limited: watches.limited.map((watch) => watchLimited(watch, samples.get(watch.settings.name) ?? null, betting)),
  };
}

function watchCounted(
  watch: CountedWatch,
  { second, arms }: TrafficSecond,
  sample: MetricSample | null,
  analysis: AnalysisSettings,
  betting: boolean,
): CountedWatch {
  const requests = {
    stable: watch.requests.stable + arms.stable.requests,
    candidate: watch.requests.candidate + arms.candidate.requests,
  };
  if (sample === null) return { ...watch, requests };
  const rest = { ...watch, requests: { stable: 0, candidate: 0 } };
  const { candidate, stable } = sample.arms;
  if (candidate === null || stable === null) return rest;
  const { settings } = watch;
  const totalOf = (arm: Arm, { total }: MetricCount): number =>
    settings.kind === 'rate' || total === null ? requests[arm] : total;
  const counts: ArmCounts = {
    candidateTotal: counted(totalOf('candidate', candidate)),
    candidateEvents: counted(candidate.events),
    stableTotal: counted(totalOf('stable', stable)),
    stableEvents: counted(stable.events),
  };
  const moments = addSecond(watch.moments, counts.stableTotal, counts.stableEvents);
  if (!betting || counts.candidateTotal === 0 || counts.stableTotal === 0) return { ...rest, moments };
  const more = wantsMore(settings);
  const dispersion = metricDispersion(watch, analysis);
  const limit = { ratio: more ? 1 / (1 + settings.delta) : 1 + settings.delta, allowance: 0 };
  const metric = track(watch.metric, {
    second,
    counts,
    logFactors: eventFactors(counts, limit, dispersion, more ? FEWER_EVENTS : MORE_EVENTS),
    margin: null,
    dispersion,
    horizonSeconds: analysis.horizonSeconds,
  });
  return { ...rest, moments, metric };
}

function watchLimited(watch: LimitedWatch, sample: MetricSample | null, betting: boolean): LimitedWatch {
  const candidate = sample?.arms.candidate ?? null;
  if (candidate === null || !betting) return watch;
  const stable = sample?.arms.stable ?? null;
  const isOutside = outside(candidate.events, watch.settings);
  // What stable does too is not the release's doing.
  const alone = isOutside && (stable === null || !outside(stable.events, watch.settings));
  return { ...watch, outside: alone ? watch.outside + 1 : 0, last: candidate.events };
}

const outside = (value: number, { min, max }: Limited): boolean =>
  (min !== null && value < min) || (max !== null && value > max);

/** Numbers of others: what is no count counts for nothing, and none is larger than what a double can count. */
const counted = (value: number): number =>
  Number.isFinite(value) && value > 0 ? Math.min(value, Number.MAX_SAFE_INTEGER) : 0;
