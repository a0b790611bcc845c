import type { Analysis, MetricSource } from '../../core/spec/platform.ts';
import { createCommandSource } from './command/command.ts';
import { createExportedSource } from './exported/exported.ts';
import { Journeys } from './journeys/journeys.ts';
import type { MetricContext, MetricSourceDriver } from './metric.ts';
import { createPrometheusSource } from './prometheus/prometheus.ts';
import { createWebhookSource } from './webhook/webhook.ts';

/** The metric that journeys are counted as. */
const JOURNEYS_METRIC = 'journeys';

/** Whose numbers are asked for; `client-errors` are counted by the router, with everything else: see `withClientErrors`. */
type AskedKind = Exclude<MetricSource['kind'], 'client-errors'>;

/** `isLimit`: the metric's numbers are values with limits, not counts. */
type Factory<Kind extends AskedKind> = (
  metric: string,
  source: Extract<MetricSource, { readonly kind: Kind }>,
  isLimit: boolean,
  context: MetricContext,
) => MetricSourceDriver;

const drivers: { readonly [Kind in AskedKind]: Factory<Kind> } = {
  prometheus: createPrometheusSource,
  exported: createExportedSource,
  command: createCommandSource,
  webhook: createWebhookSource,
};

/**
 * A driver for each metric that somebody must be asked for, by the metric's name; `journeys` too, when there are any. They remember what they
 * were told before: made once for each leg that is analysed, each asked no sooner than it has answered.
 */
export function metricSources(
  { metrics, sources, journeys }: Pick<Analysis, 'metrics' | 'sources' | 'journeys'>,
  context: MetricContext,
): ReadonlyMap<string, MetricSourceDriver> {
  const made = new Map<string, MetricSourceDriver>();
  for (const { name, kind } of metrics) {
    const source = sources[name];
    if (source === undefined || source.kind === 'client-errors') continue;
    const create = drivers[source.kind] as Factory<AskedKind>;
    made.set(name, create(name, source, kind === 'limit', context));
  }
  if (journeys.length > 0) made.set(JOURNEYS_METRIC, new Journeys(JOURNEYS_METRIC, journeys, context));
  return made;
}
