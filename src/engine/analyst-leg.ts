import type { EvidenceHead, EvidenceRecord, EvidenceSecond } from '../core/analysis/evidence-record.ts';
import { judgeOf, type JudgeSettings, type JudgeState } from '../core/analysis/judge.ts';
import type { TrafficMinute } from '../core/analysis/traffic-minute.ts';
import type { Evidence, Judge, Judgement } from '../core/analysis/verdict.ts';
import type { TrafficSecond } from '../core/traffic.ts';
import type { LegMetrics } from './analyst-metrics.ts';
import type { LegRecord } from './analyst-record.ts';
import { ObservedWindow } from './analyst-window.ts';
import { TrafficBook } from './traffic-book.ts';

/** Where a deployment is, for the record. */
export type Position = Pick<EvidenceSecond, 'weight' | 'phase' | 'step'>;

/** A leg that users or copies are on, and what is thought of it so far. */
export class WatchedLeg {
  readonly id: string;
  readonly leg: number;
  readonly service: string;
  readonly environment: string;
  readonly book = new TrafficBook();
  readonly window: ObservedWindow;
  /** Last closed second that was taken in, in UTC seconds. */
  lastSecond: number;
  /** UTC milliseconds at which the last closed second arrived. */
  heardAt: number;
  /** Why counts or metrics are missing; null when they are not. */
  missing: string | null = null;
  told = '';
  busy = false;
  metrics: LegMetrics | null = null;
  /** Cancels the look at the end of the window. */
  cancelEnd: () => void = () => {};
  #record: LegRecord | null = null;
  #judge: Judge<JudgeState> | null = null;
  #state: JudgeState | null = null;
  #decisive: JudgeState | null = null;

  /** @param first UTC second from which on its judge looks */
  constructor(head: Pick<EvidenceHead, 'deployment' | 'leg' | 'service' | 'environment'>, first: number, now: number) {
    this.id = head.deployment;
    this.leg = head.leg;
    this.service = head.service;
    this.environment = head.environment;
    this.lastSecond = first - 1;
    this.heardAt = now;
    this.window = new ObservedWindow(now);
  }

  get key(): string {
    return `${this.id}/${this.leg}`;
  }

  /** The state that its judge is in; null until it has begun. */
  get state(): JudgeState | null {
    return this.#state;
  }

  /** The first state in which the candidate was worse: that counts, also when nobody could be told before it looked better again. */
  get decisive(): JudgeState | null {
    return this.#decisive;
  }

  /** Its judge begins, with what stable has been like. */
  begin(settings: JudgeSettings, past: readonly TrafficMinute[], record: LegRecord | null): void {
    this.#judge = judgeOf(settings);
    this.#state = this.#judge.start(past);
    this.#record = record;
  }

  /** Its judge goes on where another one ended: everything that was kept is looked at again, in the same order. */
  resume(kept: EvidenceRecord, record: LegRecord): void {
    this.begin(kept.settings, kept.past, record);
    for (const { traffic } of kept.seconds) {
      this.lastSecond = Math.max(this.lastSecond, traffic.second);
      this.#observe(traffic);
      this.book.add(traffic);
    }
  }

  /** Takes closed seconds in: kept first, then judged. Returns whether there were any. */
  take(seconds: readonly TrafficSecond[], position: Position): boolean {
    const fresh = seconds.filter(({ second }) => second > this.lastSecond);
    const seen: EvidenceSecond[] = fresh.map((second) => {
      this.lastSecond = Math.max(this.lastSecond, second.second);
      return { traffic: this.metrics?.attach(second) ?? second, ...position };
    });
    if (seen.length === 0) return false;
    this.#record?.append(seen);
    for (const { traffic } of seen) {
      this.#observe(traffic);
      this.book.add(traffic);
      this.window.addSecond(traffic, this.#hasTraffic(traffic));
    }
    return true;
  }

  /** Counts for people go on when there is nothing to judge any more. */
  show(seconds: readonly TrafficSecond[]): void {
    for (const second of seconds) {
      if (second.second <= this.lastSecond) continue;
      this.lastSecond = second.second;
      this.book.add(second);
    }
  }

  /** When the window is over with what has passed of a second, that is all it waits for: then the state with it, to be looked at once. */
  lookAhead(soFar: TrafficSecond, passedMs: number, missingMs: number): JudgeState | null {
    if (this.#judge === null || this.#state === null || soFar.second !== this.lastSecond + 1) return null;
    if (!this.window.addPart(soFar, passedMs, missingMs, this.#hasTraffic(soFar))) return null;
    return this.#judge.observe(this.#state, soFar);
  }

  judge(state: JudgeState): Judgement | null {
    return this.#judge?.judge(state) ?? null;
  }

  explain(state: JudgeState): Evidence | null {
    return this.#judge?.explain(state) ?? null;
  }

  #observe(second: TrafficSecond): void {
    if (this.#judge === null || this.#state === null) return;
    this.#state = this.#judge.observe(this.#state, second);
    if (this.#decisive === null && this.#judge.judge(this.#state).verdict === 'worse') this.#decisive = this.#state;
  }

  /** Somebody was on the candidate: users, copies of their requests, or synthetic ones. */
  #hasTraffic({ second, arms, mirror }: TrafficSecond): boolean {
    return arms.candidate.requests > 0 || (mirror?.pairs ?? 0) > 0 || (this.metrics?.hasJourneys(second) ?? false);
  }
}
