import { bucketOf } from './analysis/histogram.ts';
import { addLatencies } from './route-counts.ts';
import type { Arm } from './slot.ts';
import type { LatencyCounts, MirrorSecond } from './traffic.ts';

/** Routes of one second that are told apart. */
const mostRoutes = 20;
/** Sizes of the same answer differ by more than this share and this many bytes, or they are taken as the same. */
const sizeShare = 0.1;
const sizeBytes = 64;

/** What is known of one of the two answers to a copied request. */
export interface MirroredAnswer {
  /** 0: no instance answered, or not to the end. */
  readonly status: number;
  readonly latencyMs: number;
  /** Bytes of body; null when it was not read to its end. */
  readonly bytes: number | null;
}

/** How the candidate's answer differs from stable's. */
export interface Comparison {
  readonly status: boolean;
  readonly size: boolean;
  /** Always false when shapes were not looked at. */
  readonly shape: boolean;
}

const isError = ({ status }: MirroredAnswer): boolean => status === 0 || status >= 500;

/**
 * 1 to 5. No answer is one of 5xx; 304 is the 2xx that it stands for: whether a client's copy is still good depends on the
 * release that made it.
 */
const classOf = (status: number): number => (status === 0 ? 5 : status === 304 ? 2 : Math.floor(status / 100));

/** @param sameShape null when the bodies were not looked at */
export function compareAnswers(
  stable: MirroredAnswer,
  candidate: MirroredAnswer,
  sameShape: boolean | null,
): Comparison {
  const status = classOf(stable.status) !== classOf(candidate.status);
  if (status) return { status, size: false, shape: false };
  return {
    status,
    size: stable.status !== 304 && candidate.status !== 304 && sizesDiffer(stable.bytes, candidate.bytes),
    shape: sameShape === false,
  };
}

function sizesDiffer(a: number | null, b: number | null): boolean {
  if (a === null || b === null) return false;
  const difference = Math.abs(a - b);
  return difference > sizeBytes && difference > sizeShare * Math.max(a, b);
}

/** What became of the copies of one second. */
export class MirrorCounts {
  #skipped = 0;
  #pairs = 0;
  #stableErrors = 0;
  #candidateErrors = 0;
  #statusDiffers = 0;
  #sizeDiffers = 0;
  #shapeDiffers = 0;
  readonly #latency: Record<Arm, Map<number, number>> = { stable: new Map(), candidate: new Map() };
  readonly #routes = new Map<string, { pairs: number; different: number }>();

  skip(): void {
    this.#skipped += 1;
  }

  /** @param route label, of a bounded number */
  pair(route: string, stable: MirroredAnswer, candidate: MirroredAnswer, differs: Comparison): void {
    this.#pairs += 1;
    if (isError(stable)) this.#stableErrors += 1;
    if (isError(candidate)) this.#candidateErrors += 1;
    if (differs.status) this.#statusDiffers += 1;
    if (differs.size) this.#sizeDiffers += 1;
    if (differs.shape) this.#shapeDiffers += 1;
    count(this.#latency.stable, stable.latencyMs);
    count(this.#latency.candidate, candidate.latencyMs);
    let counts = this.#routes.get(route);
    if (counts === undefined) {
      counts = { pairs: 0, different: 0 };
      this.#routes.set(route, counts);
    }
    counts.pairs += 1;
    if (differs.status || differs.size || differs.shape) counts.different += 1;
  }

  read(): MirrorSecond {
    return {
      pairs: this.#pairs,
      skipped: this.#skipped,
      stableErrors: this.#stableErrors,
      candidateErrors: this.#candidateErrors,
      statusDiffers: this.#statusDiffers,
      sizeDiffers: this.#sizeDiffers,
      shapeDiffers: this.#shapeDiffers,
      latency: { stable: ascending(this.#latency.stable), candidate: ascending(this.#latency.candidate) },
      routes: worst([...this.#routes].map(([route, counts]) => ({ route, ...counts }))),
    };
  }
}

function count(latency: Map<number, number>, latencyMs: number): void {
  const bucket = bucketOf(latencyMs);
  latency.set(bucket, (latency.get(bucket) ?? 0) + 1);
}

const ascending = (counts: ReadonlyMap<number, number>): LatencyCounts => [...counts].sort(([a], [b]) => a - b);

/** The worst first; those without a difference as long as there is room, so that parts add up. */
const worst = (routes: MirrorSecond['routes']): MirrorSecond['routes'] =>
  routes
    .toSorted((a, b) => b.different - a.different || b.pairs - a.pairs || (a.route < b.route ? -1 : 1))
    .slice(0, mostRoutes);

/** The second that two processes have counted parts of. */
export function addMirrors(a: MirrorSecond, b: MirrorSecond): MirrorSecond {
  const routes = new Map<string, { readonly pairs: number; readonly different: number }>();
  for (const { route, pairs, different } of [...a.routes, ...b.routes]) {
    const before = routes.get(route) ?? { pairs: 0, different: 0 };
    routes.set(route, { pairs: before.pairs + pairs, different: before.different + different });
  }
  return {
    pairs: a.pairs + b.pairs,
    skipped: a.skipped + b.skipped,
    stableErrors: a.stableErrors + b.stableErrors,
    candidateErrors: a.candidateErrors + b.candidateErrors,
    statusDiffers: a.statusDiffers + b.statusDiffers,
    sizeDiffers: a.sizeDiffers + b.sizeDiffers,
    shapeDiffers: a.shapeDiffers + b.shapeDiffers,
    latency: {
      stable: addLatencies(a.latency.stable, b.latency.stable),
      candidate: addLatencies(a.latency.candidate, b.latency.candidate),
    },
    routes: worst([...routes].map(([route, counts]) => ({ route, ...counts }))),
  };
}
