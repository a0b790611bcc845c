import { bucketOf, maxBucket } from './analysis/histogram.ts';
import { otherRoute, plainRequestId, routeLabel, traceIdOf } from './route-label.ts';
import type { Arm } from './slot.ts';
import type { ArmSecond, FailedRequest, LatencyCounts, RouteSecond } from './traffic.ts';

// Counts by route, for routers that see each request. Bounded whatever clients send: labels, buckets and failures.

/** Labels of a service in one second; what is one too many is `other`. */
export const mostRoutes = 200;
/** Failed requests that are kept of an arm's second. */
export const mostFailures = 5;
/** Buckets of an arm's latencies that one of a route's stands for: four an octave. */
const FINE_PER_COARSE = 8;
/** Seconds for which a label keeps its place without a request. */
const KEPT_SECONDS = 10;

/** The bucket of a route's latencies that a bucket of an arm's belongs to. */
export const routeBucketOf = (bucket: number): number =>
  bucket <= 0 ? 0 : 1 + Math.floor((bucket - 1) / FINE_PER_COARSE) * FINE_PER_COARSE;

/** Place in an array that holds a count for each bucket of a route. */
const placeOf = (bucket: number): number => (bucket <= 0 ? 0 : 1 + Math.floor((bucket - 1) / FINE_PER_COARSE));
const bucketAt = (place: number): number => (place === 0 ? 0 : 1 + (place - 1) * FINE_PER_COARSE);
const PLACES = placeOf(maxBucket) + 1;

/** A request that has been answered, or not, as it is counted by its route. */
export interface AnsweredRequest {
  readonly method: string;
  /** With or without query: it is not kept. */
  readonly path: string;
  /** 0: no instance answered, or not to the end. */
  readonly status: number;
  /** No instance answered, or not to the end. Not so when the client went away. */
  readonly lost: boolean;
  readonly latencyMs: number;
  /** Headers as the client sent them; looked at only when the request failed. */
  readonly traceparent: string | null;
  readonly requestId: string | null;
  /** That was asked last. */
  readonly instance: string | null;
}

/**
 * Labels of one service's requests. A label that has a place keeps it as long as it is used, so that requests to made-up paths
 * push none out that was there before them.
 */
export class RouteLabels {
  readonly #lastUsed = new Map<string, number>();
  #second = Number.NEGATIVE_INFINITY;

  /** The label that a request is counted by. @param second that it is counted in */
  of(method: string, path: string, second: number): string {
    if (second > this.#second) {
      this.#second = second;
      this.#forget(second - KEPT_SECONDS);
    }
    const label = routeLabel(method, path);
    if (!this.#lastUsed.has(label) && this.#lastUsed.size >= mostRoutes) return otherRoute;
    this.#lastUsed.set(label, second);
    return label;
  }

  #forget(before: number): void {
    for (const [label, used] of this.#lastUsed) if (used < before) this.#lastUsed.delete(label);
  }
}

class RouteCount {
  requests = 0;
  readonly bad = new Map<string, number>();
  readonly latency = new Uint32Array(PLACES);
}

/** What one arm answered in one second, by route. */
export class RouteCounts {
  readonly #routes = new Map<string, RouteCount>();
  #failures: readonly FailedRequest[] = [];

  /** @param route its label */
  record(route: string, answered: AnsweredRequest): void {
    const { status, lost, latencyMs } = answered;
    let counts = this.#routes.get(route);
    if (counts === undefined) {
      counts = new RouteCount();
      this.#routes.set(route, counts);
    }
    counts.requests += 1;
    const place = placeOf(bucketOf(latencyMs));
    counts.latency[place] = (counts.latency[place] ?? 0) + 1;
    if (!lost && status < 400) return;
    const kind = lost ? 'lost' : String(status);
    counts.bad.set(kind, (counts.bad.get(kind) ?? 0) + 1);
    if (lost || status >= 500) this.#failures = withFailure(this.#failures, route, () => failureOf(route, answered));
  }

