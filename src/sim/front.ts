import type { ArmSecond, MirrorSecond, TrafficSecond } from '../core/traffic.ts';
import { compareStamps, type RouteInForce, type RouteTableEntry, type WriteStamp } from '../core/route-table.ts';
import { bucketOf } from '../core/analysis/histogram.ts';
import { otherSlot, type Arm, type Slot } from '../core/slot.ts';
import { StaleRouterWriteError } from '../errors.ts';
import type { SimulatedInstance } from './instance.ts';
import type { Random } from './random.ts';
import type { Report } from './report.ts';
import type { Timeline } from './timeline.ts';

export interface FrontParts {
  readonly environment: string;
  readonly timeline: Timeline;
  readonly random: Random;
  readonly report: Report;
  readonly instance: (id: string) => SimulatedInstance | null;
  /** A table entry has been put in force. */
  readonly onWrite: (
    stamp: WriteStamp,
    service: string,
    before: RouteInForce | null,
    after: RouteInForce | null,
  ) => void;
}

const NOTHING: ArmSecond = { requests: 0, serverErrors: 0, gatewayErrors: 0, clientErrors: 0, latency: [] };
/** Share of the requests that cannot change anything. */
const SAFE_SHARE = 0.7;
const KEPT_SECONDS = 960;
/** A second is closed when the next but one has begun. */
const WATERMARK_SECONDS = 2;
/** After the drain time, so much longer until it is answered with what is left. */
const DRAIN_MORE_MS = 5_000;

/** Percent of a service's users that each slot has, as the gateway chooses (a slot without endpoints has nobody if the other may). */
export function sharesOf(entry: RouteTableEntry): Readonly<Record<Slot, number>> {
  const candidate = otherSlot(entry.stable);
  const hasStable = entry.endpoints[entry.stable].length > 0;
  const hasCandidate = entry.endpoints[candidate].length > 0;
  let share = hasCandidate ? entry.candidateWeight : 0;
  if (!hasStable && hasCandidate && entry.candidateWeight > 0) share = 100;
  return { [candidate]: share, [entry.stable]: 100 - share } as Record<Slot, number>;
}

/** The data plane of one environment: the table in force, the traffic that follows from it, and what was counted. */
export class Front {
  readonly #parts: FrontParts;
  readonly #table = new Map<string, RouteInForce>();
  readonly #fences = new Map<string, WriteStamp>();
  readonly #seconds = new Map<string, TrafficSecond[]>();

  constructor(parts: FrontParts) {
    this.#parts = parts;
  }

  inForce(service: string): RouteInForce | null {
    return this.#table.get(service) ?? null;
  }

