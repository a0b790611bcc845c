import type { DrainProgress, Endpoint, RouteInForce, RouteTableEntry } from '../core/route-table.ts';
import { otherSlot, type Arm, type Slot } from '../core/slot.ts';
import { Admission } from './admission.ts';
import { TrafficCounters } from './counters.ts';
import { createEdgePolicy, openPolicy, type EdgePolicyParts } from './edge/edge-policy.ts';
import type { EdgePolicy } from './edge-policy.ts';
import { Mirror } from './mirror/mirror.ts';
import { ejectable } from './outlier.ts';
import { RetryBudget } from './retry-budget.ts';
import type { Chosen } from './pick-arm.ts';
import { Upstream, type UpstreamContext } from './upstream.ts';
import { WeightedChoice } from './weighted-choice.ts';

/** A request that may have to wait until there is room for it. */
export interface Waiter {
  /** There is room now. */
  admitted(): void;
  /** It has waited too long. */
  expired(): void;
}

export interface ServiceContext extends UpstreamContext {
  /** Uniform in [0, 1). */
  random(): number;
  /** The gateway stops or has been replaced. */
  readonly closing: boolean;
  /** The second that counting is in. */
  second(): number;
  readonly edge: EdgePolicyParts;
}

/** What lives longer than one entry of the table: connections, counts, whose turn it is. */
export class ServiceState {
  readonly name: string;
  readonly counters: TrafficCounters;
  readonly choice: WeightedChoice;
  readonly budget: RetryBudget;
  readonly admission: Admission<Waiter>;
  /** What happens at the edge; null when nothing does. */
  policy: EdgePolicy | null = null;
  /** Nothing is chosen for a request without an arm of its own: all go to stable. */
  plainForUsers = false;
  /** Two releases are compared: requests are counted by route, too. */
  compared = false;
  /** Null when nothing is mirrored. */
  mirror: Mirror | null = null;
  plainInside = false;
  #plain: Chosen | null = null;
  /** Null once the service has been removed. */
  inForce: RouteInForce | null = null;
  readonly #context: ServiceContext;
  readonly #mirror: Mirror;
  /** By instance and address: an instance that came back on another port is another endpoint. */
  readonly #upstreams = new Map<string, Upstream>();
  #bySlot: Record<Slot, readonly Upstream[]> = { blue: [], green: [] };
  #turn = 0;
  /** WebSockets, tunnels and event streams in flight. */
  streams = 0;
  /** Last second that was taken. */
  takenSecond = Number.NEGATIVE_INFINITY;

  constructor(name: string, context: ServiceContext) {
    const { limits } = context;
    this.name = name;
    this.#context = context;
    this.counters = new TrafficCounters(name);
    this.choice = new WeightedChoice(() => context.random());
    this.budget = new RetryBudget(limits.retryRatio, limits.minRetriesPerSecond);
    this.admission = new Admission(limits);
    this.#mirror = new Mirror(context, this.counters);
  }

  /** Puts an entry in force, or takes the service out of the table. Every pick from now on follows it. */
  apply(inForce: RouteInForce | null, now: number): void {
    this.inForce = inForce;
    const policy = inForce === null ? openPolicy : createEdgePolicy(inForce.entry, this.#context.edge);
    this.policy = policy === openPolicy ? null : policy;
    const entry = inForce?.entry ?? null;
    this.plainInside =
      entry !== null && (entry.candidateWeight <= 0 || entry.endpoints[otherSlot(entry.stable)].length === 0);
    this.plainForUsers = this.plainInside && entry?.public?.sticky !== true && entry?.public?.canaryHeader == null;
    this.#plain = null;
    const wanted = new Set<Upstream>();
    const upstreamOf = (endpoint: Endpoint): Upstream => {
      const key = `${endpoint.id} ${endpoint.host} ${endpoint.port}`;
      let upstream = this.#upstreams.get(key);
      if (upstream === undefined) {
        upstream = new Upstream(endpoint, this.#context);
        this.#upstreams.set(key, upstream);
      }
      wanted.add(upstream);
      return upstream;
    };
    this.#bySlot = {
      blue: (inForce?.entry.endpoints.blue ?? []).map(upstreamOf),
      green: (inForce?.entry.endpoints.green ?? []).map(upstreamOf),
    };
    this.#applyMirror(entry);
    for (const upstream of this.#upstreams.values()) {
      upstream.inTable = wanted.has(upstream);
      if (!upstream.inTable) upstream.sweepIdle(now);
    }
    this.#forgetRetired();
  }

  #applyMirror(entry: RouteTableEntry | null): void {
    const candidates = entry === null ? [] : this.#bySlot[otherSlot(entry.stable)];
    const settings = entry?.mirror && { ...entry.mirror, responseTimeoutMs: entry.proxy.responseTimeoutMs };
    this.mirror = this.#mirror.apply(settings ?? null, candidates) ? this.#mirror : null;
    this.compared =
      candidates.length > 0 && entry !== null && (entry.candidateWeight > 0 || entry.mirror !== undefined);
  }

