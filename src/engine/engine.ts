import type { Effect } from '../core/rollout/effect.ts';
import type { DeploymentEvent } from '../core/rollout/event.ts';
import type { Ledger } from '../core/rollout/ledger.ts';
import type { Operation } from '../core/rollout/operation.ts';
import type { DeploymentPlan } from '../core/rollout/plan.ts';
import { rebase } from '../core/rollout/plan-deployment.ts';
import { isCommitted, isFinal, type DeploymentState } from '../core/rollout/state.ts';
import { nextTimer, step, type StepResult } from '../core/rollout/step.ts';
import { DeploymentActiveError, StoreUnavailableError, VezaError } from '../errors.ts';
import type { Durability, Journal, NewEntry } from '../store/journal.ts';
import type { Clock } from './clock.ts';
import { ENDED, REMOVED, WORLD, type JournaledEnd, type JournaledEvent, type JournaledRemoval } from './entries.ts';

/** Carries out effects. Rejects with an error; `isUnavailable` tells whether the world said no or could not be asked. */
export interface Actor {
  act(effect: Effect, state: DeploymentState, signal: AbortSignal): Promise<void>;
  isUnavailable(error: unknown): boolean;
}

export interface EngineParts {
  readonly journal: Journal;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly actor: Actor;
  /** Fencing token of this control plane's lease. */
  readonly epoch: number;
  /** False: nobody can act in this environment now. Its deployments rest as they are, until `enter`. */
  readonly isOpen: (environment: string) => boolean;
  /** Called after every change of a deployment, once it is in the journal. */
  readonly onChange: (state: DeploymentState) => void;
  /** The journal could not be written (text), or can be again (null). */
  readonly onStore: (trouble: string | null) => void;
}

interface Running {
  readonly effect: Effect;
  readonly environment: string;
  readonly abort: AbortController;
}

/** While the store cannot be written nothing is started or moved; it is tried again this often. */
const STORE_RETRY_MS = 500;

/**
 * The imperative shell around `step`: journals what happened before it acts on it, carries out effects, keeps the timers,
 * and admits one deployment of a service at a time. Everything runs through one queue; nothing is awaited in between.
 */
export class Engine {
  readonly #parts: EngineParts;
  readonly #queue: { readonly id: string; readonly event: DeploymentEvent }[] = [];
  readonly #running = new Map<string, Running>();
  readonly #timers = new Map<string, () => void>();
  #draining = false;
  #storeRetry: (() => void) | null = null;
  #closed = false;

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  /** Goes on where the journal ends: takes the lease over in every active deployment and asks again for what is not done. */
  start(): void {
    this.#goOn(this.#parts.ledger.active().filter((state) => this.#parts.isOpen(state.plan.environment)));
  }

  /** An environment that has been opened (again): its deployments go on where they rested. */
  enter(environment: string): void {
    this.#goOn(this.#parts.ledger.active().filter((state) => state.plan.environment === environment));
  }

  /** An environment is let go: what is under way there is left, and nothing more is done until `enter`. */
  leave(environment: string): void {
    for (const state of this.#parts.ledger.active()) {
      if (state.plan.environment !== environment) continue;
      this.#timers.get(state.plan.id)?.();
      this.#timers.delete(state.plan.id);
    }
    for (const [effectId, { effect, abort, environment: where }] of this.#running) {
      if (where !== environment) continue;
      this.#running.delete(effectId);
      abort.abort(new Error(`${effect.kind}: ${environment} is being closed`));
    }
  }

  #goOn(states: readonly DeploymentState[]): void {
    for (const { epoch, plan } of states) {
      if (epoch < this.#parts.epoch) this.send(plan.id, { type: 'took-over', epoch: this.#parts.epoch });
      else {
        const state = this.#parts.ledger.deployment(plan.id);
        if (state === null) continue;
        this.#arm(state);
        for (const effect of Object.values(state.effects)) this.#run(plan.id, effect);
      }
    }
    this.#admit();
  }

