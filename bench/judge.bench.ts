import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { judgeOf, type JudgeSettings, type JudgeState } from '../src/core/analysis/judge.ts';
import { settingsOf } from '../src/core/analysis/settings.ts';
import type { Judge } from '../src/core/analysis/verdict.ts';
import { bucketOf } from '../src/core/analysis/histogram.ts';
import type { HardLimits } from '../src/core/spec/platform.ts';
import type { ArmSecond, LatencyCounts, TrafficSecond } from '../src/core/traffic.ts';
import type { DurationMs, Percent } from '../src/core/units/quantities.ts';
import { Random } from '../src/sim/random.ts';
import type { BenchContext, Figure } from './harness/bench.ts';

export const name = 'judge';
export const description =
  'What it costs to judge releases: observing a second and asking for the verdict, for one rollout and for 10,000 at once on one core';

const settings: JudgeSettings = {
  analysis: settingsOf('balanced'),
  limits: { minSuccessPercent: 99 as Percent, maxP99Ms: 500 as DurationMs, minRequests: 100 } satisfies HardLimits,
};
/** Errors, and the latency metrics: three quantiles and the hard limit. */
const METRICS = 5;
const ARMS = 2;
/** Different seconds that are seen again and again. */
const RECORDED = 600;
const ROUNDS = 9;
const CONCURRENT = 10_000;
/** Analyses whose memory is measured. */
const MEASURED = 20;

interface Traffic {
  readonly what: string;
  readonly requests: number;
  readonly weight: number;
  readonly latencies: boolean;
  readonly atMostMicroseconds: number;
}

const LOADS: readonly Traffic[] = [
  { what: 'errors alone, 100 requests/s', requests: 100, weight: 0.05, latencies: false, atMostMicroseconds: 3 },
  { what: '100 requests/s', requests: 100, weight: 0.05, latencies: true, atMostMicroseconds: 50 },
  { what: '10,000 requests/s', requests: 10_000, weight: 0.05, latencies: true, atMostMicroseconds: 50 },
];

export async function run(context: BenchContext): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const load of LOADS) {
    context.progress(load.what);
    const cost = await microseconds(context, recorded(load));
    figures.push(
      {
        name: `a second of one analysis, ${load.what}`,
        value: cost,
        unit: 'µs',
        goal: { atMost: load.atMostMicroseconds },
      },
      {
        name: `by arm, metric and second, ${load.what}`,
        value: (cost * 1_000) / (ARMS * (load.latencies ? METRICS : 1)),
        unit: 'ns',
      },
    );
  }
  for (const load of LOADS.filter(({ latencies }) => latencies)) {
    context.progress(`${CONCURRENT.toLocaleString('en')} analyses at once, ${load.what}`);
    const seconds = recorded(load);
    figures.push(
      {
        name: `CPU for a second of ${CONCURRENT.toLocaleString('en')} analyses at once, ${load.what} each`,
        value: await atOnce(context, seconds),
        unit: 's',
        goal: { atMost: 1 },
      },
      { name: `memory of one analysis, ${load.what}`, value: kilobytes(seconds), unit: 'kB' },
    );
  }
  return figures;
}

/** Ten minutes of a healthy rollout: latencies are log-normal, a request in 1,000 fails. */
function recorded({ requests, weight, latencies }: Traffic): readonly TrafficSecond[] {
  const random = new Random('judge');
  const arm = (mean: number): ArmSecond => {
    const count = Math.round(mean * (0.8 + 0.4 * random.next()));
    let serverErrors = 0;
    for (let i = 0; i < count; i += 1) if (random.chance(0.001)) serverErrors += 1;
    return {
      requests: count,
      serverErrors,
      gatewayErrors: 0,
      clientErrors: 0,
      latency: latencies ? drawn(count, random) : [],
    };
  };
  return Array.from({ length: RECORDED }, (_, second) => ({
    service: 'api',
    second,
    arms: { candidate: arm(requests * weight), stable: arm(requests * (1 - weight)) },
  }));
}

function drawn(count: number, random: Random): LatencyCounts {
  const counts = new Map<number, number>();
  for (let i = 0; i < count; i += 1) {
    const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
    const bucket = bucketOf(20 * Math.exp(0.6 * normal));
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  }
  return [...counts].sort(([a], [b]) => a - b);
}

function look(judge: Judge<JudgeState>, state: JudgeState, second: TrafficSecond): JudgeState {
  const next = judge.observe(state, second);
  if (judge.judge(next).verdict === 'worse') throw new Error('a release that is not worse was called worse');
  return next;
}

/** CPU for a second of one analysis: observing it, and asking for the verdict. The median of some rounds, the first of which are for the compiler. */
async function microseconds({ signal, quick }: BenchContext, seconds: readonly TrafficSecond[]): Promise<number> {
  const judge = judgeOf(settings);
  const times: number[] = [];
  for (let round = 0; round < (quick ? 4 : ROUNDS); round += 1) {
    const repeats = quick ? 2 : 20;
    const before = process.cpuUsage();
    for (let repeat = 0; repeat < repeats; repeat += 1) {
      let state = judge.start([]);
      for (const second of seconds) state = look(judge, state, second);
    }
    const used = process.cpuUsage(before);
    times.push((used.user + used.system) / (repeats * seconds.length));
    await setImmediate();
    signal.throwIfAborted();
  }
  const counted = times.slice(3).sort((a, b) => a - b);
  return counted[Math.floor(counted.length / 2)] ?? Number.NaN;
}

/** Many analyses in turn, each looked at once a second, as a control plane has them; beginning anywhere in a minute. */
async function atOnce({ signal, quick }: BenchContext, seconds: readonly TrafficSecond[]): Promise<number> {
  const judge = judgeOf(settings);
  const count = quick ? CONCURRENT / 100 : CONCURRENT;
  const states = Array.from({ length: count }, () => judge.start([]));
  // Until every window of a minute is full, and past the turn of a minute for all of them.
  const warmUp = quick ? 5 : 65;
  const counted = quick ? 5 : 60;
  let spent = 0;
  for (let second = 0; second < warmUp + counted; second += 1) {
    const inputs = states.map((_, analysis) => inputOf(seconds, analysis, second));
    const before = process.cpuUsage();
    for (let analysis = 0; analysis < count; analysis += 1) {
      const [state, input] = [states[analysis], inputs[analysis]];
      if (state !== undefined && input !== undefined) states[analysis] = look(judge, state, input);
    }
    const used = process.cpuUsage(before);
    if (second >= warmUp) spent += (used.user + used.system) / 1e6;
    await setImmediate();
    signal.throwIfAborted();
  }
  return ((spent / counted) * CONCURRENT) / count;
}

const inputOf = (seconds: readonly TrafficSecond[], analysis: number, second: number): TrafficSecond => {
  const one = seconds[(analysis * 7 + second) % seconds.length];
  if (one === undefined) throw new Error('no second was recorded');
  return { ...one, second: second + (analysis % 60) };
};

/** Of one analysis that has seen more than it remembers, with the counts that it holds on to. */
function kilobytes(seconds: readonly TrafficSecond[]): number {
  const judge = judgeOf(settings);
  const collect = garbageCollector();
  collect();
  const before = process.memoryUsage().heapUsed;
  const states = Array.from({ length: MEASURED }, () => {
    let state = judge.start([]);
    for (const second of seconds) state = judge.observe(state, structuredClone(second));
    return state;
  });
  collect();
  const used = process.memoryUsage().heapUsed - before;
  if (states.length !== MEASURED) throw new Error('the states were let go');
  return used / MEASURED / 1_024;
}

function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
