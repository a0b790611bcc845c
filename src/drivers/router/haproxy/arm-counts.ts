import { bucketOf } from '../../../core/analysis/histogram.ts';
import {
  mergeRouteDetail,
  RouteCounts,
  routeDetail,
  RouteLabels,
  type RouteDetail,
} from '../../../core/route-counts.ts';
import type { Arm } from '../../../core/slot.ts';
import type { ArmSecond, LatencyCounts, TrafficSecond } from '../../../core/traffic.ts';
import type { CountedRequest } from './request-line.ts';

/** Seconds that are kept after they were closed. */
const keptSeconds = 16 * 60;
/** Of these, the latest that are kept with what they have by route: it is many times as much. */
const keptWithRoutes = 30;

const nothing: ArmSecond = { requests: 0, serverErrors: 0, gatewayErrors: 0, clientErrors: 0, latency: [] };

interface Counting {
  requests: number;
  serverErrors: number;
  gatewayErrors: number;
  clientErrors: number;
  latency: Map<number, number>;
  /** Null until something is counted by route. */
  routes: RouteCounts | null;
  /** Counted by route before it was stored. */
  readonly before: RouteDetail;
}

type OpenSecond = Partial<Record<Arm, Counting>>;
type ClosedArms = Partial<Record<Arm, ArmSecond>>;

interface Service {
  open: Map<number, OpenSecond>;
  /** Ascending; a second without traffic is empty. */
  closed: (readonly [second: number, arms: ClosedArms])[];
  /** The next second to close. */
  next: number;
  readonly labels: RouteLabels;
}

/** What is kept on disk, so that lines need not be read twice. */
export type StoredCounts = readonly (readonly [
  service: string,
  next: number,
  closed: readonly (readonly [number, ClosedArms])[],
  open: readonly (readonly [number, ClosedArms])[],
])[];

/** Counts what the arms of all services answered, by second. Closed seconds never change. */
export class ArmCounts {
  readonly #services = new Map<string, Service>();

  /** Observes a service from a second on, also while it has no traffic. */
  observe(service: string, fromSecond: number): void {
    if (this.#services.has(service)) return;
    this.#services.set(service, { open: new Map(), closed: [], next: fromSecond, labels: new RouteLabels() });
  }

  record({ service: name, arm, outcome, latencyMs, second, route }: CountedRequest): void {
    this.observe(name, second);
    const service = this.#services.get(name);
    if (service === undefined) return;
    // What comes late belongs to the first second that may still change.
    const label = Math.max(second, service.next);
    const open = service.open.get(label) ?? {};
    service.open.set(label, open);
    const counts = (open[arm] ??= {
      requests: 0,
      serverErrors: 0,
      gatewayErrors: 0,
      clientErrors: 0,
      latency: new Map(),
      routes: null,
      before: {},
    });
    counts.requests += 1;
    if (route !== null) {
      (counts.routes ??= new RouteCounts()).record(service.labels.of(route.method, route.path, label), route);
    }
    if (outcome === 'server-error') counts.serverErrors += 1;
    else if (outcome === 'gateway-error') counts.gatewayErrors += 1;
    else if (outcome === 'client-error') counts.clientErrors += 1;
    const bucket = bucketOf(latencyMs);
    counts.latency.set(bucket, (counts.latency.get(bucket) ?? 0) + 1);
  }

  /**
   * Closes every second before one.
   *
   * @param runningSince seconds from here on are observed also without traffic; earlier ones only with it, since HAProxy may
   *   not have run
   */
  closeBefore(second: number, runningSince: number): void {
    for (const service of this.#services.values()) {
      const first = Math.max(service.next, second - keptSeconds);
      for (let label = first; label < second; label += 1) {
        const open = service.open.get(label);
        service.open.delete(label);
        if (open !== undefined || label >= runningSince)
          service.closed.push([label, open === undefined ? {} : closed(open)]);
      }
      service.next = Math.max(service.next, second);
      this.#forgetRoutes(service);
      for (const label of service.open.keys()) if (label < service.next) service.open.delete(label);
      if (service.closed.length > keptSeconds + 64) service.closed = service.closed.slice(-keptSeconds);
    }
  }

  #forgetRoutes({ closed: all }: Service): void {
    for (let at = all.length - 1 - keptWithRoutes; at >= 0; at -= 1) {
      const [second, arms] = all[at] ?? [0, {}];
      if (!Object.values(arms).some(({ routes, failures }) => (routes ?? failures) !== undefined)) return;
      all[at] = [second, withoutRoutes(arms)];
    }
  }

  /** Closed seconds after a second (exclusive), oldest first. */
  since(service: string, afterSecond: number): readonly TrafficSecond[] {
    const { closed: all = [] } = this.#services.get(service) ?? {};
    return all.filter(([second]) => second > afterSecond).map(([second, arms]) => expand(service, second, arms));
  }

  /** What has been counted of a second that is not over; null when the service is not observed. */
  current(name: string, second: number): TrafficSecond | null {
    const service = this.#services.get(name);
    if (service === undefined || second < service.next) return null;
    return expand(name, second, closed(service.open.get(second) ?? {}));
  }

  store(): StoredCounts {
    return [...this.#services].map(([name, { next, closed: all, open }]) => [
      name,
      next,
      all,
      [...open].map(([second, arms]) => [second, closed(arms)] as const),
    ]);
  }

  static restore(stored: StoredCounts): ArmCounts {
    const counts = new ArmCounts();
    for (const [name, next, all, open] of stored) {
      counts.#services.set(name, {
        next,
        closed: [...all],
        open: new Map(open.map(([second, arms]) => [second, opened(arms)])),
        labels: new RouteLabels(),
      });
    }
    return counts;
  }
}

function closed(open: OpenSecond): ClosedArms {
  const arms: ClosedArms = {};
  for (const arm of ['stable', 'candidate'] as const) {
    const counts = open[arm];
    if (counts === undefined) continue;
    const latency: LatencyCounts = [...counts.latency].sort(([a], [b]) => a - b);
    const { requests, serverErrors, gatewayErrors, clientErrors, routes, before } = counts;
    const detail = mergeRouteDetail([
      { stable: before, candidate: {} },
      { stable: routes?.read() ?? {}, candidate: {} },
    ]).stable;
    arms[arm] = { requests, serverErrors, gatewayErrors, clientErrors, latency, ...detail };
  }
  return arms;
}

function opened(arms: ClosedArms): OpenSecond {
  const open: OpenSecond = {};
  for (const arm of ['stable', 'candidate'] as const) {
    const counts = arms[arm];
    if (counts === undefined) continue;
    const { requests, serverErrors, gatewayErrors, clientErrors, latency, routes, failures } = counts;
    open[arm] = {
      requests,
      serverErrors,
      gatewayErrors,
      clientErrors,
      latency: new Map(latency),
      routes: null,
      before: routeDetail(routes ?? [], failures ?? []),
    };
  }
  return open;
}

function withoutRoutes(arms: ClosedArms): ClosedArms {
  const without: ClosedArms = {};
  for (const arm of ['stable', 'candidate'] as const) {
    const counts = arms[arm];
    if (counts === undefined) continue;
    const { requests, serverErrors, gatewayErrors, clientErrors, latency } = counts;
    without[arm] = { requests, serverErrors, gatewayErrors, clientErrors, latency };
  }
  return without;
}

const expand = (service: string, second: number, arms: ClosedArms): TrafficSecond => ({
  service,
  second,
  arms: { stable: arms.stable ?? nothing, candidate: arms.candidate ?? nothing },
});
