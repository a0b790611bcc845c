import { addMirrors } from '../../core/mirror-counts.ts';
import { mergeRouteDetail, routeDetail, type RouteDetail } from '../../core/route-counts.ts';
import type { ArmSecond, CurrentSecond, LatencyCounts, MirrorSecond, TrafficSecond } from '../../core/traffic.ts';

/** Seconds that are kept after they were closed. */
const keptSeconds = 16 * 60;
/** Of these, the latest that are kept with what they have by route: it is many times as much. */
export const keptWithRoutes = 120;
/** Milliseconds that a second waits for a worker that does not report. */
const deadlineMs = 2_000;

/** Flat, because a busy gateway keeps a thousand of these for each service; null where nothing was counted. */
interface FlatArm {
  readonly counts: readonly [requests: number, serverErrors: number, gatewayErrors: number, clientErrors: number];
  /** Bucket, count, bucket, count ... ascending. */
  readonly latency: readonly number[];
  readonly waiting: readonly number[];
  /** Absent when nothing was counted by route, or it is not kept any more. */
  readonly detail?: RouteDetail;
}

interface FlatSecond {
  readonly second: number;
  readonly stable: FlatArm | null;
  readonly candidate: FlatArm | null;
  /** Absent when nothing was mirrored. */
  readonly mirror?: MirrorSecond;
}

/** What a supervisor hands to the next one; plain JSON. */
export interface MergedState {
  readonly closedTo: number;
  readonly closed: readonly (readonly [service: string, seconds: readonly FlatSecond[]])[];
  readonly pending: readonly {
    readonly second: number;
    readonly services: readonly (readonly [service: string, second: FlatSecond])[];
  }[];
  readonly carried: readonly (readonly [service: string, second: FlatSecond])[];
  readonly members: readonly (readonly [worker: string, member: Member])[];
}

interface Member {
  /** All seconds up to this one have been reported. */
  readonly to: number;
  /** The last report that was taken. */
  readonly report: number;
}

interface Pending {
  readonly since: number;
  readonly services: Map<string, FlatSecond>;
}

/**
 * Adds up what the workers of a gateway have counted. A second is closed when every worker that was there has reported
 * it, or has died, or is late by more than 2 s; closed seconds are ascending and never change. What is reported for a second that is
 * closed already is counted in the next one: no request is forgotten. No clock, no I/O: times are arguments.
 */
export class MergedCounts {
  readonly #members = new Map<string, Member>();
  readonly #pending = new Map<number, Pending>();
  readonly #closed = new Map<string, FlatSecond[]>();
  /** Late counts by service, for the second that is closed next. */
  readonly #carried = new Map<string, FlatSecond>();
  #closedTo = -1;
  readonly #holdUntil: number;

  /** @param holdUntil nothing is closed before: milliseconds, monotonic; while workers of a supervisor that died come back */
  constructor(holdUntil = -Infinity) {
    this.#holdUntil = holdUntil;
  }

  /** Goes on from where another one was. @param now milliseconds, monotonic */
  static from(state: MergedState, now: number): MergedCounts {
    const merged = new MergedCounts();
    merged.#closedTo = state.closedTo;
    for (const [service, seconds] of state.closed) merged.#closed.set(service, [...seconds]);
    for (const [service, second] of state.carried) merged.#carried.set(service, second);
    for (const [worker, member] of state.members) merged.#members.set(worker, member);
    for (const { second, services } of state.pending)
      merged.#pending.set(second, { since: now, services: new Map(services) });
    return merged;
  }

