import type { MetricSettings } from '../core/analysis/settings.ts';
import type { MetricSource } from '../core/spec/platform.ts';
import type { MetricSample, TrafficSecond } from '../core/traffic.ts';
import { withClientErrors } from '../drivers/metric/client-errors.ts';
import type { JourneyFailure, MetricScope, MetricSourceDriver } from '../drivers/metric/metric.ts';
import { JOURNEYS } from './analyst-settings.ts';
import type { Clock } from './clock.ts';

/** Seconds with traffic in which a metric did not answer, after which it counts as missing; at least two of its own rhythms. */
const SILENT_SECONDS = 60;
/** A question that is not answered by then is given up, or after the metric's own rhythm if that is longer. */
const LEAST_TIMEOUT_MS = 10_000;
const SECOND_MS = 1_000;
/** Sources that cannot be made now are tried again. */
const OPEN_RETRY_MS = 10_000;
/** Samples of one metric that wait for a closed second: a router that says nothing for long does not make them pile up. */
const MOST_WAITING = 100;

export interface MetricsParts {
  readonly clock: Clock;
  readonly metrics: readonly MetricSettings[];
  readonly sources: Readonly<Record<string, MetricSource>>;
  /** Makes those that somebody is asked for. */
  open(signal: AbortSignal): Promise<ReadonlyMap<string, MetricSourceDriver>>;
  /** Who is asked about; null while there is nobody. */
  scope(): MetricScope | null;
  /** A source that cannot be asked, in words; once for each change. */
  warn(text: string): void;
}

interface Source {
  readonly name: string;
  readonly driver: MetricSourceDriver;
  trouble: string | null;
  /** Seconds with traffic since the last answer. */
  silentFor: number;
}

/**
 * Asks the declared metrics of one leg, each in its own rhythm, and hands what they said to the next second that is closed. Nobody waits
 * for an answer.
 */
export class LegMetrics {
  readonly #parts: MetricsParts;
  readonly #abort = new AbortController();
  readonly #timers = new Map<string, () => void>();
  readonly #sources = new Map<string, Source>();
  readonly #held: boolean;
  #waiting: MetricSample[] = [];
  /** Why there are no sources at all. */
  #trouble: string | null = null;
  /** UTC second until which the last run of journeys counts as going on. */
  #journeysUntil = -1;

  /** @param held the deployment is held for missing metrics, as it was before a restart: each is missing until it has answered */
  constructor(parts: MetricsParts, held: boolean) {
    this.#parts = parts;
    this.#held = held;
    const asked = parts.metrics.filter(({ name }) => name === JOURNEYS || isAsked(parts.sources[name]));
    if (asked.length > 0) void this.#open();
  }

