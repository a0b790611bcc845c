import type { Answerer, LostKind } from './classify.ts';
import { Histogram } from './histogram.ts';
import type { Operation } from './options.ts';
import type { Incident, LoadCounts, LostIncident, OperationReport, ReleaseReport, SecondReport } from './report.ts';

const detailsKept = 20;
const keysKept = 64;
const operations: readonly Operation[] = ['echo', 'chain', 'post', 'read', 'upload', 'events', 'ws'];

interface OperationTally {
  requests: number;
  ok: number;
  items: number;
  lost: number;
  wrong: number;
  failedByRelease: number;
  readonly latency: Histogram;
}

interface ReleaseTally {
  name: string | null;
  answers: number;
  failed: number;
  readonly latency: Histogram;
}

interface SecondTally {
  readonly answers: Map<string, number>;
  lost: number;
  wrong: number;
  failedByRelease: number;
}

/** Where a run's time comes from. */
export interface Clock {
  /** Milliseconds on a clock that never jumps. */
  monotonicMs(): number;
  /** UTC milliseconds. */
  wallMs(): number;
}

/**
 * Counts what becomes of requests. Memory is bounded: the first 20 incidents of a kind, at most 64 releases (the rest are
 * counted as `other`), one small record a second of a run of at most two hours.
 */
