import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry, type OpenMetricsContentType } from 'prom-client';
import { looksPersonal } from './personal.ts';

/**
 * The labels that metrics may have. Few values each, and nothing of a person: a new label is added here or does not compile.
 */
export type MetricLabel =
  | 'alg'
  | 'backend'
  | 'cache'
  | 'deployment'
  | 'dependency'
  | 'kid_known'
  | 'kind'
  | 'method'
  | 'operation'
  | 'outcome'
  | 'pool'
  | 'quantile'
  | 'queue'
  | 'reason'
  | 'release'
  | 'role'
  | 'route'
  | 'service'
  | 'state'
  | 'status';

interface MetricOptions<Label extends MetricLabel> {
  /** Prometheus style: `db_pool_wait_seconds`, `messages_total` */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly Label[];
}

/** Makers of metrics on a service's own registry. Asking for the same name again gives the same metric. */
export interface Metrics {
  counter<Label extends MetricLabel = never>(options: MetricOptions<Label>): Counter<Label>;
  gauge<Label extends MetricLabel = never>(
    options: MetricOptions<Label> & { readonly collect?: (gauge: Gauge<Label>) => void | Promise<void> },
  ): Gauge<Label>;
  histogram<Label extends MetricLabel = never>(
    options: MetricOptions<Label> & { readonly buckets?: readonly number[]; readonly exemplars?: boolean },
  ): Histogram<Label>;
  /** All metrics as text: OpenMetrics, with exemplars, or the older Prometheus format. */
  text(format?: 'openmetrics' | 'prometheus'): Promise<MetricsText>;
  /** Stops what measures in the background. */
  close(): void;
}

export interface MetricsText {
  readonly contentType: string;
  readonly body: string;
}

/** Seconds; those that OpenTelemetry's conventions give for the duration of a request. */
export const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] as const;

/** A registry of metrics, with those of the process on it: memory, processor time, delay of the event loop. */
export function createMetrics(build: {
  readonly service: string;
  readonly release?: string | undefined;
  readonly deployment?: string | undefined;
}): Metrics {
  // prom-client renames counters for good when it writes OpenMetrics, so the other format is derived from that one.
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  const made = new Map<string, Counter | Gauge | Histogram>();
  const once = <Made>(name: string, make: () => Made): Made => {
    const known = made.get(name);
    if (known !== undefined) return known as Made;
    const metric = make();
    made.set(name, metric as Counter);
    return metric;
  };

  const metrics: Metrics = {
    counter: ({ name, help, labels = [] }) =>
      once(name, () => new Counter({ name, help, labelNames: labels, registers: [registry] })),
    gauge: ({ name, help, labels = [], collect }) =>
      once(name, () => {
        const gauge: Gauge<(typeof labels)[number]> = new Gauge({
          name,
          help,
          labelNames: labels,
          registers: [registry],
          ...(collect !== undefined && { collect: (): void | Promise<void> => collect(gauge) }),
        });
        return gauge;
      }),
    histogram: ({ name, help, labels = [], buckets = DURATION_BUCKETS, exemplars = false }) =>
      once(
        name,
        () =>
          new Histogram({
            name,
            help,
            labelNames: labels,
            buckets: [...buckets],
            enableExemplars: exemplars,
            registers: [registry],
          }),
      ),
    async text(format = 'openmetrics') {
      const { kept, withheldLines } = withoutPeople(await registry.metrics());
      if (withheldLines > 0) withheld.inc(withheldLines);
      return format === 'openmetrics'
        ? { contentType: Registry.OPENMETRICS_CONTENT_TYPE, body: kept }
        : { contentType: Registry.PROMETHEUS_CONTENT_TYPE, body: asPrometheus(kept) };
    },
    close: () => delay.disable(),
  };

  metrics
    .gauge({ name: 'build_info', help: 'What runs here; always 1.', labels: ['service', 'release', 'deployment'] })
    .set({ service: build.service, release: build.release ?? 'none', deployment: build.deployment ?? 'none' }, 1);
  const withheld = metrics.counter({
    name: 'metrics_withheld_total',
    help: 'Samples that were not shown because a label looked personal.',
  });
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  measureProcess(metrics, delay);
  return metrics;
}

function measureProcess(metrics: Metrics, delay: ReturnType<typeof monitorEventLoopDelay>): void {
  metrics.gauge({
    name: 'event_loop_delay_seconds',
    help: 'Delay of the event loop since the last scrape, by quantile.',
    labels: ['quantile'],
    collect(gauge) {
      // What is measured includes the timer's own interval.
      const seconds = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - 0.01);
      for (const quantile of [50, 90, 99]) {
        gauge.set({ quantile: String(quantile / 100) }, seconds(delay.percentile(quantile)));
      }
      gauge.set({ quantile: '1' }, seconds(delay.max));
      delay.reset();
    },
  });
  metrics.gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of the process.',
    collect: (gauge) => gauge.set(process.memoryUsage.rss()),
  });
  metrics.gauge({
    name: 'process_heap_used_bytes',
    help: 'Memory that live objects of JavaScript take, and garbage not yet collected.',
    collect: (gauge) => gauge.set(process.memoryUsage().heapUsed),
  });
  const started = Date.now() / 1000 - process.uptime();
  metrics.gauge({
    name: 'process_start_time_seconds',
    help: 'When the process started, in seconds since 1970.',
    collect: (gauge) => gauge.set(started),
  });
  let counted = 0;
  const processor = metrics.counter({ name: 'process_cpu_seconds_total', help: 'Processor time of the process.' });
  metrics.gauge({
    name: 'process_open_handles',
    help: 'Sockets, files, timers and the like that keep the process alive.',
    collect(gauge) {
      gauge.set(process.getActiveResourcesInfo().length);
      const { user, system } = process.cpuUsage();
      const total = (user + system) / 1e6;
      processor.inc(Math.max(0, total - counted));
      counted = total;
    },
  });
}

/** Leaves out samples with a label that looks personal. Exemplars carry the id of a trace, which is of no person. */
function withoutPeople(text: string): { readonly kept: string; readonly withheldLines: number } {
  let withheldLines = 0;
  const kept: string[] = [];
  for (const line of text.split('\n')) {
    const sample = line.startsWith('#') ? '' : (line.split(' # {', 1)[0] ?? '');
    const labels = /\{(.*)\}/s.exec(sample)?.[1];
    if (labels !== undefined && labelValues(labels).some(looksPersonalAsLabel)) withheldLines += 1;
    else kept.push(line);
  }
  return { kept: kept.join('\n'), withheldLines };
}

const labelValues = (labels: string): string[] =>
  [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)]
    // Names of releases and deployments are long ids of things, and come from the deployment alone.
    .filter(([, name]) => name !== 'release' && name !== 'deployment' && name !== 'le')
    .map(([, , value]) => value ?? '');

const looksPersonalAsLabel = (value: string): boolean => value.length > 120 || looksPersonal(value);

/** The older text format, as Prometheus reads it from who does not ask for OpenMetrics. */
function asPrometheus(openMetrics: string): string {
  const counters = new Set([...openMetrics.matchAll(/^# TYPE (\S+) counter$/gm)].map(([, name]) => name));
  return openMetrics
    .split('\n')
    .filter((line) => line !== '# EOF')
    .map((line) => {
      const [, word, name, rest] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
      if (word === undefined) return line.split(' # {', 1)[0] ?? line;
      return counters.has(name) ? `# ${word} ${name}_total ${rest}` : line;
    })
    .join('\n');
}
