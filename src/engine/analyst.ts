import { limitsJudge, type LimitsState } from '../core/analysis/limits.ts';
import type { Judge, Judgement } from '../core/analysis/verdict.ts';
import type { Seen } from '../core/rollout/describe.ts';
import type { DeploymentEvent } from '../core/rollout/event.ts';
import { windowMs } from '../core/rollout/phases.ts';
import { isFinal, type DeploymentState } from '../core/rollout/state.ts';
import type { CurrentSecond, TrafficSecond } from '../core/traffic.ts';
import type { Service } from '../core/spec/platform.ts';
import type { Router } from '../drivers/router/router.ts';
import type { Clock } from './clock.ts';
import { TrafficBook } from './traffic-book.ts';

const POLL_MS = 500;
/** A router looks at its clock four times a second: asked so long after the end of a second it has closed it, mostly. */
const AFTER_SECOND_MS = 300;
/** An answer is told at least this often, so that a crash costs a watch window no more than this. */
const REPORT_MS = 5_000;
/** Without a closed second for this long while users are on the candidate, the counts are missing. */
const MISSING_AFTER_MS = 10_000;
/** So much later than it should be over, a window is looked at: clocks are not read at the same moment. */
const END_MARGIN_MS = 5;
/** A window that is not over yet is not looked at again before this time has passed. */
const LEAST_WAIT_MS = 50;
const SECOND_MS = 1_000;
/** So far back a judge looks. */
const LOOK_BACK_MS = 60_000;
const ENDED_BOOKS = 100;

interface Watched {
  readonly id: string;
  readonly leg: number;
  readonly service: string;
  readonly environment: string;
  readonly judge: Judge<LimitsState>;
  readonly book: TrafficBook;
  state: LimitsState;
  /** Last closed second that was taken in, in UTC seconds. */
  lastSecond: number;
  /** UTC milliseconds at which the last closed second arrived. */
  heardAt: number;
  missing: boolean;
  /** Seconds that began before this say nothing about the window that the deployment is in. */
  countsFrom: number;
  window: string;
  observedMs: number;
  trafficMs: number;
  told: string;
  busy: boolean;
  /** Cancels the look at the end of the window. */
  cancelEnd: () => void;
}

export interface AnalystParts {
  readonly clock: Clock;
  deployment(id: string): DeploymentState | null;
  router(environment: string): Router;
  service(state: DeploymentState, leg: number): Service;
  send(id: string, event: DeploymentEvent): void;
}

/** Reads the counts of every leg that users are on, lets its judge look at each closed second, and tells the deployment. */
export class Analyst {
  readonly #parts: AnalystParts;
  readonly #watched = new Map<string, Watched>();
  /** Books of deployments that have ended, oldest first. */
  readonly #ended = new Map<string, TrafficBook>();
  readonly #abort = new AbortController();
  #cancel: (() => void) | null = null;

  constructor(parts: AnalystParts) {
    this.#parts = parts;
  }

  close(): void {
    this.#abort.abort(new Error('the control plane is closing'));
    this.#cancel?.();
  }

  /** Counts of a leg for display; null while nobody has been on its candidate, and for what ended long ago. */
  book(id: string, leg: number): TrafficBook | null {
    const key = `${id}/${leg}`;
    return this.#watched.get(key)?.book ?? this.#ended.get(key) ?? null;
  }

  /** Counts of the window that a leg is in, as far as the deployment has not been told them; null while nobody looks. */
  seen(id: string, leg: number): Seen | null {
    const watched = this.#watched.get(`${id}/${leg}`);
    if (watched === undefined) return null;
    const { observedMs, trafficMs, countsFrom, lastSecond } = watched;
    return { observedMs, trafficMs, upTo: Math.max(countsFrom, (lastSecond + 1) * SECOND_MS) };
  }