export class Tally {
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #operations: Record<Operation, OperationTally>;
  readonly #releases = new Map<string, ReleaseTally>();
  readonly #lostByKind = new Map<LostKind, number>();
  readonly #failedByReleases = new Map<string, number>();
  readonly #chains = new Map<string, number>();
  readonly #latency = new Histogram();
  readonly #seconds: SecondTally[] = [];
  readonly #lostDetails: LostIncident[] = [];
  readonly #wrongDetails: Incident[] = [];
  #inFlight = 0;
  #skipped = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.monotonicMs();
    this.#operations = Object.fromEntries(
      operations.map((operation) => [
        operation,
        { requests: 0, ok: 0, items: 0, lost: 0, wrong: 0, failedByRelease: 0, latency: new Histogram() },
      ]),
    ) as Record<Operation, OperationTally>;
  }

  sent(operation: Operation): void {
    this.#operations[operation].requests += 1;
    this.#inFlight += 1;
  }

  /** A request that was sent has come to its end, whatever it was. */
  ended(): void {
    this.#inFlight -= 1;
  }

  skipped(): void {
    this.#skipped += 1;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Something came back from a release, in `ms` milliseconds; whether it is right is said apart. */
  answered(operation: Operation, answerer: Answerer, ms: number): void {
    this.#operations[operation].latency.record(ms);
    this.#latency.record(ms);
    if (answerer.release === null) return;
    const release = this.#release(answerer.release, answerer.name);
    release.answers += 1;
    release.latency.record(ms);
    bump(this.#second().answers, answerer.release);
  }

  ok(operation: Operation): void {
    this.#operations[operation].ok += 1;
  }

  /** An event or echo on a stream that was as it must be. */
  item(operation: Operation): void {
    this.#operations[operation].items += 1;
  }

  lost(operation: Operation, kind: LostKind, release: string | null, detail: string): void {
    this.#operations[operation].lost += 1;
    this.#second().lost += 1;
    this.#lostByKind.set(kind, (this.#lostByKind.get(kind) ?? 0) + 1);
    if (this.#lostDetails.length < detailsKept) {
      this.#lostDetails.push({ ...this.#incident(operation, release, detail), kind });
    }
  }

  wrong(operation: Operation, release: string | null, detail: string): void {
    this.#operations[operation].wrong += 1;
    this.#second().wrong += 1;
    if (this.#wrongDetails.length < detailsKept) this.#wrongDetails.push(this.#incident(operation, release, detail));
  }

  /** @param release the one whose fault it is, which for a failure further down the chain is not the one that answered */
  failedByRelease(operation: Operation, release: string): void {
    this.#operations[operation].failedByRelease += 1;
    this.#second().failedByRelease += 1;
    this.#release(release, null).failed += 1;
    bump(this.#failedByReleases, release);
  }

  chain(versions: string): void {
    bump(this.#chains, versions);
  }

  get elapsedMs(): number {
    return this.#clock.monotonicMs() - this.#startMs;
  }

  counts(): LoadCounts {
    const sum = (of: (tally: OperationTally) => number) =>
      operations.reduce((total, operation) => total + of(this.#operations[operation]), 0);
    return {
      requests: sum((its) => its.requests),
      inFlight: this.#inFlight,
      items: sum((its) => its.items),
      lost: sum((its) => its.lost),
      wrong: sum((its) => its.wrong),
      failedByRelease: sum((its) => its.failedByRelease),
      skipped: this.#skipped,
    };
  }

  /** The parts that a snapshot and a report have in common. */
  common(): {
    readonly releases: Readonly<Record<string, ReleaseReport>>;
    readonly lostByKind: Readonly<Partial<Record<LostKind, number>>>;
    readonly failedByReleases: Readonly<Record<string, number>>;
  } {
    const releases: Record<string, ReleaseReport> = {};
    for (const [release, { latency, ...its }] of this.#releases) {
      releases[release] = { ...its, latencyMs: latency.quantiles() };
    }
    return {
      releases,
      lostByKind: Object.fromEntries(this.#lostByKind),
      failedByReleases: Object.fromEntries(this.#failedByReleases),
    };
  }

  latency() {
    return this.#latency.quantiles();
  }

  operations(): Readonly<Record<Operation, OperationReport>> {
    return Object.fromEntries(
      operations.map((operation) => {
        const { latency, ...its } = this.#operations[operation];
        return [operation, { ...its, latencyMs: latency.quantiles() }];
      }),
    ) as Record<Operation, OperationReport>;
  }

  details() {
    return {
      lostDetails: [...this.#lostDetails],
      wrongDetails: [...this.#wrongDetails],
      chains: Object.fromEntries(this.#chains),
    };
  }

  /** Every second of the run so far, the running one included. */
  seconds(): readonly SecondReport[] {
    this.#second();
    return this.#seconds.map((tally, second) => secondReport(tally, second));
  }

  lastSecond(): SecondReport | null {
    this.#second();
    const second = this.#seconds.length - 2;
    const tally = this.#seconds[second];
    return tally === undefined ? null : secondReport(tally, second);
  }

  #incident(operation: Operation, release: string | null, detail: string): Incident {
    return {
      time: this.#clock.wallMs(),
      sinceStartMs: Math.round(this.elapsedMs),
      operation,
      release,
      detail: detail.slice(0, 300),
    };
  }

  #release(id: string, name: string | null): ReleaseTally {
    const key = this.#releases.has(id) || this.#releases.size < keysKept ? id : 'other';
    let release = this.#releases.get(key);
    if (release === undefined) {
      release = { name, answers: 0, failed: 0, latency: new Histogram() };
      this.#releases.set(key, release);
    }
    release.name ??= name;
    return release;
  }

  #second(): SecondTally {
    const index = Math.floor(this.elapsedMs / 1000);
    while (this.#seconds.length <= index) {
      this.#seconds.push({ answers: new Map(), lost: 0, wrong: 0, failedByRelease: 0 });
    }
    const second = this.#seconds[index];
    if (second === undefined) throw new RangeError(`no second ${index}`);
    return second;
  }
}

function bump(counts: Map<string, number>, key: string): void {
  const kept = counts.has(key) || counts.size < keysKept ? key : 'other';
  counts.set(kept, (counts.get(kept) ?? 0) + 1);
}

function secondReport(tally: SecondTally, second: number): SecondReport {
  return {
    second,
    answers: Object.fromEntries(tally.answers),
    lost: tally.lost,
    wrong: tally.wrong,
    failedByRelease: tally.failedByRelease,
  };
}
