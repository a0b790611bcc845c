import type { DeploymentEvent } from './event.ts';
import type { DeploymentId, SlotRelease } from './plan.ts';
import { isCommitted, isFinal, type DeploymentState } from './state.ts';
import { step } from './step.ts';

/** What a service of an environment runs, as the journal knows it. */
export interface ServiceRecord {
  /** What users get; null before the first commit. */
  readonly live: SlotRelease | null;
  /** The old slot, while it still runs after a commit. */
  readonly warm: SlotRelease | null;
  /** UTC milliseconds of the last commit. */
  readonly liveSince: number | null;
  /** Releases that have been live, newest first, each once; the first is the live one. What was rolled back is not in it. */
  readonly history: readonly string[];
}

export const EMPTY_RECORD: ServiceRecord = { live: null, warm: null, liveSince: null, history: [] };

/** Everything the journal says about deployments: the fold of its entries. */
export class Ledger {
  readonly #deployments = new Map<DeploymentId, DeploymentState>();
  readonly #active = new Set<DeploymentId>();
  readonly #records = new Map<string, ServiceRecord>();
  #lastNumber = 0;

  get nextId(): DeploymentId {
    return `dep_${this.#lastNumber + 1}`;
  }

  deployment(id: DeploymentId): DeploymentState | null {
    return this.#deployments.get(id) ?? null;
  }

  /** Oldest first. */
  deployments(): IterableIterator<DeploymentState> {
    return this.#deployments.values();
  }

  /** Not ended yet, oldest first. */
  active(): readonly DeploymentState[] {
    return [...this.#active].flatMap((id) => this.#deployments.get(id) ?? []);
  }

  record(environment: string, service: string): ServiceRecord {
    return this.#records.get(`${environment}/${service}`) ?? EMPTY_RECORD;
  }

  /** Every service that has ever been deployed: environment, service, record. */
  *records(): Generator<{ readonly environment: string; readonly service: string; readonly record: ServiceRecord }> {
    for (const [key, record] of this.#records) {
      const [environment = '', service = ''] = key.split('/');
      yield { environment, service, record };
    }
  }

  /** The newest deployment that brought a release into a slot; null when none is known. */
  broughtBy(environment: string, service: string, { slot, release }: SlotRelease): DeploymentId | null {
    let newest: DeploymentId | null = null;
    for (const { plan } of this.#deployments.values()) {
      if (plan.environment !== environment) continue;
      const brings = plan.legs.some(
        (leg) => leg.service === service && leg.candidate.slot === slot && leg.candidate.release === release,
      );
      if (brings) newest = plan.id;
    }
    return newest;
  }

  /** A service has been taken away: nothing of it is live, and there is nothing to go back to. No deployment of it is active. */
  remove(environment: string, service: string): void {
    this.#records.delete(`${environment}/${service}`);
  }

  /** Folds an event of a deployment; for replay. */
  fold(id: DeploymentId, event: DeploymentEvent, now: number): void {
    this.put(step(this.deployment(id), event, now).state);
  }

  /** Takes a deployment's state over, and what follows from it for its services. */
  put(state: DeploymentState): void {
    const { id } = state.plan;
    const before = this.#deployments.get(id);
    this.#deployments.set(id, state);
    this.#lastNumber = Math.max(this.#lastNumber, Number(id.slice('dep_'.length)));
    if (isFinal(state.phase)) this.#active.delete(id);
    else this.#active.add(id);
    if (!isCommitted(state)) {
      // A rollback that is taken back stops the slot that it found warm.
      if (state.phase === 'reverted') this.#forget(state, (record, candidate) => record.warm?.slot === candidate.slot);
      return;
    }
    if (before === undefined || !isCommitted(before)) this.#commit(state);
    if (isFinal(state.phase) && !state.keepOldSlot) this.#forget(state, () => true);
  }

  #commit(state: DeploymentState): void {
    for (const leg of state.plan.legs) {
      const record = this.record(state.plan.environment, leg.service);
      const { release } = leg.candidate;
      this.#records.set(`${state.plan.environment}/${leg.service}`, {
        live: leg.candidate,
        warm: leg.stable,
        liveSince: state.committedAt,
        history: historyAfter(record.history, release, state.plan.kind === 'rollback'),
      });
    }
  }

  #forget(state: DeploymentState, applies: (record: ServiceRecord, candidate: SlotRelease) => boolean): void {
    for (const leg of state.plan.legs) {
      const key = `${state.plan.environment}/${leg.service}`;
      const record = this.#records.get(key);
      if (record !== undefined && applies(record, leg.candidate)) this.#records.set(key, { ...record, warm: null });
    }
  }
}

/** After going back, what was left behind is nothing to go back to. */
function historyAfter(history: readonly string[], release: string, isRollback: boolean): readonly string[] {
  const known = history.indexOf(release);
  if (isRollback && known !== -1) return history.slice(known);
  return [release, ...history.filter((old) => old !== release)];
}
