import type { Arm } from '../../../core/slot.ts';
import type { MetricSource } from '../../../core/spec/platform.ts';
import {
  askBothArms,
  countAnswer,
  inTrouble,
  isCount,
  noZeroYet,
  valueAnswer,
  type ArmAnswer,
} from '../arm-answers.ts';
import { remember, riseOf, sumOf, type Standing } from '../counters.ts';
import type { MetricAnswer, MetricScope, MetricSourceDriver } from '../metric.ts';
import { fillUrl, valuesOf, type ScopeValues } from '../placeholders.ts';
import { fillQuery, UnsafePlaceError } from './promql.ts';
import { instantQuery, type Found } from './query.ts';

type PrometheusSource = Extract<MetricSource, { kind: 'prometheus' }>;

/** Both queries together have the time until the next question, within these, in milliseconds. */
const SHORTEST_MS = 1_000;
const LONGEST_MS = 10_000;

/** What an arm's counters stood at. */
interface Before {
  readonly events: Standing;
  /** Null: the arm's requests are the total. */
  readonly total: Standing | null;
}

/** Instant queries of a Prometheus, for each arm. The series that a query finds are added up here, so that resets are seen. */
export function createPrometheusSource(metric: string, source: PrometheusSource, isLimit: boolean): MetricSourceDriver {
  const queries = new Queries(source, isLimit);
  return {
    everyMs: source.everyMs,
    ask: (scope, signal) => queries.ask(metric, scope, signal),
  };
}

/** What both queries found. */
interface Read {
  /** For events, filled in. */
  readonly query: string;
  readonly events: Found;
  readonly total: Found | null;
}

class Queries {
  readonly #source: PrometheusSource;
  readonly #isLimit: boolean;
  readonly #timeoutMs: number;
  readonly #before: Record<Arm, Before | null> = { stable: null, candidate: null };
  /** Whether the query for events has found anything in any arm. */
  #found = false;

  constructor(source: PrometheusSource, isLimit: boolean) {
    this.#source = source;
    this.#isLimit = isLimit;
    this.#timeoutMs = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, source.everyMs));
  }

  async ask(metric: string, scope: MetricScope, signal: AbortSignal): Promise<MetricAnswer> {
    const [stable, candidate] = await Promise.all([
      this.#read(valuesOf(scope, 'stable'), signal),
      this.#read(valuesOf(scope, 'candidate'), signal),
    ]);
    // Only when both are read is it known whether a counter is missing, or has nothing to count yet.
    const reads = { stable, candidate };
    for (const read of [stable, candidate]) if (typeof read !== 'string') this.#found ||= read.events.series.size > 0;
    return askBothArms(metric, (arm) => Promise.resolve(this.#answer(arm, reads[arm])));
  }

  /** Both queries, or why they say nothing. */
  async #read(values: ScopeValues, signal: AbortSignal): Promise<Read | string> {
    const deadline = performance.now() + this.#timeoutMs;
    try {
      const url = fillUrl(this.#source.url, values);
      if (url === null) return `${this.#source.url} is no address of a Prometheus`;
      // The total first: it is there before there are events, and says for which moment they are asked.
      const wantsTotal = this.#source.total !== null && !this.#isLimit;
      const totalQuery = wantsTotal ? fillQuery(this.#source.total ?? '', values) : null;
      const total = totalQuery === null ? null : await instantQuery(url, totalQuery, null, this.#timeoutMs, signal);
      if (total?.ok === false) return total.why;
      if (total?.ok === true && total.found.series.size === 0) return nothingFound(totalQuery ?? '');
      const query = fillQuery(this.#source.events, values);
      const left = Math.max(1, Math.ceil(deadline - performance.now()));
      const events = await instantQuery(url, query, total?.found.at ?? null, left, signal);
      return events.ok ? { query, events: events.found, total: total?.found ?? null } : events.why;
    } catch (error) {
      if (error instanceof UnsafePlaceError) return error.message;
      throw error;
    }
  }

  #answer(arm: Arm, read: Read | string): ArmAnswer {
    const before = this.#before[arm];
    this.#before[arm] = null;
    if (typeof read === 'string') return inTrouble(read);
    const { query, events, total } = read;
    // A counter with labels is mostly not there before its first event; where nobody has ever seen it, it may be another name.
    if (events.series.size === 0 && (total === null || !this.#found)) return inTrouble(nothingFound(query));
    if (this.#isLimit) return valueAnswer(sumOf(events.series));
    const wrong = [...events.series.values(), ...(total?.series.values() ?? [])].find((value) => !isCount(value));
    if (wrong !== undefined) return inTrouble(`${query} finds no counters: one stands at ${wrong}`);
    return this.#rise(arm, before, read);
  }

  #rise(arm: Arm, before: Before | null, { events, total }: Read): ArmAnswer {
    this.#before[arm] = {
      events: remember(before?.events ?? new Map(), events.series),
      total: total === null ? null : remember(before?.total ?? new Map(), total.series),
    };
    if (before === null) return noZeroYet;
    const ofEvents = riseOfFound(before.events, events);
    const ofTotal = total === null ? null : riseOfFound(before.total ?? new Map(), total);
    const wrong = ofEvents.fallen ?? ofTotal?.fallen ?? null;
    if (wrong !== null)
      return inTrouble(
        `a sum fell from ${wrong.before} to ${wrong.now}, and what it is made of cannot be seen: ask for the counters themselves, ` +
          'without sum(); they are added up here',
      );
    // The arm's requests are those of all its instances, so that events of some would be too few for them.
    if (ofTotal === null && ofEvents.isIncomplete) return noZeroYet;
    return countAnswer(ofEvents.rise, ofTotal?.rise ?? null);
  }
}

interface Rise {
  readonly rise: number;
  /** A series was found for the first time: nobody knows since when it has been counting, so that this is its zero. */
  readonly isIncomplete: boolean;
  /** A series that is of no single instance fell: one of them has begun again, and nobody knows at what. */
  readonly fallen: { readonly before: number; readonly now: number } | null;
}

function riseOfFound(before: Standing, { series, ofInstances }: Found): Rise {
  let rise = 0;
  let isIncomplete = false;
  let fallen: Rise['fallen'] = null;
  for (const [key, now] of series) {
    const past = before.get(key);
    if (past === undefined) isIncomplete = true;
    else if (now < past && !ofInstances.has(key)) fallen = { before: past, now };
    else rise += riseOf(past, now);
  }
  return { rise, isIncomplete, fallen };
}

const nothingFound = (query: string): string =>
  `${query} finds nothing: are its names right, and has this arm been scraped yet? \`or vector(0)\` makes nothing a zero`;
