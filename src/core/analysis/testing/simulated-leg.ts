import type { Arm } from '../../slot.ts';
import type { HardLimits } from '../../spec/platform.ts';
import type {
  ArmSecond,
  FailedRequest,
  LatencyCounts,
  MirrorSecond,
  RouteSecond,
  TrafficSecond,
} from '../../traffic.ts';
import type { EvidenceRecord, EvidenceSecond } from '../evidence-record.ts';
import { bucketOf } from '../histogram.ts';
import { judgeOf, type JudgeSettings } from '../judge.ts';
import { settingsOf } from '../settings.ts';
import { minuteOf } from '../traffic-minute.ts';

// Seeded traffic of a rollout for tests: what a router would have counted. The judge that looks at it is the real one.

/** Uniform numbers in [0, 1): mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Knuth's for small means, the normal approximation beyond. */
export function poisson(random: () => number, mean: number): number {
  if (mean <= 0) return 0;
  if (mean > 60) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(random)));
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = random(); product > limit; product *= random()) count += 1;
  return count;
}

const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

export interface SimulatedRoute {
  readonly route: string;
  /** Share of the requests. */
  readonly share: number;
  /** Share of its requests that the candidate fails. */
  readonly fails: number;
  /** Factor on the candidate's latency. */
  readonly slower: number;
}

export interface SimulatedRollout {
  readonly seed: number;
  readonly requestsPerSecond: number;
  /** Share of stable's requests that fail. */
  readonly errorShare: number;
  readonly routes: readonly SimulatedRoute[];
  readonly phases: readonly {
    readonly phase: string;
    readonly step: number;
    readonly weight: number;
    readonly seconds: number;
    readonly mirror?: boolean;
  }[];
  readonly settings: JudgeSettings;
  /** Minutes of stable before. */
  readonly pastMinutes: number;
  /** UTC seconds of the first exposure. */
  readonly from: number;
  /** So many seconds go on after the verdict `worse`, as the way back takes them. */
  readonly after: number;
}

export const guideLimits = { minSuccessPercent: 99, maxP99Ms: 500, minRequests: 100 } as unknown as HardLimits;

export const oneRoute = (fails: number): readonly SimulatedRoute[] => [{ route: 'GET /', share: 1, fails, slower: 1 }];

export const balanced: JudgeSettings = { analysis: settingsOf('balanced'), limits: guideLimits };

/** One leg's record, cut where its own judge takes it back. */
export function simulatedLeg(rollout: SimulatedRollout): EvidenceRecord {
  const random = seeded(rollout.seed);
  const past = Array.from({ length: rollout.pastMinutes }, (_, index) => {
    const seconds = Array.from({ length: 60 }, () => arm(rollout, 'stable', rollout.requestsPerSecond, random, false));
    return minuteOf(Math.floor(rollout.from / 60) - rollout.pastMinutes + index, seconds);
  });
  const judge = judgeOf(rollout.settings);
  let state = judge.start(past);
  const seconds: EvidenceSecond[] = [];
  let second = rollout.from;
  let left: number | null = null;
  for (const { phase, step, weight, seconds: length, mirror = false } of rollout.phases) {
    for (let index = 0; index < length; index += 1, second += 1) {
      const isBack = left !== null;
      if (left !== null && (left -= 1) < 0) return record(rollout, past, seconds);
      const share = isBack ? 0 : weight / 100;
      const all = rollout.requestsPerSecond;
      const traffic: TrafficSecond = {
        service: 'api',
        second,
        arms: {
          candidate: arm(rollout, 'candidate', all * share, random, true),
          stable: arm(rollout, 'stable', all * (1 - share), random, true),
        },
        ...(mirror && !isBack ? { mirror: mirrored(rollout, all / 2, random) } : {}),
      };
      state = judge.observe(state, traffic);
      seconds.push({ traffic, weight: isBack ? 0 : weight, phase: isBack ? 'reverting' : phase, step });
      if (!isBack && judge.judge(state).verdict === 'worse') left = rollout.after;
    }
  }
  return record(rollout, past, seconds);
}

const record = (
  rollout: SimulatedRollout,
  past: EvidenceRecord['past'],
  seconds: readonly EvidenceSecond[],
): EvidenceRecord => ({
  deployment: 'dep_41',
  leg: 0,
  environment: 'production',
  service: 'api',
  stable: 'rel_5d0c1f2ab9e74c31a0d2',
  candidate: 'rel_a91be07c44d25f8e6b13',
  settings: rollout.settings,
  past,
  seconds,
});

function arm(rollout: SimulatedRollout, which: Arm, mean: number, random: () => number, detailed: boolean): ArmSecond {
  const latencies = new Map<number, number>();
  const routes: RouteSecond[] = [];
  const failures: FailedRequest[] = [];
  let [requests, serverErrors, gatewayErrors] = [0, 0, 0];
  for (const { route, share, fails, slower } of rollout.routes) {
    const count = poisson(random, mean * share);
    const bad: Record<string, number> = {};
    const own = new Map<number, number>();
    for (let index = 0; index < count; index += 1) {
      const failed = random() < rollout.errorShare || (which === 'candidate' && random() < fails);
      const latencyMs = 18 * Math.exp(0.45 * normal(random)) * (which === 'candidate' ? slower : 1);
      const bucket = bucketOf(latencyMs);
      latencies.set(bucket, (latencies.get(bucket) ?? 0) + 1);
      own.set(bucket - (bucket % 8), (own.get(bucket - (bucket % 8)) ?? 0) + 1);
      if (!failed) continue;
      const status = random() < 0.9 ? 500 : 0;
      if (status === 0) gatewayErrors += 1;
      else serverErrors += 1;
      const key = status === 0 ? 'lost' : String(status);
      bad[key] = (bad[key] ?? 0) + 1;
      if (failures.length < 3)
        failures.push({
          route,
          status,
          latencyMs,
          traceId: hex(random, 32),
          requestId: null,
          instance: `api-${which}-1`,
        });
    }
    requests += count;
    if (count > 0) routes.push({ route, requests: count, bad, latency: sorted(own) });
  }
  return {
    requests,
    serverErrors,
    gatewayErrors,
    clientErrors: 0,
    latency: sorted(latencies),
    ...(detailed ? { routes, failures } : {}),
  };
}

function mirrored(rollout: SimulatedRollout, mean: number, random: () => number): MirrorSecond {
  const stable = arm(rollout, 'stable', mean, random, false);
  const pairs = stable.requests;
  const fails = rollout.routes.reduce((sum, { share, fails }) => sum + share * fails, 0);
  let candidateErrors = 0;
  for (let index = 0; index < pairs; index += 1)
    if (random() < fails || random() < rollout.errorShare) candidateErrors += 1;
  return {
    pairs,
    skipped: 0,
    stableErrors: stable.serverErrors + stable.gatewayErrors,
    candidateErrors,
    statusDiffers: candidateErrors,
    sizeDiffers: 0,
    shapeDiffers: 0,
    latency: { stable: stable.latency, candidate: stable.latency },
    routes: [],
  };
}

const sorted = (counts: ReadonlyMap<number, number>): LatencyCounts => [...counts].sort(([a], [b]) => a - b);

const hex = (random: () => number, digits: number): string =>
  Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join('');