  /**
   * Journals a deployment; it begins when no other deployment of its services is active. What is active is superseded,
   * waited for, or in the way, as the plan says.
   *
   * @throws DeploymentActiveError when the plan's `onNew` is `refuse` and a service is taken
   * @throws StoreUnavailableError when the journal cannot be written
   */
  request(plan: DeploymentPlan): DeploymentState {
    const { ledger, epoch } = this.#parts;
    const inTheWay = this.#conflicts(plan);
    // What has committed is never in the way of a newcomer: it only has its old slot to put away.
    const uncommitted = inTheWay.find((state) => !isCommitted(state));
    if (plan.onNew === 'refuse' && uncommitted !== undefined) {
      throw new DeploymentActiveError(
        uncommitted.plan.id,
        uncommitted.phase,
        uncommitted.plan.legs.map((leg) => leg.service),
      );
    }
    const result = this.#apply(plan.id, { type: 'requested', plan, epoch });
    for (const state of inTheWay) {
      if (plan.onNew === 'queue' && !isCommitted(state)) continue;
      this.send(state.plan.id, { type: 'superseded', by: plan.id, keepOldSlot: this.#wantsOldSlot(plan, state) });
    }
    this.#admit();
    return ledger.deployment(plan.id) ?? result.state;
  }

  /** A person's operation; takes effect before anything that is queued. Answers with the refusal, if it is one. */
  operate(id: string, operation: Operation, by: string): StepResult {
    const result = this.#apply(id, { type: 'operation', operation, by });
    this.#drain();
    return result;
  }

  /** Something has been observed of a deployment. */
  send(id: string, event: DeploymentEvent): void {
    this.#queue.push({ id, event });
    this.#drain();
  }

  /** Appends an entry that belongs to no deployment. */
  record(kind: string, body: unknown, durability: Durability): void {
    const { journal, clock, epoch } = this.#parts;
    journal.append([{ time: clock.now(), stream: WORLD, kind, body, epoch }], durability);
  }

  /**
   * Journals that a service is taken away. From then on nothing of it is wanted; it may be deployed again as if it had
   * never been.
   *
   * @throws RangeError when a deployment of it is active
   * @throws StoreUnavailableError when the journal cannot be written; then nothing has changed
   */
  remove(environment: string, service: string, by: string): void {
    const { ledger } = this.#parts;
    const active = ledger
      .active()
      .find(({ plan }) => plan.environment === environment && plan.legs.some((leg) => leg.service === service));
    if (active !== undefined) throw new RangeError(`${active.plan.id} of ${service} is active`);
    this.record(REMOVED, { environment, service, by } satisfies JournaledRemoval, 'durable');
    ledger.remove(environment, service);
  }

  /** Stops acting; what is under way is left to the next control plane. */
  close(): void {
    this.#closed = true;
    this.#storeRetry?.();
    for (const cancel of this.#timers.values()) cancel();
    for (const { abort } of this.#running.values()) abort.abort(new Error('the control plane is closing'));
    this.#timers.clear();
    this.#running.clear();
  }

  #drain(): void {
    if (this.#draining || this.#closed || this.#storeRetry !== null) return;
    this.#draining = true;
    try {
      for (let next = this.#queue[0]; next !== undefined && !this.#closed; next = this.#queue[0]) {
        try {
          this.#apply(next.id, next.event);
        } catch (error) {
          if (!(error instanceof StoreUnavailableError)) throw error;
          this.#waitForStore(error);
          return;
        }
        this.#queue.shift();
      }
    } finally {
      this.#draining = false;
    }
  }

  #waitForStore(error: StoreUnavailableError): void {
    this.#parts.onStore(error.message);
    const cancel = this.#parts.clock.after(STORE_RETRY_MS, () => {
      this.#storeRetry = null;
      this.#drain();
      if (this.#storeRetry === null) {
        this.#parts.onStore(null);
        this.#admit();
      }
    });
    this.#storeRetry = cancel;
  }

  #apply(id: string, event: DeploymentEvent): StepResult {
    const { ledger, clock } = this.#parts;
    const now = clock.now();
    const before = ledger.deployment(id);
    if (before === null && event.type !== 'requested') throw new RangeError(`unknown deployment ${id}`);
    const result = step(before, event, now);
    if (!result.changed) {
      // Too early after all; without another one the deployment would wait for ever.
      if (event.type === 'timer') this.#arm(result.state);
      return result;
    }
    this.#journal(id, event, before, result, now);
    ledger.put(result.state);
    this.#cancelForgotten(id, result.state);
    this.#arm(result.state);
    this.#parts.onChange(result.state);
    for (const effect of result.effects) this.#run(id, effect);
    if (isFinal(result.state.phase)) this.#admit();
    return result;
  }

