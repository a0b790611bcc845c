import type { EventView } from '../src/api/schemas.ts';
import { askGateway } from '../src/drivers/router/gateway/control-client.ts';
import { controlSocket } from '../src/drivers/router/gateway/gateway-process.ts';
import type { BenchContext, Figure } from './harness/bench.ts';
import { SmallPlatform } from './overhead/platform.ts';
import { Traffic } from './overhead/traffic.ts';

export const name = 'overhead';
export const description =
  'What a deployment takes beyond what its instances and its declared waits need, and how fast a bad release is off users';

const RUNS = 20;
const WATCH_MS = 1_000;
const RATE = 100;

export async function run({ signal, progress }: BenchContext): Promise<readonly Figure[]> {
  const platform = await SmallPlatform.start(signal);
  const traffic = new Traffic(`http://127.0.0.1:${platform.port}/`, RATE);
  try {
    await platform.deploy(await platform.build('v0', 0, signal), signal);
    const good = await goodReleases(platform, signal, progress);
    traffic.take();
    const bad = await badReleases(platform, traffic, signal, progress);
    if (traffic.failed > 0) throw new Error(`${traffic.failed} requests got no answer`);
    return [
      {
        name: 'time above instances and waits, median',
        value: quantile(good.above, 0.5),
        unit: 'ms',
        goal: { atMost: 500 },
      },
      {
        name: 'time above instances and waits, p99',
        value: quantile(good.above, 0.99),
        unit: 'ms',
        goal: { atMost: 500 },
      },
      { name: 'of that, the watch window beyond its second, median', value: quantile(good.window, 0.5), unit: 'ms' },
      { name: 'of that, everything else, median', value: quantile(good.rest, 0.5), unit: 'ms' },
      { name: 'of that, everything else, p99', value: quantile(good.rest, 0.99), unit: 'ms' },
      {
        name: 'decision to stable at 100 %, median',
        value: quantile(bad.reverts, 0.5),
        unit: 'ms',
        goal: { atMost: 100 },
      },
      {
        name: 'decision to stable at 100 %, p99',
        value: quantile(bad.reverts, 0.99),
        unit: 'ms',
        goal: { atMost: 100 },
      },
      { name: 'first bad answer to decision, median', value: quantile(bad.detections, 0.5), unit: 'ms' },
      { name: 'first bad answer to decision, p99', value: quantile(bad.detections, 0.99), unit: 'ms' },
      {
        name: 'requests sent after the decision was in force that a bad release answered',
        value: bad.late,
        unit: 'requests',
        goal: { atMost: 0 },
      },
    ];
  } finally {
    await traffic.stop();
    await platform.stop();
  }
}

/** Blue-green: both instances, all traffic at once, a second of watching. */
async function goodReleases(platform: SmallPlatform, signal: AbortSignal, progress: (line: string) => void) {
  const above: number[] = [];
  const window: number[] = [];
  const rest: number[] = [];
  for (let index = 1; index <= RUNS; index += 1) {
    const release = await platform.build(`good ${index}`, 0, signal);
    const { requestedAt, view, events } = await platform.deploy(release, signal);
    if (view.committedAt === null) throw new Error(`a good release ended ${view.phase}: ${view.summary}`);
    const times = await platform.instanceTimes();
    // The instances start side by side: the slower one is what is waited for.
    const needed = Math.max(...times.map(({ startedAt, listeningAt }) => listeningAt - startedAt));
    const switchedAt = at(events, (event) => event.type === 'effect-done' && event.text.startsWith('100 %'));
    const windowMs = lastAnalysis(events) - switchedAt - WATCH_MS;
    const total = view.committedAt - requestedAt - needed - WATCH_MS;
    above.push(total);
    window.push(windowMs);
    rest.push(total - windowMs);
    progress(`good ${index}: ${total.toFixed(0)} ms above, ${windowMs} ms of that the window`);
  }
  return { above, window, rest };
}

/** Half of the users get a release that fails half of their requests. */
async function badReleases(
  platform: SmallPlatform,
  traffic: Traffic,
  signal: AbortSignal,
  progress: (line: string) => void,
) {
  await platform.declare({ kind: 'canary', steps: [50], hold: '30s', watch: '1s' });
  const socket = await controlSocket(`${platform.stateDir}/environments/development`);
  const reverts: number[] = [];
  const detections: number[] = [];
  let late = 0;
  for (let index = 1; index <= RUNS; index += 1) {
    const release = await platform.build(`bad ${index}`, 0.5, signal);
    traffic.take();
    const { view, events } = await platform.deploy(release, signal);
    if (view.reason?.code !== 'worse') throw new Error(`a bad release ended ${view.phase}: ${view.summary}`);
    const decidedAt = at(events, (event) => event.type === 'analysis' && event.text.startsWith('worse'));
    const backAt = at(events, (event) => event.type === 'effect-done' && event.at >= decidedAt);
    const table = await askGateway(socket, { kind: 'observe' }, 5_000, signal);
    const route = table.kind === 'table' ? table.routes[0]?.entry : undefined;
    if (route?.candidateWeight !== 0) throw new Error('the gateway still sends requests to the bad release');
    const answered = traffic.take().filter((answer) => answer.release === release);
    reverts.push(backAt - decidedAt);
    detections.push(decidedAt - (answered[0]?.sentAt ?? decidedAt));
    // A millisecond is how exact both clocks are read.
    late += answered.filter(({ sentAt }) => sentAt > backAt + 1).length;
    progress(`bad ${index}: decided after ${detections.at(-1)} ms, back after ${reverts.at(-1)} ms more`);
  }
  return { reverts, detections, late };
}

function at(events: readonly EventView[], is: (event: EventView) => boolean): number {
  const found = events.find(is);
  if (found === undefined) throw new Error(`no such event in: ${events.map(({ text }) => text).join('; ')}`);
  return found.at;
}

/** The one that ended the window. */
function lastAnalysis(events: readonly EventView[]): number {
  return events.findLast((event) => event.type === 'analysis')?.at ?? Number.NaN;
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}
