import { parseMetricSelector, type MetricSelector } from '../../../core/metric-selector.ts';
import type { Arm } from '../../../core/slot.ts';
import type { MetricSource } from '../../../core/spec/platform.ts';
import { formatListenAddress } from '../../../core/units/address.ts';
import {
  askBothArms,
  countAnswer,
  inTrouble,
  isCount,
  noZeroYet,
  valueAnswer,
  type ArmAnswer,
} from '../arm-answers.ts';
import { askOverHttp, refusedInWords } from '../bounded-http.ts';
import { remember, riseOf, sumOf, type Standing } from '../counters.ts';
import type { MetricArm, MetricScope, MetricSourceDriver } from '../metric.ts';
import { fillScope, valuesOf, type ScopeValues } from '../placeholders.ts';
import { parseExposition, type ExportedSample } from './text-format.ts';

type ExportedSource = Extract<MetricSource, { kind: 'exported' }>;
type Endpoint = MetricArm['endpoints'][number];

/** Prometheus' own limit for a scrape, in milliseconds. */
const LONGEST_MS = 10_000;
const SHORTEST_MS = 1_000;
/** Instances that are asked at a time. */
const AT_A_TIME = 16;

interface Reading {
  readonly events: Standing;
  /** Null: the arm's requests are the total. */
  readonly total: Standing | null;
}

type Read =
  | { readonly endpoint: Endpoint; readonly reading: Reading }
  | { readonly endpoint: Endpoint; readonly trouble: string };

/** Counters that the instances themselves export as Prometheus text, added up over the ready instances of an arm. */
export function createExportedSource(metric: string, source: ExportedSource, isLimit: boolean): MetricSourceDriver {
  const events = parseMetricSelector(source.events);
  const total = source.total === null || isLimit ? null : parseMetricSelector(source.total);
  if (!events.ok || total?.ok === false) {
    const wrong = events.ok ? source.total : source.events;
    const trouble = inTrouble(`${wrong} selects nothing: it must be the name of a metric, with labels or without`);
    return { everyMs: source.everyMs, ask: () => askBothArms(metric, () => Promise.resolve(trouble)) };
  }
  const exported = new Exported(source, events.value, total?.value ?? null, isLimit);
  return {
    everyMs: source.everyMs,
    ask: (scope, signal) => exported.ask(metric, scope, signal),
  };
}

class Exported {
  readonly #source: ExportedSource;
  readonly #events: MetricSelector;
  readonly #total: MetricSelector | null;
  readonly #isLimit: boolean;
  /** What each instance stood at when it was read, by its id. */
  readonly #before: Record<Arm, ReadonlyMap<string, Reading>> = { stable: new Map(), candidate: new Map() };
  /** Selectors that have found something in any instance. */
  readonly #found = new Set<MetricSelector>();

  constructor(source: ExportedSource, events: MetricSelector, total: MetricSelector | null, isLimit: boolean) {
    this.#source = source;
    this.#events = events;
    this.#total = total;
    this.#isLimit = isLimit;
  }

  async ask(metric: string, scope: MetricScope, signal: AbortSignal) {
    const [stable, candidate] = await Promise.all([
      this.#readArm(scope, 'stable', signal),
      this.#readArm(scope, 'candidate', signal),
    ]);
    // Only when both are read is it known whether a counter is missing, or has nothing to count yet.
    const reads = { stable, candidate };
    return askBothArms(metric, (arm) => Promise.resolve(this.#answer(arm, reads[arm])));
  }

  async #readArm(scope: MetricScope, arm: Arm, signal: AbortSignal): Promise<readonly Read[]> {
    const values = valuesOf(scope, arm);
    const { endpoints, metrics = endpoints } = scope.arms[arm];
    const waiting = [...metrics];
    const reads: Read[] = [];
    const readOn = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
        reads.push(await this.#readInstance(next, values, signal));
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, readOn));
    return reads;
  }

