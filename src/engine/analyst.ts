import type { JudgeSettings, JudgeState } from '../core/analysis/judge.ts';
import type { Seen } from '../core/rollout/describe.ts';
import type { DeploymentEvent } from '../core/rollout/event.ts';
import type { LegPlan } from '../core/rollout/plan.ts';
import { neededMs } from '../core/rollout/phases.ts';
import { isCommitted, isFinal, type DeploymentState } from '../core/rollout/state.ts';
import type { Service } from '../core/spec/platform.ts';
import type { CurrentSecond, TrafficSecond } from '../core/traffic.ts';
import type { JourneyFailure, MetricScope, MetricSourceDriver } from '../drivers/metric/metric.ts';
import type { Router } from '../drivers/router/router.ts';
import { WatchedLeg, type Position } from './analyst-leg.ts';
import { LegMetrics } from './analyst-metrics.ts';
import { LegRecord } from './analyst-record.ts';
import { judgeSettingsOf } from './analyst-settings.ts';
import type { Clock } from './clock.ts';
import type { EvidenceBook } from './evidence-book.ts';
import type { TrafficBook } from './traffic-book.ts';
import type { TrafficHistory } from './traffic-history.ts';

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
/** So far back a judge looks of which nothing is kept: as far as a router does. */
const LOOK_BACK_MS = 15 * 60_000;
const ENDED_BOOKS = 100;

export interface AnalystParts {
  readonly clock: Clock;
  readonly evidence: EvidenceBook;
  readonly history: TrafficHistory;
  deployment(id: string): DeploymentState | null;
  router(environment: string): Router;
  service(state: DeploymentState, leg: number): Service;
  /** What a leg's metrics are asked of. */
  sources(state: DeploymentState, leg: number, signal: AbortSignal): Promise<ReadonlyMap<string, MetricSourceDriver>>;
  /** About whom; null while there is nobody. */
  scope(state: DeploymentState, leg: number): MetricScope | null;
  send(id: string, event: DeploymentEvent): void;
  /** Something that a person should know and that changes nothing, in words. */
  warn(text: string): void;
}

/**
 * Reads the counts of every leg that users or copies are on, keeps each closed second, lets the leg's judge look at it, and tells the
 * deployment. What a judge thinks is rebuilt from what was kept when the control plane was started anew.
 */
