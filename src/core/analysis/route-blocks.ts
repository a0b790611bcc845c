import type { Arm } from '../slot.ts';
import type { LatencyCounts, RouteSecond } from '../traffic.ts';
import type { EvidenceSecond } from './evidence-record.ts';
import { mergeLatencies } from './histogram.ts';

/** What one route of an arm answered in a few seconds. */
export interface RouteCounts {
  readonly requests: number;
  readonly bad: Readonly<Record<string, number>>;
  readonly latency: LatencyCounts;
}

export type RouteArms = Readonly<Record<Arm, RouteCounts>>;

export interface RouteBlock {
  readonly weight: number;
  readonly routes: ReadonlyMap<string, RouteArms>;
}

/**
 * A route has a handful of requests a second: in most seconds one arm has none, and nothing can be compared. So seconds are taken together, at
 * most this many, and only while the weight stays what it is: then the arms' shares are the same throughout, which is what keeps drifting
 * rates from looking like a difference.
 */
export const BLOCK_SECONDS = 10;

const nothing: RouteCounts = { requests: 0, bad: {}, latency: [] };

/** Cuts seconds into blocks of the same weight. Where it changes, the second belongs to nobody else. */
export function routeBlocks(seconds: readonly EvidenceSecond[]): readonly RouteBlock[] {
  const groups: EvidenceSecond[][] = [];
  seconds.forEach((one, index) => {
    const before = seconds[index - 1];
    const open = groups.at(-1);
    const isChange = before === undefined || before.weight !== one.weight;
    const isAfterChange = open?.length === 1 && index >= 2 && seconds[index - 2]?.weight !== before?.weight;
    if (open === undefined || isChange || isAfterChange || open.length >= BLOCK_SECONDS) groups.push([one]);
    else open.push(one);
  });
  return groups.map(blockOf);
}

function blockOf(seconds: readonly EvidenceSecond[]): RouteBlock {
  const stable = byRoute(seconds, 'stable');
  const candidate = byRoute(seconds, 'candidate');
  const names = new Set([...stable.keys(), ...candidate.keys()]);
  return {
    weight: seconds[0]?.weight ?? 0,
    routes: new Map(
      [...names].map((name) => [
        name,
        { stable: merged(stable.get(name) ?? []), candidate: merged(candidate.get(name) ?? []) },
      ]),
    ),
  };
}

function byRoute(seconds: readonly EvidenceSecond[], arm: Arm): ReadonlyMap<string, readonly RouteSecond[]> {
  const found = new Map<string, RouteSecond[]>();
  for (const { traffic } of seconds) {
    for (const one of traffic.arms[arm].routes ?? []) {
      const known = found.get(one.route);
      if (known === undefined) found.set(one.route, [one]);
      else known.push(one);
    }
  }
  return found;
}

function merged(seconds: readonly RouteSecond[]): RouteCounts {
  const [first] = seconds;
  if (first === undefined) return nothing;
  if (seconds.length === 1) return first;
  const bad: Record<string, number> = {};
  let requests = 0;
  for (const one of seconds) {
    requests += one.requests;
    for (const [status, count] of Object.entries(one.bad)) bad[status] = (bad[status] ?? 0) + count;
  }
  return { requests, bad, latency: mergeLatencies(seconds.map((one) => one.latency)) };
}
