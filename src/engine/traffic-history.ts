import { addMinutes, minuteOf, type TrafficMinute } from '../core/analysis/traffic-minute.ts';
import type { TrafficSecond } from '../core/traffic.ts';
import type { Router } from '../drivers/router/router.ts';
import type { ServiceMinute } from '../store/evidence-store.ts';
import type { Clock } from './clock.ts';
import type { EvidenceBook } from './evidence-book.ts';

const MINUTE_MS = 60_000;
const MINUTE_SECONDS = 60;
/** So long after a minute its seconds are asked for: a router has closed them by then. */
const AFTER_MINUTE_MS = 8_000;
/** A minute whose last second has not come by then has lost it: the service was not observed. */
const LOST_AFTER_SECONDS = 30;
/** Routers keep 15 minutes at least. */
const ROUTER_MINUTES = 16;
/** Of stable, that a judge is told at most. */
const PAST_MINUTES = 60;
const DAY_MINUTES = 24 * 60;

/** What is kept: a week of minutes and a day more, and records of so many deployments of each environment. */
export const RETENTION = { minutes: 8 * DAY_MINUTES, deployments: 200 } as const;

export interface HistoryParts {
  readonly clock: Clock;
  readonly evidence: EvidenceBook;
  /** Services that are live in environments that are open. */
  live(): Iterable<{ readonly environment: string; readonly service: string }>;
  router(environment: string): Router;
}

/**
 * Asks every live service for its seconds once a minute, and keeps them as minutes: what stable has been like, and how much traffic there
 * is. A minute that nobody asked for is still at the router for a quarter of an hour.
 */
export class TrafficHistory {
  readonly #parts: HistoryParts;
  readonly #abort = new AbortController();
  /** Last minute that is kept of each service. */
  readonly #keptTo = new Map<string, number>();
  #cancel: () => void = () => {};

  constructor(parts: HistoryParts) {
    this.#parts = parts;
  }

  start(): void {
    const { clock } = this.#parts;
    const sinceMinute = (clock.now() - AFTER_MINUTE_MS) % MINUTE_MS;
    this.#cancel = clock.after(MINUTE_MS - sinceMinute, () => void this.#round());
  }

  close(): void {
    this.#abort.abort(new Error('the control plane is closing'));
    this.#cancel();
  }

  /** Second from which on a router has to be asked for the past of a service, given what is kept before `first`. */
  unknownFrom(environment: string, service: string, first: number): number {
    const last = this.#before(environment, service, first).at(-1);
    return last === undefined ? first - PAST_MINUTES * MINUTE_SECONDS : (last.minute + 1) * MINUTE_SECONDS;
  }

  /**
   * Stable's minutes before a second, oldest first: what is kept, then what the router has said since.
   *
   * @param first UTC second; the minute that it belongs to may be there in part
   * @param seconds of the router, from `unknownFrom` on
   */
  past(
    environment: string,
    service: string,
    first: number,
    seconds: readonly TrafficSecond[],
  ): readonly TrafficMinute[] {
    const kept = this.#before(environment, service, first);
    const last = kept.at(-1)?.minute ?? Number.NEGATIVE_INFINITY;
    const since = seconds.filter(({ second }) => second < first && minuteOfSecond(second) > last);
    return [
      ...kept.map((minute) => minute.stable ?? minute),
      ...[...byMinute(since)].map(([minute, its]) =>
        minuteOf(
          minute,
          its.map(({ arms }) => arms.stable),
        ),
      ),
    ];
  }

  /** Whole minutes before a second. */
  #before(environment: string, service: string, first: number): readonly ServiceMinute[] {
    return this.#parts.evidence
      .minutes(environment, service, minuteOfSecond(first) - PAST_MINUTES)
      .filter(({ minute }) => (minute + 1) * MINUTE_SECONDS <= first);
  }

  async #round(): Promise<void> {
    const { clock, evidence } = this.#parts;
    const environments = new Map<string, string[]>();
    for (const { environment, service } of this.#parts.live())
      environments.set(environment, [...(environments.get(environment) ?? []), service]);
    // One after another: nobody waits for it.
    await Promise.all(
      [...environments].map(async ([environment, services]) => {
        for (const service of services) await this.#fold(environment, service);
      }),
    );
    if (this.#abort.signal.aborted) return;
    evidence.trim(Math.floor(clock.now() / MINUTE_MS) - RETENTION.minutes, RETENTION.deployments);
    this.start();
  }

  async #fold(environment: string, service: string): Promise<void> {
    const { clock, evidence } = this.#parts;
    const key = `${environment}/${service}`;
    const oldest = Math.floor(clock.now() / MINUTE_MS) - ROUTER_MINUTES;
    const keptTo = this.#keptTo.get(key) ?? evidence.minutes(environment, service, oldest).at(-1)?.minute ?? oldest - 1;
    try {
      const after = (keptTo + 1) * MINUTE_SECONDS - 1;
      const seconds = await this.#parts.router(environment).traffic(service, after, this.#abort.signal);
      if (this.#abort.signal.aborted) return;
      const latest = seconds.at(-1)?.second ?? 0;
      for (const [minute, its] of byMinute(seconds)) {
        const last = (minute + 1) * MINUTE_SECONDS - 1;
        const isOver = latest >= last || clock.now() / 1_000 > last + LOST_AFTER_SECONDS;
        if (minute <= keptTo || !isOver) continue;
        if (!evidence.keepMinute(environment, service, serviceMinute(minute, its))) return;
        this.#keptTo.set(key, minute);
      }
    } catch {
      // The router cannot be asked, or is gone; whatever it keeps is asked for in the next round.
    }
  }
}

const minuteOfSecond = (second: number): number => Math.floor(second / MINUTE_SECONDS);

function byMinute(seconds: readonly TrafficSecond[]): ReadonlyMap<number, readonly TrafficSecond[]> {
  const minutes = new Map<number, TrafficSecond[]>();
  for (const second of seconds) {
    const minute = minuteOfSecond(second.second);
    const its = minutes.get(minute);
    if (its === undefined) minutes.set(minute, [second]);
    else its.push(second);
  }
  return minutes;
}

/** Both arms together, and stable alone where there was a candidate. */
export function serviceMinute(minute: number, seconds: readonly TrafficSecond[]): ServiceMinute {
  const stable = minuteOf(
    minute,
    seconds.map(({ arms }) => arms.stable),
  );
  if (seconds.every(({ arms }) => arms.candidate.requests === 0)) return stable;
  const candidate = minuteOf(
    minute,
    seconds.map(({ arms }) => arms.candidate),
  );
  return { ...addMinutes(stable, candidate), stable };
}