export class Analyst {
  readonly #parts: AnalystParts;
  readonly #watched = new Map<string, WatchedLeg>();
  readonly #settings = new Map<WatchedLeg, JudgeSettings>();
  /** What a leg waits for in its window, as it was when the look at the end was set. */
  readonly #needed = new Map<WatchedLeg, number>();
  /** Deployments that have been told that counts are missing. */
  readonly #toldMissing = new Set<string>();
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
    for (const { metrics, cancelEnd } of this.#watched.values()) {
      metrics?.close();
      cancelEnd();
    }
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
    const { window, lastSecond } = watched;
    const { observedMs, trafficMs, countsFrom } = window;
    return { observedMs, trafficMs, upTo: Math.max(countsFrom, (lastSecond + 1) * SECOND_MS) };
  }

  /** Metrics of a leg that cannot be asked now, in words. */
  notes(id: string, leg: number): readonly string[] {
    return this.#watched.get(`${id}/${leg}`)?.metrics?.troubles() ?? [];
  }

  /** The same of all legs, each with its service. */
  allNotes(): readonly string[] {
    return [...this.#watched.values()].flatMap(({ service, metrics }) =>
      (metrics?.troubles() ?? []).map((text) => `${service}: ${text}`),
    );
  }

  /** Runs of synthetic users of a leg that failed, newest last; none when nobody looks at it any more. */
  journeyFailures(id: string, leg: number): readonly JourneyFailure[] {
    return this.#watched.get(`${id}/${leg}`)?.metrics?.failures() ?? [];
  }

  /** An environment is let go: nobody can be asked for its counts. */
  leave(environment: string): void {
    for (const watched of this.#watched.values()) if (watched.environment === environment) this.#putAway(watched);
  }

  #putAway(watched: WatchedLeg): void {
    watched.cancelEnd();
    watched.metrics?.close();
    this.#watched.delete(watched.key);
    this.#settings.delete(watched);
    this.#needed.delete(watched);
    this.#ended.set(watched.key, watched.book);
    if (![...this.#watched.values()].some(({ id }) => id === watched.id)) this.#toldMissing.delete(watched.id);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > ENDED_BOOKS && oldest !== undefined) this.#ended.delete(oldest);
  }

  /** To be told of every change of a deployment. */
  changed(state: DeploymentState): void {
    state.legs.forEach((leg, index) => {
      const key = `${state.plan.id}/${index}`;
      const before = this.#watched.get(key);
      if (isFinal(state.phase)) {
        if (before !== undefined) this.#putAway(before);
        return;
      }
      if (before === undefined && leg.exposed) this.#watch(state, index);
      const watched = this.#watched.get(key);
      if (watched === undefined) return;
      if (!isAsked(state)) {
        watched.metrics?.close();
        watched.metrics = null;
      }
      this.#enterWindow(watched, state);
    });
    if (this.#watched.size > 0 && this.#cancel === null) this.#poll();
  }

  #watch(state: DeploymentState, leg: number): void {
    const plan = state.plan.legs[leg];
    if (plan === undefined) return;
    const { clock, evidence } = this.#parts;
    const { id, environment } = state.plan;
    const now = clock.now();
    const first = Math.floor(Math.max(Math.min(state.since, now), now - LOOK_BACK_MS) / SECOND_MS);
    const watched = new WatchedLeg({ deployment: id, leg, service: plan.service, environment }, first, now);
    this.#watched.set(watched.key, watched);
    if (isCommitted(state)) return;
    const held = state.holds.find(({ reason }) => reason === 'metrics-missing') ?? null;
    if (held !== null) {
      // As before a restart: until there are counts, and metrics have answered, nothing is known to be better.
      this.#toldMissing.add(id);
      watched.missing = held.text;
      watched.heardAt = Number.NEGATIVE_INFINITY;
    }
    const kept = evidence.read(id, leg);
    const declared = this.#parts.service(state, leg).strategy;
    const settings = kept === null || kept === 'unavailable' ? judgeSettingsOf(declared) : kept.settings;
    this.#settings.set(watched, settings);
    if (kept !== null && kept !== 'unavailable') watched.resume(kept, new LegRecord(evidence, kept, true));
    if (plan.stable === null || !isAsked(state)) return;
    watched.metrics = new LegMetrics(
      {
        clock,
        metrics: settings.analysis.metrics,
        sources: declared.analysis?.sources ?? {},
        open: (signal) => this.#parts.sources(state, leg, signal),
        scope: () => {
          const current = this.#parts.deployment(id);
          return current === null ? null : this.#parts.scope(current, leg);
        },
        warn: (text) => this.#parts.warn(`${id}: ${plan.service}: ${text}`),
      },
      held !== null,
    );
  }

  /** The judge of a leg of which nothing is kept begins: with what is known of stable up to the first second that it looks at. */
  #begin(watched: WatchedLeg, plan: LegPlan, seconds: readonly TrafficSecond[]): void {
    const settings = this.#settings.get(watched);
    if (settings === undefined) return;
    const { evidence, history } = this.#parts;
    const { id, leg, service, environment } = watched;
    const past = history.past(environment, service, watched.lastSecond + 1, seconds);
    const head = {
      deployment: id,
      leg,
      environment,
      service,
      stable: plan.stable?.release ?? null,
      candidate: plan.candidate.release,
      settings,
      past,
    };
    // What may be there and cannot be read is not gone on with: a record has no holes.
    const isUnknown = evidence.read(id, leg) === 'unavailable';
    watched.begin(settings, past, isUnknown ? null : new LegRecord(evidence, head, false));
  }

  #enterWindow(watched: WatchedLeg, state: DeploymentState): void {
    const name = `${state.phase}/${state.group}/${state.step}/${state.stage}`;
    const isNew = watched.window.enter(name, this.#parts.clock.now());
    const needed = neededMs(state, watched.leg);
    if (!isNew && needed === this.#needed.get(watched)) return;
    this.#needed.set(watched, needed);
    this.#armEnd(watched);
  }

  /** A window mostly ends within a second: looks again when it should be over, at what is counted of that second. */
  #armEnd(watched: WatchedLeg): void {
    watched.cancelEnd();
    const missing = this.#missing(watched);
    // What lacks nothing but traffic waits for that, second by second.
    if (missing === null || missing === 0) return;
    if (this.#parts.router(watched.environment).current === undefined) return;
    const { clock } = this.#parts;
    const seenUpTo = Math.max(watched.window.countsFrom, (watched.lastSecond + 1) * SECOND_MS);
    const wait = Math.max(LEAST_WAIT_MS, seenUpTo + missing - clock.now() + END_MARGIN_MS);
    watched.cancelEnd = clock.after(wait, () => void this.#lookAtEnd(watched));
  }

  async #lookAtEnd(watched: WatchedLeg): Promise<void> {
    await this.#read(watched);
    if (this.#isWatched(watched) && !this.#abort.signal.aborted) this.#armEnd(watched);
  }

  #isWatched(watched: WatchedLeg): boolean {
    return this.#watched.get(watched.key) === watched;
  }

  /** Milliseconds that are still to be observed in the window; null while there is none. */
  #missing(watched: WatchedLeg): number | null {
    const state = this.#parts.deployment(watched.id);
    const leg = state?.legs[watched.leg];
    if (state === null || leg === undefined || isFinal(state.phase) || state.stage !== 'holding') return null;
    return Math.max(0, neededMs(state, watched.leg) - leg.observedMs - watched.window.observedMs);
  }

  #poll(): void {
    const untilNext = POLL_MS - ((this.#parts.clock.now() + POLL_MS - AFTER_SECOND_MS) % POLL_MS);
    this.#cancel = this.#parts.clock.after(untilNext, () => {
      this.#cancel = null;
      for (const watched of this.#watched.values()) void this.#read(watched);
      if (this.#watched.size > 0 && !this.#abort.signal.aborted) this.#poll();
    });
  }

  async #read(watched: WatchedLeg): Promise<void> {
    if (watched.busy) return;
    watched.busy = true;
    try {
      const { service, environment } = watched;
      const router = this.#parts.router(environment);
      const isNew = watched.state === null && this.#settings.has(watched);
      const after = isNew
        ? this.#parts.history.unknownFrom(environment, service, watched.lastSecond + 1) - 1
        : watched.lastSecond;
      const seconds = await router.traffic(service, after, this.#abort.signal);
      if (this.#abort.signal.aborted || !this.#isWatched(watched)) return;
      const plan = this.#parts.deployment(watched.id)?.plan.legs[watched.leg];
      if (isNew && plan !== undefined) this.#begin(watched, plan, seconds);
      this.#take(watched, seconds);
      const missing = this.#missing(watched);
      if (missing === null || missing === 0 || missing > SECOND_MS) return;
      const current = await router.current?.(service, this.#abort.signal);
      if (!this.#abort.signal.aborted && this.#isWatched(watched)) this.#takeCurrent(watched, current ?? null);
    } catch {
      if (!this.#abort.signal.aborted && this.#isWatched(watched)) this.#take(watched, []);
    } finally {
      watched.busy = false;
    }
  }

  #take(watched: WatchedLeg, seconds: readonly TrafficSecond[]): void {
    const state = this.#parts.deployment(watched.id);
    if (state === null) return;
    if (isCommitted(state)) {
      // What was the candidate is stable now: there is nobody to compare with.
      watched.show(seconds);
      return;
    }
    const now = this.#parts.clock.now();
    const isNews = watched.take(seconds, positionOf(state, watched.leg));
    if (isNews) watched.heardAt = now;
    watched.missing =
      now - watched.heardAt > MISSING_AFTER_MS
        ? `no counts of ${watched.service} for ${MISSING_AFTER_MS / 1_000} s while users may be on the candidate`
        : (watched.metrics?.missing() ?? null);
    this.#tellMissing(watched.id);
    const seen = watched.decisive ?? watched.state;
    if (seen !== null && (isNews || watched.decisive !== null)) this.#tell(watched, seen);
  }

  /** When the window is over with what has passed of this second, that is all it waits for. Nothing else is made of it. */
  #takeCurrent(watched: WatchedLeg, current: CurrentSecond | null): void {
    const missing = this.#missing(watched);
    if (current === null || missing === null || missing === 0) return;
    const seen = watched.lookAhead(current.soFar, current.passedMs, missing);
    if (seen !== null) this.#tell(watched, watched.decisive ?? seen);
  }

  /** One condition a deployment, whichever of its legs lacks something. */
  #tellMissing(id: string): void {
    const lacking = [...this.#watched.values()].find((watched) => watched.id === id && watched.missing !== null);
    const holds = lacking !== undefined;
    if (holds === this.#toldMissing.has(id)) return;
    if (holds) this.#toldMissing.add(id);
    else this.#toldMissing.delete(id);
    const reason = lacking?.missing ?? 'there are counts again';
    this.#parts.send(id, { type: 'condition', condition: 'metrics-missing', holds, reason });
  }

  /** @param seen what the judge has seen: closed seconds, and what has passed of one at the end of a window */
  #tell(watched: WatchedLeg, seen: JudgeState): void {
    const judgement = watched.judge(seen);
    if (judgement === null) return;
    const told = `${judgement.verdict} ${judgement.stableBroken}`;
    const isNews = told !== watched.told;
    if (!isNews && watched.window.observedMs < REPORT_MS && !this.#endsWindow(watched)) return;
    watched.told = told;
    const evidence = watched.explain(seen);
    if (evidence === null) return;
    this.#parts.send(watched.id, {
      type: 'analysis',
      leg: watched.leg,
      ...watched.window.take(),
      ...judgement,
      evidence,
    });
  }

  /** Is what has been observed and not told yet what the deployment is waiting for? */
  #endsWindow(watched: WatchedLeg): boolean {
    return watched.window.observedMs > 0 && this.#missing(watched) === 0;
  }
}

/** Metrics are asked as long as the release may still become the stable one. */
const isAsked = (state: DeploymentState): boolean =>
  !isCommitted(state) && state.phase !== 'reverting' && state.phase !== 'stuck';

const positionOf = (state: DeploymentState, leg: number): Position => ({
  weight: state.legs[leg]?.weight ?? 0,
  phase: state.phase,
  step: state.step,
});
