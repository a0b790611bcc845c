import { compareAnswers, type MirroredAnswer } from '../../core/mirror-counts.ts';
import type { TrafficCounters } from '../counters.ts';
import type { Upstream } from '../upstream.ts';
import { WeightedChoice } from '../weighted-choice.ts';
import { Copy, type CopyDeadlines, type CopyOwner } from './copy.ts';
import { sameJsonShape } from './json-shape.ts';
import type { BodyMemory } from './observed-body.ts';
import { Pair, type PairOwner } from './pair.ts';

/** Milliseconds that a copy has, however long its service may take. */
const longestMs = 10_000;
/** Bytes of answers to copies that are read between two sweeps (a quarter of a second); nothing is copied when they are used up. */
const readableBytes = 2 * 1_048_576;
/** Bytes of JSON that are kept at a time. */
const heldBytes = 2 * 1_048_576;
/** Bytes of JSON whose shapes are compared between two sweeps: some milliseconds' work. */
const comparableBytes = 262_144;

export interface MirrorContext {
  /** The gateway stops or has been replaced: nothing more is copied. */
  readonly closing: boolean;
  readonly limits: { readonly maxCopies: number; readonly connectTimeoutMs: number };
  now(): number;
  /** The second that counting is in. */
  second(): number;
  /** Uniform in [0, 1). */
  random(): number;
  failed(error: unknown): void;
}

export interface MirrorSettings {
  /** Percent of the requests that can be copied. */
  readonly share: number;
  readonly shapes: boolean;
  /** Milliseconds. */
  readonly responseTimeoutMs: number;
}

/**
 * Copies of one service's requests, to the candidate. There is no queue: what does not fit is skipped, so that a candidate that
 * does not keep up costs neither memory nor anybody's time.
 */
export class Mirror implements CopyOwner, PairOwner, BodyMemory {
  readonly #context: MirrorContext;
  readonly #counters: TrafficCounters;
  readonly #choice: WeightedChoice;
  readonly #copies = new Set<Copy>();
  /** Copies in flight by the pair that each belongs to. */
  readonly #byPair = new WeakMap<Pair, Copy>();
  #settings: MirrorSettings | null = null;
  #upstreams: readonly Upstream[] = [];
  #turn = 0;
  #readable = readableBytes;
  #comparable = comparableBytes;
  #held = 0;

  constructor(context: MirrorContext, counters: TrafficCounters) {
    this.#context = context;
    this.#counters = counters;
    this.#choice = new WeightedChoice(() => context.random());
  }

  /**
   * What is in force from now on. Copies to instances that are not in the table any more end.
   *
   * @param settings null: nothing is copied, and what is in flight ends
   * @param upstreams of the candidate
   * @returns whether anything is copied
   */
  apply(settings: MirrorSettings | null, upstreams: readonly Upstream[]): boolean {
    const copies = settings !== null && settings.share > 0 && upstreams.length > 0;
    this.#settings = copies ? settings : null;
    this.#upstreams = copies ? upstreams : [];
    for (const copy of this.#copies) if (!this.#upstreams.includes(copy.upstream)) copy.cancel();
    return copies;
  }

  get inFlight(): number {
    return this.#copies.size;
  }

  /** Whether the next request that can be copied is, and there is room for it. */
  chooses(): boolean {
    if (this.#settings === null || this.#context.closing || !this.#choice.next(this.#settings.share)) return false;
    if (this.#copies.size < this.#context.limits.maxCopies && this.#readable > 0) return true;
    this.#skip();
    return false;
  }

  /**
   * Sends a copy, after `chooses`.
   *
   * @param path without query
   * @param head as the candidate gets it, with the empty line
   * @returns who wants to know what stable answers
   */
  send(method: string, path: string, head: string): Pair | null {
    const settings = this.#settings;
    const upstream = this.#pick(this.#context.now());
    if (settings === null || upstream === null) return null;
    const pair = new Pair(this, method, path, settings.shapes ? this : null);
    const deadlines: CopyDeadlines = {
      connectMs: this.#context.limits.connectTimeoutMs,
      responseMs: settings.responseTimeoutMs,
      totalMs: Math.min(settings.responseTimeoutMs, longestMs),
    };
    const copy = new Copy(this, pair, upstream, head, deadlines);
    this.#copies.add(copy);
    this.#byPair.set(pair, copy);
    copy.start();
    return pair;
  }

  /** In turn; those that are left alone by requests are only taken when there is no other. */
  #pick(now: number): Upstream | null {
    const count = this.#upstreams.length;
    this.#turn = (this.#turn + 1) % 0x40000000;
    let found: Upstream | null = null;
    for (let i = 0; i < count; i += 1) {
      const upstream = this.#upstreams[(this.#turn + i) % count] ?? null;
      if (upstream !== null && !upstream.suspect(now)) return upstream;
      found ??= upstream;
    }
    return found;
  }

  /** Enforces deadlines, and lets reading go on. Called a few times a second. */
  sweep(now: number): void {
    this.#readable = readableBytes;
    this.#comparable = comparableBytes;
    for (const copy of this.#copies) copy.sweep(now);
  }

  now(): number {
    return this.#context.now();
  }

  mayRead(bytes: number): boolean {
    this.#readable -= bytes;
    return this.#readable > 0;
  }

  left(copy: Copy): void {
    this.#copies.delete(copy);
    this.#byPair.delete(copy.pair);
  }

  givenUp(): void {
    this.#skip();
  }

  abandoned(pair: Pair): void {
    this.#byPair.get(pair)?.cancel();
  }

  take(bytes: number): boolean {
    if (this.#held + bytes > heldBytes) return false;
    this.#held += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }

  compare(pair: Pair, stable: MirroredAnswer, candidate: MirroredAnswer): void {
    // When this is called the client's answer may be on its way, but not out.
    setImmediate(() => {
      try {
        const second = this.#context.second();
        const route = this.#counters.label(pair.method, pair.path, second);
        const sameShape = stable.status === candidate.status ? this.#sameShape(pair) : null;
        pair.stop();
        const differs = compareAnswers(stable, candidate, sameShape);
        this.#counters.mirror(second).pair(route, stable, candidate, differs);
      } catch (error) {
        this.#context.failed(error);
      }
    });
  }

  /** Null when the bodies cannot be compared, or there is no time for it. */
  #sameShape({ stableBody, candidateBody }: Pair): boolean | null {
    const [a, b] = [stableBody.json, candidateBody.json];
    if (a === null || b === null || a.length + b.length > this.#comparable) return null;
    this.#comparable -= a.length + b.length;
    return sameJsonShape(a, b);
  }

  #skip(): void {
    this.#counters.mirror(this.#context.second()).skip();
  }
}
