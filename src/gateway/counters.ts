import { bucketOf, maxBucket } from '../core/analysis/histogram.ts';
import { MirrorCounts } from '../core/mirror-counts.ts';
import { RouteCounts, RouteLabels, type AnsweredRequest, type RouteDetail } from '../core/route-counts.ts';
import type { Arm } from '../core/slot.ts';
import type { ArmSecond, LatencyCounts, MirrorSecond, TrafficSecond } from '../core/traffic.ts';

/** How a request ended, for counting. A client that went away is `ok`: it is no error of the arm. */
export type Outcome = 'ok' | 'client-error' | 'server-error' | 'gateway-error';

/** Seconds that are kept after they were closed. */
export const keptSeconds = 16 * 60;
/** Of these, the latest that are kept with what they have by route: it is many times as much. */
const keptWithRoutes = 30;
const nothing: ArmSecond = { requests: 0, serverErrors: 0, gatewayErrors: 0, clientErrors: 0, latency: [] };

class OpenArm {
  requests = 0;
  serverErrors = 0;
  gatewayErrors = 0;
  clientErrors = 0;
  /** By bucket. */
  readonly latency = new Uint32Array(maxBucket + 1);
  /** Null until something is counted by route. */
  routes: RouteCounts | null = null;
}

/** Flat, because a busy gateway keeps a thousand of these for each service. */
interface ClosedArm {
  readonly requests: number;
  readonly serverErrors: number;
  readonly gatewayErrors: number;
  readonly clientErrors: number;
  /** Bucket, count, bucket, count ... ascending. */
  readonly latency: Uint32Array;
  /** The same of what had no answer yet; null when nothing waited. */
  readonly waiting: Uint32Array | null;
  /** Null when nothing was counted by route, or it is not kept any more. */
  readonly detail: RouteDetail | null;
}

interface ClosedSecond {
  readonly second: number;
  readonly stable: ClosedArm | null;
  readonly candidate: ClosedArm | null;
  readonly mirror: MirrorSecond | null;
}

/** By arm, how many milliseconds each request without an answer has waited. */
type Waiting = Readonly<Record<Arm, readonly number[]>>;
const nobody: Waiting = { stable: [], candidate: [] };

interface OpenSecond extends Record<Arm, OpenArm | null> {
  mirror: MirrorCounts | null;
}

/** Counts what the arms of one service answered, by second of completion. Closed seconds never change. */
export class TrafficCounters {
  readonly #service: string;
  readonly #open = new Map<number, OpenSecond>();
  /** The one that was counted in last. */
  #latest: OpenSecond = { stable: null, candidate: null, mirror: null };
  #latestSecond = Number.NaN;
  #closed: ClosedSecond[] = [];
  readonly #labels = new RouteLabels();

  constructor(service: string) {
    this.#service = service;
  }

  /**
   * @param second the second of completion, from the clock that `advance` is driven by
   * @param latencyMs milliseconds; see docs/gateway.md for from when to when
   * @param request to count it by its route, too; null not to
   */
  record(second: number, arm: Arm, outcome: Outcome, latencyMs: number, request: AnsweredRequest | null = null): void {
    const open = second === this.#latestSecond ? this.#latest : this.#openSecond(second);
    const counts = (open[arm] ??= new OpenArm());
    if (request !== null) {
      const route = this.#labels.of(request.method, request.path, second);
      (counts.routes ??= new RouteCounts()).record(route, request);
    }
    counts.requests += 1;
    if (outcome === 'server-error') counts.serverErrors += 1;
    else if (outcome === 'gateway-error') counts.gatewayErrors += 1;
    else if (outcome === 'client-error') counts.clientErrors += 1;
    const bucket = bucketOf(latencyMs);
    counts.latency[bucket] = (counts.latency[bucket] ?? 0) + 1;
  }

  /** What becomes of the copies of a second. @param second as in `record` */
  mirror(second: number): MirrorCounts {
    const open = second === this.#latestSecond ? this.#latest : this.#openSecond(second);
    return (open.mirror ??= new MirrorCounts());
  }

  /** What a request is called by route. @param second as in `record` */
  label(method: string, path: string, second: number): string {
    return this.#labels.of(method, path, second);
  }