  close(): void {
    this.#abort.abort(new Error('the metrics are not asked any more'));
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  /** A closed second with what was said of it: one sample of each metric at most, the rest waits for the next. */
  attach(second: TrafficSecond): TrafficSecond {
    const taken = new Map<string, MetricSample>();
    const rest: MetricSample[] = [];
    for (const sample of this.#waiting) {
      if (taken.has(sample.metric)) rest.push(sample);
      else taken.set(sample.metric, sample);
    }
    this.#waiting = rest;
    if ((taken.get(JOURNEYS)?.arms.candidate?.total ?? 0) > 0) {
      const driver = this.#sources.get(JOURNEYS)?.driver;
      const rhythmMs = driver === undefined ? 0 : rhythmOf(driver);
      this.#journeysUntil = second.second + Math.ceil((2 * rhythmMs) / SECOND_MS);
    }
    const hasUsers = Object.values(second.arms).some(({ requests }) => requests > 0);
    if (hasUsers) for (const source of this.#sources.values()) source.silentFor += 1;
    const sampled = taken.size === 0 ? second : { ...second, samples: [...(second.samples ?? []), ...taken.values()] };
    return withClientErrors(this.#parts, sampled);
  }

  /** Synthetic users are on the candidate, so there is something to see in this second. */
  hasJourneys(second: number): boolean {
    return second <= this.#journeysUntil;
  }

  /** What cannot be asked, in words. */
  troubles(): readonly string[] {
    if (this.#trouble !== null) return [this.#trouble];
    return [...this.#sources.values()].flatMap(({ name, trouble }) => (trouble === null ? [] : `${name}: ${trouble}`));
  }

  /** A metric that has not answered for too long while users were there; null: none. */
  missing(): string | null {
    for (const { name, driver, trouble, silentFor } of this.#sources.values()) {
      if (silentFor < Math.max(SILENT_SECONDS, (2 * rhythmOf(driver)) / SECOND_MS)) continue;
      return `the metric ${name} has not answered for ${SILENT_SECONDS} s and more while there is traffic${trouble === null ? '' : ` (${trouble})`}`;
    }
    return this.#trouble !== null && this.#held ? this.#trouble : null;
  }

  /** Runs of synthetic users that failed, newest last. */
  failures(): readonly JourneyFailure[] {
    return this.#sources.get(JOURNEYS)?.driver.failures?.() ?? [];
  }

  async #open(): Promise<void> {
    try {
      const made = await this.#parts.open(this.#abort.signal);
      if (this.#abort.signal.aborted) return;
      this.#trouble = null;
      for (const [name, driver] of made) {
        const source = { name, driver, trouble: null, silentFor: this.#held ? Number.POSITIVE_INFINITY : 0 };
        this.#sources.set(name, source);
        this.#ask(source);
      }
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.#trouble = `no metric can be asked: ${inWords(error)}`;
      this.#parts.warn(this.#trouble);
      this.#after('open', OPEN_RETRY_MS, () => void this.#open());
    }
  }

  #ask(source: Source): void {
    const { clock } = this.#parts;
    const everyMs = Math.max(SECOND_MS, source.driver.everyMs);
    const begun = clock.now();
    const scope = this.#parts.scope();
    const again = (): void =>
      this.#after(source.name, Math.max(0, begun + everyMs - clock.now()), () => this.#ask(source));
    if (scope === null) {
      again();
      return;
    }
    const abort = new AbortController();
    let isSettled = false;
    const settle = (answer: { readonly sample: MetricSample | null; readonly trouble: string | null }): void => {
      if (isSettled || this.#abort.signal.aborted) return;
      isSettled = true;
      this.#take(source, answer.sample, answer.trouble);
      again();
    };
    const limitMs = Math.max(LEAST_TIMEOUT_MS, everyMs);
    this.#after(source.name, limitMs, () => {
      const trouble = `no answer within ${limitMs / SECOND_MS} s: ask for less, or less often`;
      abort.abort(new Error(trouble));
      settle({ sample: null, trouble });
    });
    source.driver
      .ask(scope, AbortSignal.any([this.#abort.signal, abort.signal]))
      .then(settle, (error: unknown) => settle({ sample: null, trouble: inWords(error) }));
  }

  #take(source: Source, sample: MetricSample | null, trouble: string | null): void {
    const isWhole = sample !== null && sample.arms.stable !== null && sample.arms.candidate !== null;
    if (isWhole || trouble === null) source.silentFor = 0;
    if (trouble !== source.trouble) {
      source.trouble = trouble;
      if (trouble !== null) this.#parts.warn(`${source.name}: ${trouble}`);
    }
    if (sample === null) return;
    const waiting = this.#waiting.filter(({ metric }) => metric === sample.metric).length;
    if (waiting < MOST_WAITING) this.#waiting.push(sample);
  }

  /** One timer a name. */
  #after(name: string, delayMs: number, callback: () => void): void {
    this.#timers.get(name)?.();
    this.#timers.set(
      name,
      this.#parts.clock.after(delayMs, () => {
        this.#timers.delete(name);
        callback();
      }),
    );
  }
}

/** Client errors are counted by the router. */
const isAsked = (source: MetricSource | undefined): boolean => source !== undefined && source.kind !== 'client-errors';

/** How often it really says something; it may be looked at more often. */
const rhythmOf = ({ everyMs, rhythmMs }: MetricSourceDriver): number => rhythmMs ?? everyMs;

const inWords = (error: unknown): string => (error instanceof Error ? error.message : String(error));
