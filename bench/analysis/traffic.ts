import { minuteOf, type TrafficMinute } from '../../src/core/analysis/traffic-minute.ts';
import type { ArmSecond, TrafficSecond } from '../../src/core/traffic.ts';
import type { Random } from '../../src/sim/random.ts';
import type { Cell } from './cells.ts';
import { geometric, LatencyTable, poisson, type Latency } from './samplers.ts';

/** UTC second of the first exposure: the first of a minute, an hour after the beginning of time. */
export const EXPOSED_AT = 36_000;
const PAST_MINUTES = 60;
/** So far back a judge looks at latencies. */
const LATENCY_MINUTES = 5;

const tables = new Map<string, LatencyTable>();

function latencyTable(mixture: readonly Latency[]): LatencyTable {
  const key = JSON.stringify(mixture);
  const known = tables.get(key);
  if (known !== undefined) return known;
  const table = new LatencyTable(mixture);
  tables.set(key, table);
  return table;
}

/**
 * The traffic of one rollout, second by second. Requests arrive as a Poisson process, are shared by chance and fail by chance, so
 * those that fail and those that do not are Poisson numbers of their own, independent of one another, in each arm. Where requests
 * come together, groups do all that, with a geometric number of requests each: a page that asks five times is answered by
 * one release and fails as a whole.
 */
export class Rollout {
  readonly #cell: Cell;
  readonly #random: Random;
  /** When the fault begins, in seconds since the exposure. */
  readonly faultAt: number;

  constructor(cell: Cell, random: Random) {
    this.#cell = cell;
    this.#random = random;
    this.faultAt = cell.faultAt === 0 ? 0 : cell.faultAt + random.int(0, 59);
  }

  /** Stable's hour before the exposure, with all the traffic. */
  past(): readonly TrafficMinute[] {
    const { rate, stable, latency } = this.#cell;
    const first = EXPOSED_AT / 60 - PAST_MINUTES;
    return Array.from({ length: PAST_MINUTES }, (_, index) => {
      const begin = (index - PAST_MINUTES) * 60;
      const seconds: ArmSecond[] = [];
      let requests = 0;
      for (let at = begin; at < begin + 60; at += 1) {
        const second = this.#arm(rate(at), stable(at), null);
        requests += second.requests;
        seconds.push(second);
      }
      // Latencies are only wanted by the minute, so they are drawn by the minute.
      const isWanted = latency !== null && index >= PAST_MINUTES - LATENCY_MINUTES;
      if (isWanted)
        seconds.push({ ...nothing, latency: latencyTable(latency.stable(begin)).draw(requests, this.#random) });
      return minuteOf(first + index, seconds);
    });
  }

  /** @param at seconds since the exposure */
  second(at: number): TrafficSecond {
    const { rate, weight, stable, candidate, latency } = this.#cell;
    const since = at - this.faultAt;
    const all = rate(at);
    const share = weight(at);
    return {
      service: 'simulated',
      second: EXPOSED_AT + at,
      arms: {
        candidate: this.#arm(all * share, candidate(at, since), latency === null ? null : latency.candidate(at, since)),
        stable: this.#arm(all * (1 - share), stable(at), latency === null ? null : latency.stable(at)),
      },
    };
  }

  #arm(rate: number, failing: number, latency: readonly Latency[] | null): ArmSecond {
    const { together } = this.#cell;
    const serverErrors = this.#some((rate * failing) / together);
    const requests = serverErrors + this.#some((rate * (1 - failing)) / together);
    return {
      requests,
      serverErrors,
      gatewayErrors: 0,
      clientErrors: 0,
      latency: latency === null || requests === 0 ? [] : latencyTable(latency).draw(requests, this.#random),
    };
  }

  /** Requests of a Poisson number of groups. */
  #some(groups: number): number {
    const { together } = this.#cell;
    const count = poisson(groups, this.#random);
    if (together === 1) return count;
    let requests = 0;
    for (let each = 0; each < count; each += 1) requests += geometric(together, this.#random);
    return requests;
  }
}

const nothing: ArmSecond = { requests: 0, serverErrors: 0, gatewayErrors: 0, clientErrors: 0, latency: [] };
