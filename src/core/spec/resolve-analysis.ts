import { settingsOf, type AnalysisSettings, type MetricSettings } from '../analysis/settings.ts';
import type { DurationMs } from '../units/quantities.ts';
import type { Analysis, Journey, JourneyStep, MetricSource } from './platform.ts';
import type { DeclaredAnalysis, DeclaredJourney, DeclaredMetric } from './schema-analysis.ts';

const ms = (value: number): DurationMs => value as DurationMs;

const TEN_SECONDS = ms(10_000);
/** Of all evidence; in percent. */
export const METRIC_WEIGHT = 10;
const TIMES = 3;

type Settings = Exclude<DeclaredAnalysis, string>;
type Limits = Pick<Extract<DeclaredMetric, { from: 'prometheus' }>, 'min' | 'max' | 'times'>;

/** Settings of an analysis as they were written; a word alone is its level. */
export const writtenSettings = (declared: DeclaredAnalysis | undefined): Settings =>
  typeof declared === 'string' ? { level: declared } : (declared ?? {});

/**
 * Fills in what a declared analysis leaves out.
 *
 * @param horizonSeconds of the longest rollout
 */
export function resolveAnalysis(declared: DeclaredAnalysis | undefined, horizonSeconds: number): Analysis {
  const written = writtenSettings(declared);
  const usual = settingsOf(written.level ?? 'balanced');
  const delta = share(written.tolerance) ?? usual.delta;
  const metrics = Object.entries(written.metrics ?? {});
  const settings: AnalysisSettings = {
    ...usual,
    alpha: share(written.falseAlarms) ?? usual.alpha,
    beta: share(written.falsePasses) ?? usual.beta,
    delta,
    allowance: share(written.allowance) ?? usual.allowance,
    margin: share(written.margin) ?? usual.margin,
    slower: share(written.slower) ?? usual.slower,
    warmUpSeconds: seconds(written.warmUp) ?? usual.warmUpSeconds,
    latencyWarmUpSeconds: seconds(written.latencyWarmUp) ?? usual.latencyWarmUpSeconds,
    bakeSeconds: seconds(written.bake) ?? usual.bakeSeconds,
    minErrors: written.minErrors ?? usual.minErrors,
    minRequests: written.minRequests ?? usual.minRequests,
    burst: written.burst === undefined ? usual.burst : written.burst,
    horizonSeconds,
    metrics: metrics.map(([name, metric]) => settingsOfMetric(name, metric, delta)),
  };
  return {
    ...settings,
    sources: Object.fromEntries(metrics.map(([name, metric]) => [name, sourceOf(metric)])),
    journeys: Object.entries(written.journeys ?? {}).map(([name, journey]) => journeyOf(name, journey)),
  };
}

/** What is compared is a share where it has a total, else a rate by requests; what has limits is no comparison. */
function settingsOfMetric(name: string, metric: DeclaredMetric, delta: number): MetricSettings {
  if (metric.from === 'webhook') return { name, kind: 'limit', min: null, max: 0, times: metric.times ?? TIMES };
  const weight = (metric.weight ?? METRIC_WEIGHT) / 100;
  const own = { name, weight, delta: share(metric.tolerance) ?? delta };
  if (metric.from === 'client-errors') return { ...own, kind: 'share' };
  if (isLimited(metric))
    return { name, kind: 'limit', min: metric.min ?? null, max: metric.max ?? null, times: metric.times ?? TIMES };
  if (metric.better === 'more') return { ...own, kind: 'rate', better: 'more' };
  // A command may print a total or not; where it does not, a share is one of the requests.
  const isShare = metric.from === 'command' || metric.total !== undefined;
  return isShare ? { ...own, kind: 'share' } : { ...own, kind: 'rate', better: 'fewer' };
}

/** Does a metric have limits, as far as it says? */
export const isLimited = (metric: Limits & { readonly value?: string | undefined }): boolean =>
  metric.min !== undefined || metric.max !== undefined || metric.value !== undefined;

function sourceOf(metric: DeclaredMetric): MetricSource {
  const everyMs = 'every' in metric ? (metric.every ?? TEN_SECONDS) : TEN_SECONDS;
  switch (metric.from) {
    case 'client-errors':
      return { kind: 'client-errors' };
    case 'prometheus':
      return { kind: 'prometheus', url: metric.url, ...expressions(metric), everyMs };
    case 'exported':
      return { kind: 'exported', path: metric.path ?? '/metrics', ...expressions(metric), everyMs };
    case 'command':
      return { kind: 'command', command: metric.run, everyMs, timeoutMs: metric.timeout ?? TEN_SECONDS };
    case 'webhook':
      return {
        kind: 'webhook',
        url: metric.url,
        metadata: metric.metadata ?? {},
        everyMs,
        timeoutMs: metric.timeout ?? TEN_SECONDS,
      };
  }
}

type Expressions = Pick<Extract<DeclaredMetric, { from: 'prometheus' }>, 'events' | 'total' | 'value'>;

const expressions = ({
  events,
  total,
  value,
}: Expressions): { readonly events: string; readonly total: string | null } => ({
  events: value ?? events ?? '',
  total: total ?? null,
});

const journeyOf = (name: string, declared: DeclaredJourney): Journey => ({
  name,
  everyMs: declared.every ?? TEN_SECONDS,
  timeoutMs: declared.timeout ?? TEN_SECONDS,
  steps: declared.steps.map(stepOf),
});

function stepOf(declared: DeclaredJourney['steps'][number]): JourneyStep {
  const step = typeof declared === 'string' ? { path: declared } : declared;
  return {
    method: step.method ?? 'GET',
    path: step.path,
    headers: step.headers ?? {},
    body: step.send ?? null,
    expectStatus: step.status ?? 200,
    expectBody: step.body ?? null,
  };
}

const share = (percent: number | undefined): number | undefined => (percent === undefined ? undefined : percent / 100);

const seconds = (duration: number | undefined): number | undefined =>
  duration === undefined ? undefined : Math.ceil(duration / 1_000);