  /** Before anything is done about it: what happened, and which effects it requests. */
  #journal(id: string, event: DeploymentEvent, before: DeploymentState | null, result: StepResult, now: number): void {
    const { journal, epoch } = this.#parts;
    const { effects: requests } = result;
    const about = 'id' in event ? (before?.effects[event.id] ?? null) : null;
    const entries: NewEntry[] = [
      { time: now, stream: id, kind: event.type, body: { event, about, requests } satisfies JournaledEvent, epoch },
    ];
    const ended = isFinal(result.state.phase);
    if (ended)
      entries.push({ time: now, stream: id, kind: ENDED, body: { state: result.state } satisfies JournaledEnd, epoch });
    // Observations that ask for nothing may be lost with the machine's power: they are observed again.
    const mayBeLost = requests.length === 0 && !ended && (event.type === 'slot-observed' || event.type === 'analysis');
    journal.append(entries, mayBeLost ? 'relaxed' : 'durable');
  }

  #cancelForgotten(id: string, state: DeploymentState): void {
    for (const [effectId, { effect, abort }] of this.#running) {
      const forgotten = effect.kind !== 'alarm' && !(effectId in state.effects);
      if (effectId.startsWith(`${id}/`) && forgotten) {
        this.#running.delete(effectId);
        abort.abort(new Error(`${effect.kind} is not wanted any more`));
      }
    }
  }

  #arm(state: DeploymentState): void {
    const { id } = state.plan;
    this.#timers.get(id)?.();
    this.#timers.delete(id);
    const at = nextTimer(state);
    if (at === null) return;
    const cancel = this.#parts.clock.after(at - this.#parts.clock.now(), () => {
      this.#timers.delete(id);
      const current = this.#parts.ledger.deployment(id);
      const due = current === null ? null : nextTimer(current);
      if (due !== null && due > this.#parts.clock.now() && current !== null) this.#arm(current);
      else this.send(id, { type: 'timer' });
    });
    this.#timers.set(id, cancel);
  }

  #run(id: string, effect: Effect): void {
    const { actor, epoch, ledger } = this.#parts;
    const state = ledger.deployment(id);
    if (state === null || this.#closed || this.#running.has(effect.id)) return;
    if (effect.kind === 'commit') {
      // The entry that confirms the commit is the commit.
      this.send(id, { type: 'committed', id: effect.id, epoch });
      return;
    }
    const abort = new AbortController();
    this.#running.set(effect.id, { effect, environment: state.plan.environment, abort });
    actor.act(effect, state, abort.signal).then(
      () => this.#answer(id, effect, { type: 'effect-done', id: effect.id, epoch }),
      (error: unknown) => {
        const cause = actor.isUnavailable(error) ? 'unavailable' : 'refused';
        this.#answer(id, effect, {
          type: 'effect-failed',
          id: effect.id,
          epoch,
          cause,
          reason: reasonOf(error, cause === 'refused'),
        });
      },
    );
  }

  #answer(id: string, effect: Effect, event: DeploymentEvent): void {
    // Not in the list: nobody waits for it any more.
    if (!this.#running.delete(effect.id) || this.#closed || effect.kind === 'alarm') return;
    this.send(id, event);
  }

  #conflicts(plan: DeploymentPlan): readonly DeploymentState[] {
    const services = new Set(plan.legs.map((leg) => leg.service));
    return this.#parts.ledger
      .active()
      .filter(
        (state) =>
          state.plan.id !== plan.id &&
          state.plan.environment === plan.environment &&
          state.plan.legs.some((leg) => services.has(leg.service)),
      );
  }

  /** A rollback to what is still warm takes the slot over instead of having it stopped. */
  #wantsOldSlot(plan: DeploymentPlan, state: DeploymentState): boolean {
    if (plan.kind !== 'rollback' || state.stage !== 'warm') return false;
    return state.plan.legs.every((leg) => {
      const wanted = plan.legs.find((candidate) => candidate.service === leg.service);
      return wanted !== undefined && leg.stable !== null && wanted.candidate.release === leg.stable.release;
    });
  }

  /** Lets every deployment begin whose services are free, oldest first. */
  #admit(): void {
    const { ledger } = this.#parts;
    if (this.#closed) return;
    const taken = new Set<string>();
    for (const state of ledger.active()) {
      const keys = state.plan.legs.map((leg) => `${state.plan.environment}/${leg.service}`);
      const mayBegin = state.phase === 'pending' && this.#parts.isOpen(state.plan.environment);
      if (mayBegin && !keys.some((key) => taken.has(key))) {
        const legs = rebase(state.plan, (service) => ledger.record(state.plan.environment, service));
        this.send(state.plan.id, { type: 'admitted', legs });
      }
      for (const key of keys) taken.add(key);
    }
  }
}

/** What failed, in words; with what to do next when it is the end of it. */
function reasonOf(error: unknown, isFinal: boolean): string {
  if (!(error instanceof Error)) return String(error);
  const hint = isFinal && error instanceof VezaError ? error.hint : null;
  return hint === null ? error.message : `${error.message} ${hint}`;
}