  /**
   * Marks seconds as observed, with or without traffic, and closes those that are over: what ends later is counted later,
   * by the same clock, so nothing can come too late.
   *
   * @param now the second that it is
   * @param waiting what has no answer yet: it belongs to the second that has just ended
   */
  advance(observed: readonly number[], now: number, waiting: Waiting = nobody): void {
    for (const second of observed) this.#openSecond(second);
    const due = [...this.#open.keys()].filter((second) => second < now).sort((a, b) => a - b);
    for (const second of due) {
      const open = this.#open.get(second);
      this.#open.delete(second);
      if (second === this.#latestSecond) this.#latestSecond = Number.NaN;
      if (open === undefined) continue;
      this.#closed.push(close(second, open, second === due.at(-1) ? waiting : nobody));
      this.#forgetRoutes(this.#closed.length - 1 - keptWithRoutes);
    }
    // Trimmed in lumps: cutting one off each second would copy the array each second.
    if (this.#closed.length > keptSeconds + 64) this.#closed = this.#closed.slice(-keptSeconds);
  }

  /** Closed seconds after a second (exclusive), oldest first. */
  since(afterSecond: number): readonly TrafficSecond[] {
    const closed = this.#closed;
    let from = closed.length;
    while (from > 0 && (closed[from - 1]?.second ?? 0) > afterSecond) from -= 1;
    return closed.slice(from).map((second) => this.#expand(second));
  }

  /** What has been counted of a second that is not over; null when it is not observed. */
  current(second: number, waiting: Waiting): TrafficSecond | null {
    const open = this.#open.get(second);
    return open === undefined ? null : this.#expand(close(second, open, waiting));
  }

  #expand({ second, stable, candidate, mirror }: ClosedSecond): TrafficSecond {
    return {
      service: this.#service,
      second,
      arms: { stable: expand(stable), candidate: expand(candidate) },
      ...(mirror === null ? {} : { mirror }),
    };
  }

  #forgetRoutes(at: number): void {
    const closed = this.#closed[at];
    if (closed === undefined || (closed.stable?.detail ?? closed.candidate?.detail ?? null) === null) return;
    const without = (arm: ClosedArm | null): ClosedArm | null => arm && { ...arm, detail: null };
    this.#closed[at] = { ...closed, stable: without(closed.stable), candidate: without(closed.candidate) };
  }

  #openSecond(second: number): OpenSecond {
    let open = this.#open.get(second);
    if (open === undefined) {
      open = { stable: null, candidate: null, mirror: null };
      this.#open.set(second, open);
    }
    this.#latest = open;
    this.#latestSecond = second;
    return open;
  }
}

const close = (second: number, open: OpenSecond, waiting: Waiting): ClosedSecond => ({
  second,
  stable: closeArm(open.stable, waiting.stable),
  candidate: closeArm(open.candidate, waiting.candidate),
  mirror: open.mirror?.read() ?? null,
});

function closeArm(arm: OpenArm | null, waiting: readonly number[]): ClosedArm | null {
  if (arm === null && waiting.length === 0) return null;
  const { requests, serverErrors, gatewayErrors, clientErrors, latency, routes } = arm ?? new OpenArm();
  return {
    requests,
    serverErrors,
    gatewayErrors,
    clientErrors,
    latency: flat(latency),
    waiting: waiting.length === 0 ? null : flat(bucketed(waiting)),
    detail: routes?.read() ?? null,
  };
}

function bucketed(latenciesMs: readonly number[]): Uint32Array {
  const counts = new Uint32Array(maxBucket + 1);
  for (const latencyMs of latenciesMs) {
    const bucket = bucketOf(latencyMs);
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  return counts;
}

function flat(counts: Uint32Array): Uint32Array {
  const found: number[] = [];
  for (let bucket = 0; bucket < counts.length; bucket += 1) {
    const count = counts[bucket] ?? 0;
    if (count > 0) found.push(bucket, count);
  }
  return Uint32Array.from(found);
}

function pairs(counts: Uint32Array): LatencyCounts {
  const found: (readonly [number, number])[] = [];
  for (let i = 0; i + 1 < counts.length; i += 2) found.push([counts[i] ?? 0, counts[i + 1] ?? 0]);
  return found;
}

function expand(arm: ClosedArm | null): ArmSecond {
  if (arm === null) return nothing;
  const { latency, waiting, detail, ...counts } = arm;
  return { ...counts, latency: pairs(latency), ...(waiting === null ? {} : { waiting: pairs(waiting) }), ...detail };
}