  /** An environment is let go: nobody can be asked for its counts. */
  leave(environment: string): void {
    for (const [key, watched] of this.#watched) if (watched.environment === environment) this.#putAway(key);
  }

  #putAway(key: string): void {
    const watched = this.#watched.get(key);
    if (watched === undefined) return;
    watched.cancelEnd();
    this.#watched.delete(key);
    this.#ended.set(key, watched.book);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > ENDED_BOOKS && oldest !== undefined) this.#ended.delete(oldest);
  }

  /** To be told of every change of a deployment. */
  changed(state: DeploymentState): void {
    state.legs.forEach((leg, index) => {
      const key = `${state.plan.id}/${index}`;
      if (isFinal(state.phase)) this.#putAway(key);
      else if (leg.exposed && !this.#watched.has(key)) this.#watch(key, state, index);
      const watched = this.#watched.get(key);
      if (watched !== undefined) this.#openWindow(watched, state);
    });
    if (this.#watched.size > 0 && this.#cancel === null) this.#poll();
  }

  #watch(key: string, state: DeploymentState, leg: number): void {
    const plan = state.plan.legs[leg];
    if (plan === undefined) return;
    const judge = limitsJudge(this.#parts.service(state, leg).strategy.limits);
    const now = this.#parts.clock.now();
    this.#watched.set(key, {
      id: state.plan.id,
      leg,
      service: plan.service,
      environment: state.plan.environment,
      judge,
      book: new TrafficBook(),
      state: judge.start(),
      // After a takeover the judge sees again what the router has kept of this phase; no window gets longer by it.
      lastSecond: Math.floor(Math.max(Math.min(state.since, now), now - LOOK_BACK_MS) / SECOND_MS) - 1,
      heardAt: now,
      missing: false,
      countsFrom: now,
      window: '',
      observedMs: 0,
      trafficMs: 0,
      told: '',
      busy: false,
      cancelEnd: () => {},
    });
  }

