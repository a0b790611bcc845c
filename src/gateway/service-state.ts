import type { DrainProgress, RouteInForce } from '../core/route-table.ts';
import type { Arm, Slot } from '../core/slot.ts';
import { TrafficCounters } from './counters.ts';
import type { GatewayLimits } from './limits.ts';
import { Upstream } from './upstream.ts';
import { WeightedChoice } from './weighted-choice.ts';

/** What lives longer than one entry of the table: connections, counts, whose turn it is. */
export class ServiceState {
  readonly name: string;
  readonly counters: TrafficCounters;
  readonly choice: WeightedChoice;
  /** Null once the service has been removed. */
  #inForce: RouteInForce | null = null;
  readonly #limits: GatewayLimits;
  /** By instance and address: an instance that came back on another port is another endpoint. */
  readonly #upstreams = new Map<string, Upstream>();
  #bySlot: Record<Slot, readonly Upstream[]> = { blue: [], green: [] };
  #turn = 0;
  /** Plain requests in flight. */
  requests = 0;
  /** WebSockets, tunnels and event streams in flight. */
  streams = 0;

  constructor(name: string, limits: GatewayLimits, random: () => number) {
    this.name = name;
    this.#limits = limits;
    this.counters = new TrafficCounters(name);
    this.choice = new WeightedChoice(random);
  }

  get inForce(): RouteInForce | null {
    return this.#inForce;
  }

  /** Puts an entry in force, or takes the service out of the table. Every pick from now on follows it. */
  apply(inForce: RouteInForce | null, now: number): void {
    this.#inForce = inForce;
    const wanted = new Set<Upstream>();
    const slotOf = (slot: Slot): readonly Upstream[] =>
      (inForce?.entry.endpoints[slot] ?? []).map((endpoint) => {
        const key = `${endpoint.id} ${endpoint.host} ${endpoint.port}`;
        let upstream = this.#upstreams.get(key);
        if (upstream === undefined) {
          upstream = new Upstream(endpoint, this.#limits);
          this.#upstreams.set(key, upstream);
        }
        wanted.add(upstream);
        return upstream;
      });
    this.#bySlot = { blue: slotOf('blue'), green: slotOf('green') };
    for (const upstream of this.#upstreams.values()) {
      upstream.inTable = wanted.has(upstream);
      if (!upstream.inTable) upstream.sweepIdle(now);
    }
    this.#forgetRetired();
  }

  /**
   * The endpoint with the least in flight that has not been tried; of equal ones the next in turn. Endpoints that just
   * refused a connection are only taken when there is no other. Null when all were tried.
   */
  pick(slot: Slot, tried: ReadonlySet<Upstream>, now: number): Upstream | null {
    const upstreams = this.#bySlot[slot];
    const count = upstreams.length;
    this.#turn = (this.#turn + 1) % 0x40000000;
    let best: Upstream | null = null;
    let bestSuspect = true;
    for (let i = 0; i < count; i += 1) {
      const upstream = upstreams[(this.#turn + i) % count];
      if (upstream === undefined || tried.has(upstream)) continue;
      const suspect = upstream.suspectUntil > now;
      const better =
        best === null ||
        (suspect === bestSuspect ? upstream.flights.size < best.flights.size : bestSuspect && !suspect);
      if (!better) continue;
      best = upstream;
      bestSuspect = suspect;
    }
    return best;
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
    for (const upstream of this.#upstreams.values()) {
      upstream.sweepIdle(now);
      for (const flight of upstream.flights) flight.sweep(now);
    }
    this.#forgetRetired();
  }

  /** What waits for an answer now: by arm, how long each has waited in milliseconds. */
  waiting(now: number): Readonly<Record<Arm, readonly number[]>> {
    const waits: Record<Arm, number[]> = { stable: [], candidate: [] };
    for (const upstream of this.#upstreams.values()) {
      for (const { waiting } of upstream.flights) if (waiting !== null) waits[waiting.arm].push(now - waiting.since);
    }
    return waits;
  }

  #forgetRetired(): void {
    for (const [key, upstream] of this.#upstreams) {
      if (!upstream.inTable && upstream.flights.size === 0) this.#upstreams.delete(key);
    }
  }
}

/** What is in flight to some instances. */
export function progressOf(upstreams: Iterable<Upstream>): DrainProgress {
  let inFlight = 0;
  let streams = 0;
  for (const upstream of upstreams) {
    for (const flight of upstream.flights) {
      if (flight.isStream) streams += 1;
      else inFlight += 1;
    }
  }
  return { inFlight, streams };
}