  routes(): readonly RouteInForce[] {
    return [...this.#table.values()];
  }

  write(stamp: WriteStamp, entry: RouteTableEntry): RouteInForce {
    const before = this.inForce(entry.service);
    if (this.#isDone(stamp, entry.service) && before !== null) return before;
    const after = { stamp, entry };
    this.#table.set(entry.service, after);
    this.#written(stamp, entry.service, before, after);
    return after;
  }

  remove(stamp: WriteStamp, service: string): void {
    const before = this.inForce(service);
    if (this.#isDone(stamp, service)) return;
    this.#table.delete(service);
    this.#written(stamp, service, before, null);
  }

  /** Resolves when the instances have nothing in flight, or when the time for it is over. */
  async drain(
    service: string,
    ids: readonly string[],
    drainMs: number,
  ): Promise<{ inFlight: number; streams: number }> {
    const { timeline, report } = this.#parts;
    const instances = ids.flatMap((id) => this.#parts.instance(id) ?? []);
    report.trace('front', () => `drain ${service}: ${ids.join(' ')}`);
    for (const instance of instances) instance.drainAskedAt = timeline.now;
    const idleAt = Math.max(timeline.now, ...instances.map((instance) => instance.busyUntil));
    const waitMs = Math.min(drainMs + DRAIN_MORE_MS, idleAt - timeline.now);
    await new Promise<void>((resolve) => void timeline.after(waitMs, resolve));
    return { inFlight: 0, streams: 0 };
  }

  traffic(service: string, afterSecond: number): readonly TrafficSecond[] {
    return (this.#seconds.get(service) ?? []).filter(({ second }) => second > afterSecond);
  }

  /**
   * One second of users passes.
   *
   * @param label UTC second; it can be read when it is closed
   * @param counted false while the counts of this second get lost
   */
  second(label: number, service: string, requests: number, extraErrors: number, counted: boolean): void {
    const { timeline, report } = this.#parts;
    const inForce = this.inForce(service);
    const arms: Record<Arm, ArmSecond> = { stable: NOTHING, candidate: NOTHING };
    if (inForce !== null && inForce.entry.public !== null && requests > 0) {
      const { entry } = inForce;
      const shares = sharesOf(entry);
      const candidate = otherSlot(entry.stable);
      const toCandidate = this.#parts.random.successes(requests, shares[candidate] / 100);
      arms.candidate = this.#answers(entry, candidate, toCandidate, extraErrors);
      arms.stable = this.#answers(entry, entry.stable, requests - toCandidate, extraErrors);
      report.counts.requests += requests;
      report.counts.lostToDeaths += arms.stable.gatewayErrors + arms.candidate.gatewayErrors;
      report.counts.failedByRelease += arms.stable.serverErrors + arms.candidate.serverErrors;
    }
    const mirror = this.#copies(inForce?.entry ?? null, arms.stable, extraErrors);
    report.counts.copies += mirror?.pairs ?? 0;
    if (!counted) return;
    timeline.after(WATERMARK_SECONDS * 1_000, () => {
      const seconds = this.#seconds.get(service) ?? [];
      this.#seconds.set(service, seconds);
      if ((seconds.at(-1)?.second ?? -1) < label)
        seconds.push({ service, second: label, arms, ...(mirror === null ? {} : { mirror }) });
      if (seconds.length > 2 * KEPT_SECONDS) seconds.splice(0, KEPT_SECONDS);
    });
  }

  /** Copies of what stable has answered; a candidate that is not there keeps up with none of them. */
  #copies(entry: RouteTableEntry | null, stable: ArmSecond, extraErrors: number): MirrorSecond | null {
    if (entry?.mirror === undefined) return null;
    const asked = this.#parts.random.successes(stable.requests, (SAFE_SHARE * entry.mirror.share) / 100);
    const copied = this.#answers(entry, otherSlot(entry.stable), asked, extraErrors);
    const pairs = copied.requests - copied.gatewayErrors;
    const stableErrors = this.#parts.random.successes(pairs, extraErrors);
    const [bucket] = stable.latency[0] ?? [0];
    return {
      pairs,
      skipped: asked - pairs,
      stableErrors,
      candidateErrors: Math.min(pairs, copied.serverErrors),
      statusDiffers: Math.min(pairs, Math.abs(copied.serverErrors - stableErrors)),
      sizeDiffers: 0,
      shapeDiffers: 0,
      latency: { stable: pairs === 0 ? [] : [[bucket, pairs]], candidate: pairs === 0 ? [] : copied.latency },
      routes: [],
    };
  }

  #answers(entry: RouteTableEntry, slot: Slot, requests: number, extraErrors: number): ArmSecond {
    if (requests === 0) return NOTHING;
    const able = entry.endpoints[slot].flatMap(({ id }) => {
      const instance = this.#parts.instance(id);
      return instance?.life === 'ready' ? [instance] : [];
    });
    // The gateway passes over an instance that does not accept; without any it has to answer itself.
    const [first] = able;
    if (first === undefined)
      return { ...NOTHING, requests, gatewayErrors: requests, latency: [[bucketOf(1), requests]] };
    const { errors, latencyMs } = first.behaviour;
    return {
      ...NOTHING,
      requests,
      serverErrors: this.#parts.random.successes(requests, Math.min(1, errors + extraErrors)),
      latency: [[bucketOf(latencyMs), requests]],
    };
  }

  /** The same stamp again is the same write; an older one is refused with what is in force. */
  #isDone(stamp: WriteStamp, service: string): boolean {
    const fence = this.#fences.get(service);
    const order = fence === undefined ? 1 : compareStamps(stamp, fence);
    if (fence !== undefined && order < 0) throw new StaleRouterWriteError(service, fence);
    this.#fences.set(service, stamp);
    return order === 0;
  }

  #written(stamp: WriteStamp, service: string, before: RouteInForce | null, after: RouteInForce | null): void {
    const { report, onWrite } = this.#parts;
    report.trace(
      'front',
      () => `${service} ${stamp.epoch}.${stamp.version}: ${after === null ? 'no route' : inWords(after.entry)}`,
    );
    this.#leave(before?.entry ?? null, after?.entry ?? null);
    onWrite(stamp, service, before, after);
  }

  /** Instances that users leave still have requests to answer. */
  #leave(before: RouteTableEntry | null, after: RouteTableEntry | null): void {
    const { timeline, random, instance } = this.#parts;
    const now = usersOf(after);
    for (const id of now) {
      const found = instance(id);
      if (found !== null) found.leftTrafficAt = null;
    }
    for (const id of usersOf(before)) {
      const found = instance(id);
      if (found === null || now.has(id)) continue;
      found.leftTrafficAt = timeline.now;
      if (found.life === 'ready') found.busyUntil = timeline.now + random.int(0, found.behaviour.longestRequestMs);
    }
  }
}

/** Instances that get users by the weights. */
function usersOf(entry: RouteTableEntry | null): ReadonlySet<string> {
  if (entry === null) return new Set();
  const shares = sharesOf(entry);
  const slots = (['blue', 'green'] as const).filter((slot) => shares[slot] > 0);
  return new Set(slots.flatMap((slot) => entry.endpoints[slot].map(({ id }) => id)));
}

function inWords(entry: RouteTableEntry): string {
  const slot = (name: Slot): string => {
    const endpoints = entry.endpoints[name].map(({ id }) => id.split('-').at(-1)).join(',');
    return `${name} ${entry.releases[name] ?? 'nothing'} [${endpoints}]`;
  };
  const open = entry.public === null ? 'closed' : entry.public.canaryHeader === null ? 'open' : 'open with header';
  const copies = entry.mirror === undefined ? '' : ` and copies of ${entry.mirror.share} %`;
  return `${entry.stable} stable, candidate ${entry.candidateWeight} %${copies}, ${slot('blue')}, ${slot('green')}, ${open}`;
}