  /** As parts of an ArmSecond; nothing where nothing was counted. */
  read(): RouteDetail {
    const routes = [...this.#routes].map(([route, { requests, bad, latency }]): RouteSecond => {
      const buckets: (readonly [number, number])[] = [];
      latency.forEach((count, place) => {
        if (count > 0) buckets.push([bucketAt(place), count]);
      });
      return { route, requests, bad: Object.fromEntries(bad), latency: buckets };
    });
    return routeDetail(routes.sort(busiestFirst), this.#failures);
  }
}

/** What an ArmSecond has while two releases are compared. */
export type RouteDetail = Pick<ArmSecond, 'routes' | 'failures'>;

export const routeDetail = (routes: readonly RouteSecond[], failures: readonly FailedRequest[]): RouteDetail => ({
  ...(routes.length === 0 ? {} : { routes }),
  ...(failures.length === 0 ? {} : { failures }),
});

const failureOf = (route: string, answered: AnsweredRequest): FailedRequest => ({
  route,
  status: answered.lost ? 0 : answered.status,
  latencyMs: Math.round(answered.latencyMs * 10) / 10,
  traceId: traceIdOf(answered.traceparent),
  requestId: plainRequestId(answered.requestId),
  instance: answered.instance,
});

/** The first ones, but each route's first before any route's second. */
function withFailure(
  failures: readonly FailedRequest[],
  route: string,
  failure: () => FailedRequest,
): readonly FailedRequest[] {
  if (failures.length < mostFailures) return [...failures, failure()];
  if (failures.some((one) => one.route === route)) return failures;
  const repeated = failures.findLastIndex((one, at) => failures.findIndex((first) => first.route === one.route) < at);
  return repeated === -1 ? failures : [...failures.toSpliced(repeated, 1), failure()];
}

const busiestFirst = (a: RouteSecond, b: RouteSecond): number =>
  b.requests - a.requests || (a.route < b.route ? -1 : a.route > b.route ? 1 : 0);

/** The routes and failures of a second that several processes have counted parts of. */
export function mergeRouteDetail(
  parts: readonly Readonly<Record<Arm, RouteDetail>>[],
): Readonly<Record<Arm, RouteDetail>> {
  const sums: Record<Arm, Map<string, RouteSecond>> = { stable: new Map(), candidate: new Map() };
  const failures: Record<Arm, readonly FailedRequest[]> = { stable: [], candidate: [] };
  const totals = new Map<string, number>();
  for (const part of parts) {
    for (const arm of ['stable', 'candidate'] as const) {
      for (const route of part[arm].routes ?? []) {
        addTo(sums[arm], route.route, route);
        if (route.route !== otherRoute) totals.set(route.route, (totals.get(route.route) ?? 0) + route.requests);
      }
    }
  }
  // The first of each part, then the second of each: nobody knows which of them came first.
  for (const arm of ['stable', 'candidate'] as const) {
    for (let at = 0; at < mostFailures; at += 1) {
      for (const part of parts) {
        const failure = part[arm].failures?.[at];
        if (failure !== undefined) failures[arm] = withFailure(failures[arm], failure.route, () => failure);
      }
    }
  }
  const surplus = surplusOf(totals);
  const detailOf = (arm: Arm): RouteDetail => {
    for (const route of surplus) {
      const counts = sums[arm].get(route);
      sums[arm].delete(route);
      if (counts !== undefined) addTo(sums[arm], otherRoute, counts);
    }
    const named = failures[arm].map((one) => (surplus.has(one.route) ? { ...one, route: otherRoute } : one));
    return routeDetail([...sums[arm].values()].sort(busiestFirst), named);
  };
  return { stable: detailOf('stable'), candidate: detailOf('candidate') };
}

/** The labels, least busy, that are too many for one second. */
function surplusOf(totals: ReadonlyMap<string, number>): ReadonlySet<string> {
  if (totals.size <= mostRoutes) return new Set();
  const busiest = [...totals].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return new Set(busiest.slice(mostRoutes).map(([route]) => route));
}

function addTo(sums: Map<string, RouteSecond>, route: string, more: RouteSecond): void {
  const before = sums.get(route);
  if (before === undefined) {
    sums.set(route, { ...more, route });
    return;
  }
  const bad: Record<string, number> = { ...before.bad };
  for (const [kind, count] of Object.entries(more.bad)) bad[kind] = (bad[kind] ?? 0) + count;
  sums.set(route, {
    route,
    requests: before.requests + more.requests,
    bad,
    latency: addLatencies(before.latency, more.latency),
  });
}

/** Two ascending lists as one. */
export function addLatencies(a: LatencyCounts, b: LatencyCounts): LatencyCounts {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const sums = new Map(a);
  for (const [bucket, count] of b) sums.set(bucket, (sums.get(bucket) ?? 0) + count);
  return [...sums].sort(([one], [other]) => one - other);
}
