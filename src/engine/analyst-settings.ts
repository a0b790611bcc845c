import type { JudgeSettings } from '../core/analysis/judge.ts';
import { settingsOf, type MetricSettings } from '../core/analysis/settings.ts';
import type { Strategy } from '../core/spec/platform.ts';

/** How failed runs of synthetic users are called among the metrics. */
export const JOURNEYS = 'journeys';
/** Of the evidence, where journeys are declared and nobody says how much they count. */
const JOURNEYS_WEIGHT = 0.3;

/**
 * What a release says about how it is compared, as its judge takes it. Releases that were built before there was a comparison, or a
 * setting, get the defaults. Where numbers come from is none of the judge's business.
 */
export function judgeSettingsOf({ limits, analysis }: Pick<Strategy, 'limits' | 'analysis'>): JudgeSettings {
  const { sources: _sources, journeys, ...declared } = analysis ?? { sources: {}, journeys: [] };
  const settings = { ...settingsOf(analysis?.word ?? 'balanced'), ...declared };
  const isCounted = settings.metrics.some(({ name }) => name === JOURNEYS);
  if ((journeys ?? []).length === 0 || isCounted) return { limits, analysis: settings };
  const runs: MetricSettings = { name: JOURNEYS, kind: 'share', weight: JOURNEYS_WEIGHT, delta: settings.delta };
  const metrics = shareOut([...settings.metrics, runs]);
  return { limits, analysis: { ...settings, metrics } };
}

/** Errors and latency keep a tenth of the evidence at least. */
const MOST_DECLARED = 0.9;

function shareOut(metrics: readonly MetricSettings[]): readonly MetricSettings[] {
  const sum = metrics.reduce((total, metric) => total + (metric.kind === 'limit' ? 0 : metric.weight), 0);
  if (sum <= MOST_DECLARED) return metrics;
  return metrics.map((metric) =>
    metric.kind === 'limit' ? metric : { ...metric, weight: (metric.weight * MOST_DECLARED) / sum },
  );
}
