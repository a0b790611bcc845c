import type { Figure } from '../harness/bench.ts';
import { errorsOf, median } from './measure.ts';
import { proxyNames, type ProxyName } from './proxy.ts';
import {
  plainWorkloads,
  tlsWorkload,
  type GatewayRun,
  type LatencySample,
  type PlainWorkload,
  type SaturationSample,
  type Subject,
  type Workload,
} from './samples.ts';

const small = 'GET 100 B';
const plain = Object.keys(plainWorkloads) as PlainWorkload[];
const workloads: readonly Workload[] = [...plain, tlsWorkload];
const subjects: readonly Subject[] = ['direct', ...proxyNames];

/** The figures with a peer or a goal: ours, beside HAProxy and Caddy. Everything else is on the page. */
export function figuresOf(run: GatewayRun): readonly Figure[] {
  const figures: Figure[] = [];
  const add = (name: string, unit: string, of: (subject: ProxyName) => number, peers: readonly ProxyName[]): void => {
    for (const peer of peers) {
      if (Number.isFinite(of('veza')) && Number.isFinite(of(peer))) {
        figures.push({
          name,
          unit,
          value: of('veza'),
          peer: { name: `${peer} ${run.versions[peer]}`, value: of(peer) },
        });
      }
    }
  };
  const rate = (subject: Subject, workload: Workload): number =>
    middle(saturationOf(run, subject, workload), ({ requestsPerSecond }) => requestsPerSecond);
  const both = ['haproxy', 'caddy'] as const;
  const ratio = (peer: ProxyName): number => rate('veza', small) / rate(peer, small);
  figures.push(
    { name: 'requests/s, small GETs, to Caddy', value: ratio('caddy'), unit: 'times', goal: { atLeast: 1.5 } },
    { name: 'requests/s, small GETs, to HAProxy', value: ratio('haproxy'), unit: 'times', goal: { atLeast: 0.8 } },
  );
  for (const peer of both) {
    const cpu = (subject: Subject): number => middle(saturationOf(run, subject, small), cpuEach);
    // What is left of requests/s when the load was the limit, or other work had part of the core.
    const value = cpu(peer) / cpu('veza');
    figures.push({ name: `requests a second of CPU, small GETs, to ${peer}`, value, unit: 'times' });
  }
  for (const point of pointsOf(run, small).filter((point) => point.endsWith('/s'))) {
    const p99 = (subject: Subject): number => middle(latencyOf(run, subject, small, point), (sample) => sample.p99);
    const value = p99('veza') / p99('haproxy');
    if (Number.isFinite(value)) {
      figures.push({ name: `p99, small GETs at ${point}, to HAProxy`, value, unit: 'times', goal: { atMost: 1.5 } });
    }
  }
  for (const { wanted, opened, rssBefore, rssWith } of run.idle.filter(({ subject }) => subject === 'veza')) {
    const value = (rssWith - rssBefore) / opened / 1_000;
    figures.push({ name: `memory per WebSocket, ${wanted} idle`, value, unit: 'kB', goal: { atMost: 10 } });
  }
  for (const workload of workloads) {
    add(`requests/s, ${workload}`, 'requests/s', (subject) => rate(subject, workload), both);
    add(`CPU a request, ${workload}`, 'us', (subject) => middle(saturationOf(run, subject, workload), cpuEach), both);
  }
  const download = (subject: Subject) => run.download.filter((sample) => sample.subject === subject);
  add('download of 1 GiB', 'MB/s', (subject) => middle(download(subject), (one) => one.bytesPerSecond / 1e6), both);
  add('CPU a GiB', 's', (subject) => middle(download(subject), ({ cost }) => cost.proxyCpu), both);
  return figures;
}

/** The whole run as Markdown, every proxy beside the others. */
export function pageOf(run: GatewayRun, circumstances: string): string {
  const title = (subject: Subject): string =>
    subject === 'direct' ? 'no proxy' : subject === 'veza' ? 'Veza' : `${subject} ${run.versions[subject]}`;
  const table = (
    head: string,
    rows: readonly (readonly [string, (subject: Subject) => string])[],
  ): readonly string[] => [
    `| ${head} | ${subjects.map(title).join(' | ')} |`,
    `|---|${subjects.map(() => '---').join('|')}|`,
    ...rows.map(([name, cell]) => `| ${name} | ${subjects.map(cell).join(' | ')} |`),
    '',
  ];
  const lines = ['# Gateway, HAProxy, nginx and Caddy side by side', '', circumstances, ''];
  lines.push(
    '## Requests a second at saturation',
    '',
    'Median of the rounds (least – most), microseconds of CPU a request, of that in the kernel, share of its core that the proxy had. `load`: the core of load and instance',
    'was the limit, not the proxy.',
    '',
    ...table(
      'workload',
      workloads.map((workload) => [workload, (subject) => saturationCell(saturationOf(run, subject, workload))]),
    ),
    '## Latency, open loop',
    '',
    'p50 / p99 / p99.9 in milliseconds, from when each request was due; medians of the rounds. `%` is of each one’s own limit, `/s` is the same rate',
    'for all that can do it.',
    '',
    ...table(
      'at',
      plain.flatMap((workload) =>
        pointsOf(run, workload).map(
          (point) =>
            [
              `${workload}, ${point}`,
              (subject: Subject) => latencyCell(latencyOf(run, subject, workload, point), point),
            ] as const,
        ),
      ),
    ),
    '## Memory',
    '',
    ...table('', [
      ['MiB after the runs above', (subject) => memoryCell(run, subject)],
      ['1 GiB: MB/s', (subject) => downloadCell(run, subject, (one) => one.bytesPerSecond / 1e6, 0)],
      ['1 GiB: seconds of CPU', (subject) => downloadCell(run, subject, ({ cost }) => cost.proxyCpu, 2)],
      ['1 GiB: most MiB', (subject) => downloadCell(run, subject, ({ peakRss }) => peakRss / 2 ** 20, 0)],
      ...[...new Set(run.idle.map(({ wanted }) => wanted))].map(
        (wanted) =>
          [`${wanted} idle WebSockets: kB each`, (subject: Subject) => idleCell(run, subject, wanted)] as const,
      ),
    ]),
  );
  return lines.join('\n');
}