  state(): MergedState {
    return {
      closedTo: this.#closedTo,
      closed: [...this.#closed],
      pending: [...this.#pending].map(([second, { services }]) => ({ second, services: [...services] })),
      carried: [...this.#carried],
      members: [...this.#members],
    };
  }

  /** Goes on from where another one was, with what has been reported here meanwhile. @param now milliseconds, monotonic */
  after(state: MergedState, now: number): MergedCounts {
    const merged = MergedCounts.from(state, now);
    for (const [worker, member] of this.#members) merged.#members.set(worker, member);
    for (const [service, seconds] of this.#closed) for (const second of seconds) merged.#add(service, second, now);
    for (const { services } of this.#pending.values())
      for (const [service, second] of services) merged.#add(service, second, now);
    for (const [service, second] of this.#carried) merged.#add(service, second, now);
    return merged;
  }

  /** Nothing waits for workers other than these any more. @param now milliseconds, monotonic */
  keepOnly(workers: ReadonlySet<string>, now: number): void {
    for (const worker of this.#members.keys()) if (!workers.has(worker)) this.#members.delete(worker);
    this.close(now);
  }

  /**
   * From now on seconds wait for this worker. A worker that is known already (it has come back) goes on.
   *
   * @param countedTo it reports everything after this second
   * @returns the last report of it that has been taken; -1 when there is none
   */
  join(worker: string, countedTo: number): number {
    const known = this.#members.get(worker);
    if (known !== undefined) return known.report;
    this.#members.set(worker, { to: countedTo, report: -1 });
    return -1;
  }

  /** The worker has ended: nothing waits for it. @param now milliseconds, monotonic */
  leave(worker: string, now: number): void {
    this.#members.delete(worker);
    this.close(now);
  }

  /**
   * Takes closed seconds of one worker. The same report twice counts once.
   *
   * @param report number of the report, ascending for each worker
   * @param now milliseconds, monotonic
   */
  report(worker: string, report: number, seconds: readonly TrafficSecond[], now: number): void {
    const member = this.#members.get(worker);
    if (member === undefined || report <= member.report) return;
    let { to } = member;
    for (const second of seconds) {
      to = Math.max(to, second.second);
      this.#add(second.service, flatSecond(second), now);
    }
    this.#members.set(worker, { to, report });
    this.close(now);
  }

  /** Closes what all have reported, or what has waited too long. @param now milliseconds, monotonic */
  close(now: number): void {
    if (now < this.#holdUntil) return;
    const due = [...this.#pending.keys()].sort((a, b) => a - b);
    for (const second of due) {
      const pending = this.#pending.get(second);
      if (pending === undefined) continue;
      const complete = [...this.#members.values()].every(({ to }) => to >= second);
      if (!complete && now - pending.since < deadlineMs) return;
      this.#pending.delete(second);
      this.#closedTo = second;
      for (const [service, counts] of pending.services) this.#keep(service, counts);
    }
  }

  /** Closed seconds of a service after a second (exclusive), oldest first. */
  since(service: string, afterSecond: number): readonly TrafficSecond[] {
    const closed = this.#closed.get(service) ?? [];
    let from = closed.length;
    while (from > 0 && (closed[from - 1]?.second ?? 0) > afterSecond) from -= 1;
    return closed.slice(from).map((second) => expandSecond(service, second));
  }

  #add(service: string, counts: FlatSecond, now: number): void {
    const { second } = counts;
    if (second <= this.#closedTo) {
      // How long requests waited at the end of that second says nothing about another.
      const late = { ...counts, stable: withoutWaiting(counts.stable), candidate: withoutWaiting(counts.candidate) };
      if (late.stable === null && late.candidate === null && late.mirror === undefined) return;
      const before = this.#carried.get(service);
      this.#carried.set(service, before === undefined ? late : addSeconds(before, late));
      return;
    }
    let pending = this.#pending.get(second);
    if (pending === undefined) {
      pending = { since: now, services: new Map() };
      this.#pending.set(second, pending);
    }
    const before = pending.services.get(service);
    pending.services.set(service, before === undefined ? counts : addSeconds(before, counts));
  }

  #keep(service: string, counts: FlatSecond): void {
    const carried = this.#carried.get(service);
    this.#carried.delete(service);
    const closed = this.#closed.get(service) ?? [];
    closed.push(carried === undefined ? counts : addSeconds(counts, carried));
    forgetRoutes(closed, closed.length - 1 - keptWithRoutes);
    // Trimmed in lumps: cutting one off each second would copy the array each second.
    this.#closed.set(service, closed.length > keptSeconds + 64 ? closed.slice(-keptSeconds) : closed);
  }
}

/**
 * What several workers say of the second that is not over. Those that are a second ahead or behind (they asked their
 * clocks at slightly different times) are left out: their counts come with the closed seconds.
 */
export function addCurrent(parts: readonly CurrentSecond[]): CurrentSecond | null {
  const second = Math.max(...parts.map(({ soFar }) => soFar.second));
  const same = parts.filter(({ soFar }) => soFar.second === second);
  const [first] = same;
  if (first === undefined) return null;
  const soFar = same.map(({ soFar }) => flatSecond(soFar)).reduce(addSeconds);
  return {
    soFar: expandSecond(first.soFar.service, soFar),
    passedMs: Math.min(...same.map(({ passedMs }) => passedMs)),
  };
}

function addSeconds(a: FlatSecond, b: FlatSecond): FlatSecond {
  const detail = mergeRouteDetail([detailOf(a), detailOf(b)]);
  const mirror =
    a.mirror === undefined || b.mirror === undefined ? (a.mirror ?? b.mirror) : addMirrors(a.mirror, b.mirror);
  return {
    second: a.second,
    stable: addArms(a.stable, b.stable, detail.stable),
    candidate: addArms(a.candidate, b.candidate, detail.candidate),
    ...(mirror === undefined ? {} : { mirror }),
  };
}

const detailOf = ({
  stable,
  candidate,
}: FlatSecond): { readonly stable: RouteDetail; readonly candidate: RouteDetail } => ({
  stable: stable?.detail ?? {},
  candidate: candidate?.detail ?? {},
});

function forgetRoutes(closed: FlatSecond[], at: number): void {
  const one = closed[at];
  if (one?.stable?.detail === undefined && one?.candidate?.detail === undefined) return;
  closed[at] = { ...one, stable: withoutDetail(one.stable), candidate: withoutDetail(one.candidate) };
}

function withoutDetail(arm: FlatArm | null): FlatArm | null {
  if (arm === null) return null;
  const { detail: _, ...rest } = arm;
  return rest;
}

/** @param detail of both */
function addArms(a: FlatArm | null, b: FlatArm | null, detail: RouteDetail): FlatArm | null {
  const one = a ?? b;
  if (one === null) return null;
  const withDetail = detail.routes === undefined && detail.failures === undefined ? {} : { detail };
  if (a === null || b === null) return { ...one, ...withDetail };
  return {
    counts: [
      a.counts[0] + b.counts[0],
      a.counts[1] + b.counts[1],
      a.counts[2] + b.counts[2],
      a.counts[3] + b.counts[3],
    ],
    latency: addBuckets(a.latency, b.latency),
    waiting: addBuckets(a.waiting, b.waiting),
    ...withDetail,
  };
}

/** Two ascending lists as one. */
function addBuckets(a: readonly number[], b: readonly number[]): readonly number[] {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const sum: number[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const left = a[i] ?? Infinity;
    const right = b[j] ?? Infinity;
    let count = 0;
    if (left <= right) {
      count += a[i + 1] ?? 0;
      i += 2;
    }
    if (right <= left) {
      count += b[j + 1] ?? 0;
      j += 2;
    }
    sum.push(Math.min(left, right), count);
  }
  return sum;
}

const flatSecond = ({ second, arms, mirror }: TrafficSecond): FlatSecond => ({
  second,
  stable: flatArm(arms.stable),
  candidate: flatArm(arms.candidate),
  ...(mirror === undefined ? {} : { mirror }),
});

function flatArm({
  requests,
  serverErrors,
  gatewayErrors,
  clientErrors,
  latency,
  waiting = [],
  routes = [],
  failures = [],
}: ArmSecond): FlatArm | null {
  if (requests === 0 && waiting.length === 0) return null;
  return {
    counts: [requests, serverErrors, gatewayErrors, clientErrors],
    latency: latency.flat(),
    waiting: waiting.flat(),
    ...(routes.length === 0 ? {} : { detail: routeDetail(routes, failures) }),
  };
}

function withoutWaiting(arm: FlatArm | null): FlatArm | null {
  return arm === null || arm.counts[0] === 0 ? null : { ...arm, waiting: [] };
}

const nothing: ArmSecond = { requests: 0, serverErrors: 0, gatewayErrors: 0, clientErrors: 0, latency: [] };

const expandSecond = (service: string, { second, stable, candidate, mirror }: FlatSecond): TrafficSecond => ({
  service,
  second,
  arms: { stable: expandArm(stable), candidate: expandArm(candidate) },
  ...(mirror === undefined ? {} : { mirror }),
});

function expandArm(arm: FlatArm | null): ArmSecond {
  if (arm === null) return nothing;
  const [requests, serverErrors, gatewayErrors, clientErrors] = arm.counts;
  return {
    requests,
    serverErrors,
    gatewayErrors,
    clientErrors,
    latency: pairs(arm.latency),
    ...(arm.waiting.length === 0 ? {} : { waiting: pairs(arm.waiting) }),
    ...arm.detail,
  };
}

function pairs(flat: readonly number[]): LatencyCounts {
  const found: (readonly [number, number])[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) found.push([flat[i] ?? 0, flat[i + 1] ?? 0]);
  return found;
}
