import type { HardLimits } from '../../spec/platform.ts';
import type { ArmSecond, LatencyCounts, TrafficSecond } from '../../traffic.ts';
import { bucketOf } from '../histogram.ts';
import { judgeOf, type JudgeSettings } from '../judge.ts';
import { settingsOf, type AnalysisSettings } from '../settings.ts';
import { minuteOf, type TrafficMinute } from '../traffic-minute.ts';
import type { Evidence, Rule } from '../verdict.ts';
import { poisson, seeded } from './simulated-leg.ts';

// Releases played before the real judge, seeded: a story says what stable and candidate do, second by second.

const limits = { minSuccessPercent: 99, maxP99Ms: 500, minRequests: 100 } as unknown as HardLimits;
export const settings = (more: Partial<AnalysisSettings> = {}): JudgeSettings => ({
  analysis: { ...settingsOf('balanced'), ...more },
  limits,
});

/** UTC second of the first exposure. */
export const FROM = 36_000;

export interface Story {
  readonly requests?: number;
  /** Share of the candidate, by the second since the first exposure. */
  readonly weight?: (at: number) => number;
  readonly stable?: (at: number) => number;
  readonly candidate?: (at: number) => number;
  /** Errors come so many at once, in the mean; each time a geometric number. */
  readonly bursts?: number;
  readonly latencyMs?: (random: () => number) => number;
  readonly slower?: (latencyMs: number, random: () => number) => number;
  /** Minutes of stable before. */
  readonly past?: number;
  readonly seconds?: number;
  readonly settings?: JudgeSettings;
  readonly change?: (second: TrafficSecond, at: number, random: () => number) => TrafficSecond;
}

export interface Ending {
  /** Seconds since the first exposure until the verdict; null: it never came. */
  readonly worseAt: number | null;
  readonly notWorseAt: number | null;
  /** Failed requests of the candidate until then. */
  readonly failed: number;
  readonly rule: Rule | null;
  readonly stableBroken: boolean;
  readonly evidence: Evidence;
}

export function play(story: Story, seed: number): Ending {
  const random = seeded(seed);
  const { requests = 100, weight = () => 0.05, stable = () => 0.001, candidate = () => 0.001 } = story;
  const { past = 0, seconds = 900 } = story;
  const judge = judgeOf(story.settings ?? settings());
  let state = judge.start(history(story, past, random));
  let failed = 0;
  let notWorseAt: number | null = null;
  for (let at = 0; at < seconds; at += 1) {
    const share = weight(at);
    const arms = {
      candidate: arm(requests * share, candidate(at), story, random, story.slower ?? ((ms) => ms)),
      stable: arm(requests * (1 - share), stable(at), story, random, (ms) => ms),
    };
    const plain: TrafficSecond = { service: 'api', second: FROM + at, arms };
    const second = story.change?.(plain, at, random) ?? plain;
    failed += second.arms.candidate.serverErrors;
    state = judge.observe(state, second);
    const { verdict, stableBroken } = judge.judge(state);
    if (verdict === 'not-worse') notWorseAt ??= at + 1;
    if (verdict !== 'worse') continue;
    const evidence = judge.explain(state);
    return { worseAt: at + 1, notWorseAt, failed, rule: evidence.rule ?? null, stableBroken, evidence };
  }
  const evidence = judge.explain(state);
  return { worseAt: null, notWorseAt, failed, rule: null, stableBroken: judge.judge(state).stableBroken, evidence };
}

function history(story: Story, minutes: number, random: () => number): readonly TrafficMinute[] {
  const { requests = 100, stable = () => 0.001 } = story;
  return Array.from({ length: minutes }, (_, index) =>
    minuteOf(
      FROM / 60 - minutes + index,
      Array.from({ length: 60 }, () => arm(requests, stable(-1), story, random, (ms) => ms)),
    ),
  );
}

export function arm(
  mean: number,
  fails: number,
  { bursts = 1, latencyMs }: Story,
  random: () => number,
  slower: (latencyMs: number, random: () => number) => number,
): ArmSecond {
  let serverErrors = 0;
  for (let causes = poisson(random, (mean * fails) / bursts); causes > 0; causes -= 1)
    do serverErrors += 1;
    while (random() < 1 - 1 / bursts);
  const requests = serverErrors + poisson(random, mean * (1 - fails));
  const latency = new Map<number, number>();
  const measured = latencyMs === undefined ? 0 : requests;
  for (let i = 0; i < measured; i += 1) {
    const bucket = bucketOf(slower(latencyMs?.(random) ?? 0, random));
    latency.set(bucket, (latency.get(bucket) ?? 0) + 1);
  }
  return {
    requests,
    serverErrors,
    gatewayErrors: 0,
    clientErrors: 0,
    latency: [...latency].sort(([a], [b]) => a - b),
  };
}

export const plays = (story: Story, times: number): readonly Ending[] =>
  Array.from({ length: times }, (_, index) => play(story, 1_000 + index));

export const median = (values: readonly (number | null)[]): number => {
  const sorted = values.map((value) => value ?? Infinity).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
};

export const takenBack = (endings: readonly Ending[]): number =>
  endings.filter(({ worseAt }) => worseAt !== null).length;

export const logNormal = (random: () => number): number =>
  40 * Math.exp(0.5 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));

export const quiet = (requests: number, latency: LatencyCounts = []): ArmSecond => ({
  requests,
  serverErrors: 0,
  gatewayErrors: 0,
  clientErrors: 0,
  latency,
});