const cpuEach = ({ cost, requests }: SaturationSample): number => (cost.proxyCpu / requests) * 1e6;

/** The load's core was full and the proxy's was not: what was measured is the load. */
export const loadWasLimit = ({ cost, subject }: SaturationSample): boolean =>
  subject !== 'direct' && cost.loadCoreBusy > 0.95 && cost.proxyShare < 0.9;

function saturationCell(samples: readonly SaturationSample[]): string {
  if (samples.length === 0) return '';
  const rates = samples.map(({ requestsPerSecond }) => requestsPerSecond);
  const text = `${thousands(median(rates))} (${thousands(Math.min(...rates))} – ${thousands(Math.max(...rates))})`;
  const errors = samples.reduce((sum, sample) => sum + sample.errors, 0);
  const failed = errors > 0 ? `, **${errors} errors**` : '';
  if (samples[0]?.subject === 'direct') return text + failed;
  const core = Math.round(middle(samples, ({ cost }) => cost.proxyShare) * 100);
  const limit = samples.filter(loadWasLimit).length * 2 > samples.length ? ', `load`' : '';
  const kernel = middle(samples, (sample) => cpuEach(sample) * sample.cost.kernelShare);
  return `${text}, ${middle(samples, cpuEach).toFixed(1)} us (${kernel.toFixed(1)} in the kernel), ${core} %${limit}${failed}`;
}

function latencyCell(samples: readonly LatencySample[], point: string): string {
  if (samples.length === 0) return '';
  const ms = (of: (sample: LatencySample) => number): string => (middle(samples, of) / 1_000).toFixed(2);
  const errors = samples.reduce((sum, sample) => sum + errorsOf(sample), 0);
  const rate = point.endsWith('/s') ? '' : ` at ${thousands(samples[0]?.rate ?? 0)}/s`;
  const quantiles = `${ms(({ p50 }) => p50)} / ${ms(({ p99 }) => p99)} / ${ms(({ p999 }) => p999)}`;
  return `${quantiles}${rate}${errors > 0 ? `, **${errors} errors**` : ''}`;
}

function memoryCell(run: GatewayRun, subject: Subject): string {
  const last = run.latency.filter((sample) => sample.subject === subject).at(-1);
  return last === undefined || subject === 'direct' ? '' : String(Math.round(last.cost.rss / 2 ** 20));
}

type Download = GatewayRun['download'][number];

function downloadCell(run: GatewayRun, subject: Subject, of: (sample: Download) => number, digits: number): string {
  const samples = run.download.filter((sample) => sample.subject === subject);
  if (samples.length === 0) return '';
  return middle(samples, of).toFixed(digits) + (samples.some(({ errors }) => errors > 0) ? ' **failed**' : '');
}

function idleCell(run: GatewayRun, subject: Subject, wanted: number): string {
  const sample = run.idle.find((one) => one.subject === subject && one.wanted === wanted);
  if (sample === undefined) return '';
  const each = (sample.rssWith - sample.rssBefore) / sample.opened / 1_000;
  return each.toFixed(1) + (sample.opened < wanted ? ` (only ${sample.opened} opened)` : '');
}

function saturationOf(run: GatewayRun, subject: Subject, workload: Workload): readonly SaturationSample[] {
  return run.saturation.filter((sample) => sample.subject === subject && sample.workload === workload);
}

function latencyOf(
  run: GatewayRun,
  subject: Subject,
  workload: PlainWorkload,
  point: string,
): readonly LatencySample[] {
  return run.latency.filter(
    (sample) => sample.subject === subject && sample.workload === workload && sample.point === point,
  );
}

function pointsOf(run: GatewayRun, workload: PlainWorkload): readonly string[] {
  return [...new Set(run.latency.filter((sample) => sample.workload === workload).map(({ point }) => point))];
}

const middle = <Sample>(samples: readonly Sample[], of: (sample: Sample) => number): number => median(samples.map(of));
const thousands = (value: number): string => Math.round(value).toLocaleString('en-US');
