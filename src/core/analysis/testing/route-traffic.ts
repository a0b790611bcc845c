import type { Arm } from '../../slot.ts';
import type { ArmSecond, LatencyCounts, RouteSecond } from '../../traffic.ts';
import type { EvidenceRecord, EvidenceSecond } from '../evidence-record.ts';
import { bucketOf } from '../histogram.ts';
import { settingsOf, type AnalysisSettings } from '../settings.ts';

// Seconds of a service with routes, made from rates by a seeded source of chance.

/** Uniform in [0, 1): mulberry32. */
export function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A Poisson count by multiplication (Knuth); means are small here. */
export function poisson(mean: number, random: () => number): number {
  if (mean > 30) return poisson(mean / 2, random) + poisson(mean / 2, random);
  const end = Math.exp(-mean);
  let count = 0;
  for (let product = random(); product > end; product *= random()) count += 1;
  return count;
}

export interface RouteModel {
  readonly route: string;
  /** Requests a second, both arms together. */
  readonly rate: number;
  /** Share that fails, by second and arm. */
  readonly errors: (second: number, arm: Arm) => number;
  /** Milliseconds of one request; null: latency is not counted. */
  readonly latencyMs: ((arm: Arm, random: () => number) => number) | null;
}

/** As the gateway counts a route: the first bucket of a quarter of an octave. */
const coarse = (bucket: number): number => (bucket === 0 ? 0 : 1 + 8 * Math.floor((bucket - 1) / 8));

function routeSecond(model: RouteModel, arm: Arm, mean: number, second: number, random: () => number): RouteSecond {
  const requests = poisson(mean, random);
  const share = model.errors(second, arm);
  let errors = 0;
  const latency = new Map<number, number>();
  for (let index = 0; index < requests; index += 1) {
    if (random() < share) errors += 1;
    if (model.latencyMs === null) continue;
    const bucket = coarse(bucketOf(model.latencyMs(arm, random)));
    latency.set(bucket, (latency.get(bucket) ?? 0) + 1);
  }
  return {
    route: model.route,
    requests,
    bad: errors > 0 ? { '500': errors } : {},
    latency: [...latency].sort(([a], [b]) => a - b),
  };
}

export const NO_ARM: ArmSecond = { requests: 0, serverErrors: 0, gatewayErrors: 0, clientErrors: 0, latency: [] };
const noLatency: LatencyCounts = [];

/** One second of all routes. @param weight percent for the candidate */
export function secondOf(
  models: readonly RouteModel[],
  second: number,
  weight: number,
  random: () => number,
): EvidenceSecond {
  const armOf = (arm: Arm): ArmSecond => {
    const share = arm === 'candidate' ? weight / 100 : 1 - weight / 100;
    const routes = models
      .map((model) => routeSecond(model, arm, model.rate * share, second, random))
      .filter(({ requests }) => requests > 0);
    return {
      ...NO_ARM,
      requests: routes.reduce((sum, { requests }) => sum + requests, 0),
      serverErrors: routes.reduce((sum, { bad }) => sum + (bad['500'] ?? 0), 0),
      latency: noLatency,
      routes,
    };
  };
  return {
    traffic: { service: 'web', second, arms: { stable: armOf('stable'), candidate: armOf('candidate') } },
    weight,
    phase: 'stepping',
    step: 0,
  };
}

export const recordOf = (
  seconds: readonly EvidenceSecond[],
  analysis: Partial<AnalysisSettings> = {},
): EvidenceRecord => ({
  deployment: 'dep_1',
  leg: 0,
  environment: 'production',
  service: 'web',
  stable: 'rel_1',
  candidate: 'rel_2',
  settings: {
    analysis: { ...settingsOf('balanced'), ...analysis },
    limits: { minSuccessPercent: 1 as never, maxP99Ms: 500 as never, minRequests: 100 },
  },
  past: [],
  seconds,
});

/** So many routes with the same rate each, in total `rate` a second. */
export const evenRoutes = (
  count: number,
  rate: number,
  errors: (route: number) => RouteModel['errors'],
  latencyMs: RouteModel['latencyMs'] = null,
): readonly RouteModel[] =>
  Array.from({ length: count }, (_, index) => ({
    route: `GET /r${index}`,
    rate: rate / count,
    errors: errors(index),
    latencyMs,
  }));