  /** The choice of a request for which there is nothing to choose. */
  plain(entry: RouteTableEntry): Chosen {
    this.#plain ??= {
      entry,
      choice: { arm: 'stable', slot: entry.stable, travels: null, cookie: { kind: 'keep' } },
      setCookie: null,
    };
    return this.#plain;
  }

  /**
   * The endpoint with the least in flight that has not been tried; of equal ones the next in turn. Endpoints that just
   * refused a connection, or failed again and again, are only taken when there is no other. Null when all were tried.
   */
  pick(slot: Slot, tried: readonly Upstream[] | null, now: number): Upstream | null {
    const upstreams = this.#bySlot[slot];
    const count = upstreams.length;
    this.#turn = (this.#turn + 1) % 0x40000000;
    let best: Upstream | null = null;
    let bestSuspect = true;
    for (let i = 0; i < count; i += 1) {
      const upstream = upstreams[(this.#turn + i) % count];
      if (upstream === undefined || (tried !== null && tried.includes(upstream))) continue;
      const suspect = upstream.suspect(now);
      const better =
        best === null || (suspect === bestSuspect ? upstream.inFlight < best.inFlight : bestSuspect && !suspect);
      if (!better) continue;
      best = upstream;
      bestSuspect = suspect;
    }
    return best;
  }

  /** An endpoint failed a request. Those that fail again and again get none for a while, but never most of a slot. */
  endpointFailed(upstream: Upstream, slot: Slot, now: number): void {
    upstream.watch.failure(now, () => {
      const all = this.#bySlot[slot];
      return ejectable(all.filter((one) => one.watch.ejected(now)).length, all.length);
    });
  }

  /** A request that was let in is through: the next one comes in. */
  leave(now: number): void {
    if (this.admission.queued > 0) this.#expire(now);
    this.admission.leave(now)?.admitted();
  }

  /** Whether any of these instances is in the table. */
  inTable(instances: ReadonlySet<string>): boolean {
    return [...this.#bySlot.blue, ...this.#bySlot.green].some(({ endpoint }) => instances.has(endpoint.id));
  }

  upstreamsOf(instances: ReadonlySet<string>): readonly Upstream[] {
    return [...this.#upstreams.values()].filter(({ endpoint }) => instances.has(endpoint.id));
  }

  get upstreams(): Iterable<Upstream> {
    return this.#upstreams.values();
  }

  /** Enforces deadlines. */
  sweep(now: number): void {
    if (this.admission.queued > 0) this.#expire(now);
    this.mirror?.sweep(now);
    for (const upstream of this.#upstreams.values()) {
      upstream.sweepIdle(now);
      upstream.sweepFlights(now);
    }
    this.#forgetRetired();
  }

  /** What waits for an answer now: by arm, how long each has waited in milliseconds. */
  waiting(now: number): Readonly<Record<Arm, readonly number[]>> {
    const waits: Record<Arm, number[]> = { stable: [], candidate: [] };
    for (const upstream of this.#upstreams.values()) {
      for (const { waiting } of upstream.flights()) if (waiting !== null) waits[waiting.arm].push(now - waiting.since);
    }
    return waits;
  }

  #expire(now: number): void {
    for (const late of this.admission.expire(now)) late.expired();
  }

  #forgetRetired(): void {
    for (const [key, upstream] of this.#upstreams) {
      if (!upstream.inTable && upstream.inFlight === 0) this.#upstreams.delete(key);
    }
  }
}

/** What is in flight to some instances. */
export function progressOf(upstreams: Iterable<Upstream>): DrainProgress {
  let inFlight = 0;
  let streams = 0;
  for (const upstream of upstreams) {
    for (const flight of upstream.flights()) {
      if (flight.isStream) streams += 1;
      else inFlight += 1;
    }
  }
  return { inFlight, streams };
}