  #openWindow(watched: Watched, state: DeploymentState): void {
    const window = `${state.phase}/${state.group}/${state.step}/${state.stage}`;
    if (window === watched.window) return;
    watched.window = window;
    watched.countsFrom = this.#parts.clock.now();
    watched.observedMs = 0;
    watched.trafficMs = 0;
    this.#armEnd(watched);
  }

  /** A window mostly ends within a second: looks again when it should be over, at what is counted of that second. */
  #armEnd(watched: Watched): void {
    watched.cancelEnd();
    const missing = this.#missing(watched);
    const router = this.#parts.router(watched.environment);
    // What lacks nothing but traffic waits for that, second by second.
    if (missing === null || missing === 0 || router.current === undefined) return;
    const { clock } = this.#parts;
    const seenUpTo = Math.max(watched.countsFrom, (watched.lastSecond + 1) * SECOND_MS);
    const wait = Math.max(LEAST_WAIT_MS, seenUpTo + missing - clock.now() + END_MARGIN_MS);
    watched.cancelEnd = clock.after(wait, () => void this.#lookAtEnd(watched));
  }

  async #lookAtEnd(watched: Watched): Promise<void> {
    await this.#read(watched);
    const isWatched = this.#watched.get(`${watched.id}/${watched.leg}`) === watched;
    if (isWatched && !this.#abort.signal.aborted) this.#armEnd(watched);
  }

  /** Milliseconds that are still to be observed in the window; null while there is none. */
  #missing(watched: Watched): number | null {
    const state = this.#parts.deployment(watched.id);
    const leg = state?.legs[watched.leg];
    if (state === null || leg === undefined || isFinal(state.phase) || state.stage !== 'holding') return null;
    return Math.max(0, windowMs(state) - leg.observedMs - watched.observedMs);
  }

  #poll(): void {
    const untilNext = POLL_MS - ((this.#parts.clock.now() + POLL_MS - AFTER_SECOND_MS) % POLL_MS);
    this.#cancel = this.#parts.clock.after(untilNext, () => {
      this.#cancel = null;
      for (const watched of this.#watched.values()) void this.#read(watched);
      if (this.#watched.size > 0 && !this.#abort.signal.aborted) this.#poll();
    });
  }

  async #read(watched: Watched): Promise<void> {
    if (watched.busy) return;
    watched.busy = true;
    try {
      const router = this.#parts.router(watched.environment);
      const seconds = await router.traffic(watched.service, watched.lastSecond, this.#abort.signal);
      if (this.#abort.signal.aborted) return;
      this.#take(watched, seconds);
      const missing = this.#missing(watched);
      if (missing === null || missing === 0 || missing > SECOND_MS) return;
      const current = await router.current?.(watched.service, this.#abort.signal);
      if (!this.#abort.signal.aborted) this.#takeCurrent(watched, current ?? null);
    } catch {
      if (!this.#abort.signal.aborted) this.#take(watched, []);
    } finally {
      watched.busy = false;
    }
  }

  #take(watched: Watched, seconds: readonly TrafficSecond[]): void {
    const now = this.#parts.clock.now();
    for (const second of seconds) {
      if (second.second <= watched.lastSecond) continue;
      watched.lastSecond = second.second;
      watched.state = watched.judge.observe(watched.state, second);
      watched.book.add(second);
      // Of a second in which the window was opened, the part behind that counts.
      const within = Math.min(SECOND_MS, (second.second + 1) * SECOND_MS - watched.countsFrom);
      if (within <= 0) continue;
      watched.observedMs += within;
      if (second.arms.candidate.requests > 0) watched.trafficMs += within;
    }
    if (seconds.length > 0) watched.heardAt = now;
    this.#tellMissing(watched, now - watched.heardAt > MISSING_AFTER_MS);
    if (seconds.length > 0) this.#tell(watched, watched.judge.judge(watched.state));
  }

  /** When the window is over with what has passed of this second, that is all it waits for. Nothing else is made of it. */
  #takeCurrent(watched: Watched, current: CurrentSecond | null): void {
    const missing = this.#missing(watched);
    if (current === null || missing === null || missing === 0 || current.soFar.second !== watched.lastSecond + 1)
      return;
    const upTo = current.soFar.second * SECOND_MS + current.passedMs;
    const within = Math.min(current.passedMs, upTo - watched.countsFrom);
    if (within <= 0 || within < missing) return;
    watched.observedMs += within;
    if (current.soFar.arms.candidate.requests > 0) watched.trafficMs += within;
    watched.countsFrom = upTo;
    this.#tell(watched, watched.judge.judge(watched.judge.observe(watched.state, current.soFar)));
  }

  #tellMissing(watched: Watched, missing: boolean): void {
    if (missing === watched.missing) return;
    watched.missing = missing;
    this.#parts.send(watched.id, {
      type: 'condition',
      condition: 'metrics-missing',
      holds: missing,
      reason: `no counts of ${watched.service} for ${MISSING_AFTER_MS / 1_000} s while users may be on the candidate`,
    });
  }

  #tell(watched: Watched, judgement: Judgement): void {
    const told = `${judgement.verdict} ${judgement.stableBroken}`;
    const isNews = told !== watched.told;
    if (!isNews && watched.observedMs < REPORT_MS && !this.#endsWindow(watched)) return;
    const { observedMs, trafficMs } = watched;
    watched.told = told;
    watched.observedMs = 0;
    watched.trafficMs = 0;
    this.#parts.send(watched.id, { type: 'analysis', leg: watched.leg, observedMs, trafficMs, ...judgement });
  }

  /** Is what has been observed and not told yet what the deployment is waiting for? */
  #endsWindow(watched: Watched): boolean {
    const state = this.#parts.deployment(watched.id);
    const leg = state?.legs[watched.leg];
    if (state === null || leg === undefined || state.stage !== 'holding' || watched.observedMs === 0) return false;
    return leg.observedMs + watched.observedMs >= windowMs(state);
  }
}
