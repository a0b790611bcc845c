import type { LostKind } from './classify.ts';
import { Histogram } from './histogram.ts';
import { actions, type Operation } from './options.ts';
import type { ChatCounts, Incident, LoadCounts, LoadReport, LostIncident, OperationReport } from './report.ts';

const detailsKept = 20;
const keysKept = 64;
const operations: readonly Operation[] = [...actions, 'chat'];

/** Where a run's time comes from. */
export interface Clock {
  /** Milliseconds on a clock that never jumps. */
  monotonicMs(): number;
  /** UTC milliseconds. */
  wallMs(): number;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type OperationTally = Mutable<Omit<OperationReport, 'latencyMs'>> & { readonly latency: Histogram };

/** Counts what becomes of requests. Memory is bounded: the first 20 incidents of a kind, at most 64 releases (the rest are `other`). */
export class Tally {
  readonly #clock: Clock;
  readonly #slowMs: number;
  readonly #startMs: number;
  readonly #operations = new Map<Operation, OperationTally>(
    operations.map((operation) => [
      operation,
      { requests: 0, ok: 0, lost: 0, wrong: 0, slow: 0, failedByRelease: 0, loggedOut: 0, latency: new Histogram() },
    ]),
  );
  readonly #latency = new Histogram();
  readonly #releases = new Map<string, number>();
  readonly #failedByReleases = new Map<string, number>();
  readonly #lostByKind = new Map<string, number>();
  readonly #lostDetails: LostIncident[] = [];
  readonly #wrongDetails: Incident[] = [];
  readonly #loggedOutDetails: Incident[] = [];
  readonly chat: Mutable<ChatCounts> = { said: 0, acknowledged: 0, delivered: 0, missing: 0, reconnects: 0 };
  skipped = 0;
  sessions = 0;
  audioBytes = 0;

  constructor(clock: Clock, slowMs: number) {
    this.#clock = clock;
    this.#slowMs = slowMs;
    this.#startMs = clock.monotonicMs();
  }

  sent(operation: Operation): void {
    this.#of(operation).requests += 1;
  }

  /** Something came back, in `ms` milliseconds; whether it is right is said apart. */
  answered(operation: Operation, release: string | null, ms: number): void {
    const its = this.#of(operation);
    its.latency.record(ms);
    if (ms > this.#slowMs) its.slow += 1;
    this.#latency.record(ms);
    if (release !== null) bump(this.#releases, release);
  }

  ok(operation: Operation): void {
    this.#of(operation).ok += 1;
  }

  lost(operation: Operation, kind: LostKind, release: string | null, detail: string): void {
    this.#of(operation).lost += 1;
    bump(this.#lostByKind, kind);
    keep(this.#lostDetails, { ...this.#incident(operation, release, detail), kind });
  }

  wrong(operation: Operation, release: string | null, detail: string): void {
    this.#of(operation).wrong += 1;
    keep(this.#wrongDetails, this.#incident(operation, release, detail));
  }

  loggedOut(operation: Operation, release: string | null, detail: string): void {
    this.#of(operation).loggedOut += 1;
    keep(this.#loggedOutDetails, this.#incident(operation, release, detail));
  }

  failedByRelease(operation: Operation, release: string): void {
    this.#of(operation).failedByRelease += 1;
    bump(this.#failedByReleases, release);
  }

  get elapsedMs(): number {
    return this.#clock.monotonicMs() - this.#startMs;
  }

  counts(): LoadCounts {
    const sum = (of: (its: OperationTally) => number): number =>
      [...this.#operations.values()].reduce((total, its) => total + of(its), 0);
    return {
      requests: sum((its) => its.requests),
      lost: sum((its) => its.lost),
      wrong: sum((its) => its.wrong),
      slow: sum((its) => its.slow),
      failedByRelease: sum((its) => its.failedByRelease),
      loggedOut: sum((its) => its.loggedOut),
      skipped: this.skipped,
      audioBytes: this.audioBytes,
      sessions: this.sessions,
      chat: { ...this.chat },
    };
  }

  failedByReleases(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#failedByReleases);
  }

  details(): Pick<
    LoadReport,
    'latencyMs' | 'operations' | 'releases' | 'lostByKind' | 'lostDetails' | 'wrongDetails' | 'loggedOutDetails'
  > {
    return {
      latencyMs: this.#latency.quantiles(),
      operations: Object.fromEntries(
        [...this.#operations].map(([operation, { latency, ...its }]) => [
          operation,
          { ...its, latencyMs: latency.quantiles() },
        ]),
      ),
      releases: Object.fromEntries(this.#releases),
      lostByKind: Object.fromEntries(this.#lostByKind),
      lostDetails: [...this.#lostDetails],
      wrongDetails: [...this.#wrongDetails],
      loggedOutDetails: [...this.#loggedOutDetails],
    };
  }

  #incident(operation: Operation, release: string | null, detail: string): Incident {
    const sinceStartMs = Math.round(this.elapsedMs);
    return { time: this.#clock.wallMs(), sinceStartMs, operation, release, detail: detail.slice(0, 300) };
  }

  #of(operation: Operation): OperationTally {
    const its = this.#operations.get(operation);
    if (its === undefined) throw new RangeError(`no operation ${operation}`);
    return its;
  }
}

function keep<T>(details: T[], incident: T): void {
  if (details.length < detailsKept) details.push(incident);
}

function bump(counts: Map<string, number>, key: string): void {
  const kept = counts.has(key) || counts.size < keysKept ? key : 'other';
  counts.set(kept, (counts.get(kept) ?? 0) + 1);
}