  async #readInstance(endpoint: Endpoint, values: ScopeValues, signal: AbortSignal): Promise<Read> {
    const path = fillScope(this.#source.path, values, encodeURIComponent);
    const address = `http://${formatListenAddress(endpoint)}${path.startsWith('/') ? '' : '/'}${path}`;
    const trouble = (why: string): Read => ({ endpoint, trouble: `${address} of ${endpoint.id}: ${why}` });
    if (!URL.canParse(address)) return trouble('is no address');
    const timeoutMs = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, this.#source.everyMs));
    const headers = { accept: 'text/plain;version=0.0.4', 'user-agent': 'veza-metric' };
    const answer = await askOverHttp(new URL(address), { method: 'GET', headers, timeoutMs }, signal);
    if (!answer.answered) return trouble(answer.why);
    if (answer.status !== 200) return trouble(refusedInWords(answer.status));
    const exposition = parseExposition(answer.body);
    if (!exposition.ok) return trouble(`line ${exposition.line} is no Prometheus text`);
    const events = this.#select(exposition.samples, this.#events, values);
    const total = this.#total === null ? null : this.#select(exposition.samples, this.#total, values);
    if (!this.#isLimit) {
      const wrong = [...events.values(), ...(total?.values() ?? [])].find((value) => !isCount(value));
      if (wrong !== undefined) return trouble(`${this.#events.name} is no counter: it stands at ${wrong}`);
    }
    return { endpoint, reading: { events, total } };
  }

  #select(samples: readonly ExportedSample[], selector: MetricSelector, values: ScopeValues): Standing {
    const wanted = selector.labels.map((match) => ({ ...match, value: fillScope(match.value, values) }));
    const selected = new Map<string, number>();
    for (const { name, labels, value } of samples) {
      if (name !== selector.name) continue;
      if (!wanted.every((match) => ((labels.get(match.label) ?? '') === match.value) === match.equal)) continue;
      const key = JSON.stringify([...labels].sort(([a], [b]) => (a < b ? -1 : 1)));
      // The same series twice is a mistake of the exporter; Prometheus takes the first.
      if (!selected.has(key)) selected.set(key, value);
    }
    if (selected.size > 0) this.#found.add(selector);
    return selected;
  }

  #answer(arm: Arm, reads: readonly Read[]): ArmAnswer {
    const read = reads.filter((one) => 'reading' in one);
    const troubles = reads.flatMap((one) => ('trouble' in one ? [one.trouble] : []));
    const trouble = troublesInWords(troubles, reads.length);
    const before = this.#before[arm];
    this.#before[arm] = new Map(
      read.map(({ endpoint, reading }) => [endpoint.id, together(before.get(endpoint.id), reading)]),
    );
    if (reads.length === 0) return inTrouble('no ready instance');
    if (read.length === 0) return { count: null, trouble };
    const missing = [this.#events, this.#total].find((one) => one !== null && !this.#found.has(one));
    if (missing !== undefined && missing !== null)
      return inTrouble(
        `no instance exports ${missing.name} as selected: is it right? One that appears with its first event counts from then on`,
      );
    if (this.#isLimit)
      return this.#value(
        read.map(({ reading }) => reading.events),
        trouble,
      );
    return this.#rise(before, read, reads.length, trouble);
  }

  #value(standings: readonly Standing[], trouble: string | null): ArmAnswer {
    if (trouble !== null) return inTrouble(trouble);
    if (standings.every(({ size }) => size === 0))
      return inTrouble(`no instance exports ${this.#events.name} as selected`);
    return valueAnswer(standings.reduce((sum, standing) => sum + sumOf(standing), 0));
  }

  #rise(
    before: ReadonlyMap<string, Reading>,
    read: readonly { readonly endpoint: Endpoint; readonly reading: Reading }[],
    instances: number,
    trouble: string | null,
  ): ArmAnswer {
    let events = 0;
    let total = 0;
    let known = 0;
    for (const { endpoint, reading } of read) {
      const past = before.get(endpoint.id);
      // Nobody knows since when a new instance has been counting: this is its zero.
      if (past === undefined) continue;
      known += 1;
      events += instanceRise(past.events, reading.events);
      total += instanceRise(past.total ?? new Map(), reading.total ?? new Map());
    }
    // The arm's requests are those of all its instances, so that events of some would be too few for them.
    const isComplete = known === instances || (this.#total !== null && known > 0);
    if (!isComplete) return { ...noZeroYet, trouble };
    const answer = countAnswer(events, this.#total === null ? null : total);
    return { ...answer, trouble: answer.trouble ?? trouble };
  }
}

const together = (before: Reading | undefined, now: Reading): Reading =>
  before === undefined
    ? now
    : {
        events: remember(before.events, now.events),
        total: now.total === null ? null : remember(before.total ?? new Map(), now.total),
      };

/** A series that a known instance did not have before has begun at zero: it appears with its first event. */
function instanceRise(before: Standing, now: Standing): number {
  let rise = 0;
  for (const [key, value] of now) rise += riseOf(before.get(key) ?? 0, value);
  return rise;
}

function troublesInWords(troubles: readonly string[], instances: number): string | null {
  const [first] = troubles;
  if (first === undefined) return null;
  return troubles.length === 1 ? first : `${first} (and ${troubles.length - 1} more of ${instances} instances)`;
}
