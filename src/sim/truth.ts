import { isDeepStrictEqual } from 'node:util';
import { Ledger } from '../core/rollout/ledger.ts';
import { isCommitted, isFinal, type DeploymentState } from '../core/rollout/state.ts';
import { ENDED, WORLD, type JournaledEnd, type JournaledEvent } from '../engine/entries.ts';
import { recover } from '../engine/recover.ts';
import type { Entry, Journal } from '../store/journal.ts';
import type { Report } from './report.ts';

/** What the journal says, folded entry by entry as it is written: the measure of everything that the world does. */
export class Truth {
  readonly #report: Report;
  #ledger = new Ledger();
  /** Deployments that people were told have committed. */
  readonly #acknowledged = new Set<string>();

  constructor(report: Report) {
    this.#report = report;
  }

  get ledger(): Ledger {
    return this.#ledger;
  }

  /** @returns deployments that the entries are about, as they are now */
  take(entries: readonly Entry[]): readonly DeploymentState[] {
    const changed: DeploymentState[] = [];
    for (const entry of entries) {
      if (entry.stream === WORLD) continue;
      if (entry.kind === ENDED) this.#takeEnd(entry);
      else {
        const { event } = entry.body as unknown as JournaledEvent;
        this.#ledger.fold(entry.stream, event, entry.time);
        const state = this.#ledger.deployment(entry.stream);
        if (state !== null) changed.push(state);
      }
    }
    this.#oneAtATime();
    return changed;
  }

  /** After a power cut: what was lost has not happened. */
  replace(journal: Journal): void {
    this.#ledger = recover(journal);
    for (const id of this.#acknowledged) {
      const state = this.#ledger.deployment(id);
      if (state === null || !isCommitted(state)) {
        this.#report.fail(
          'what people were told is durable',
          `${id} was said to have committed, the journal has lost it`,
        );
      }
    }
  }

  acknowledge(state: DeploymentState): void {
    if (isCommitted(state)) this.#acknowledged.add(state.plan.id);
  }

  /** Is what the engine believes what its journal says? */
  compare(who: string, engine: Ledger): void {
    for (const state of this.#ledger.active()) {
      const believed = engine.deployment(state.plan.id);
      if (believed === null || !isDeepStrictEqual(believed, state)) {
        this.#report.fail(
          'folding the journal gives the state of the engine',
          `${who} believes ${state.plan.id} is ${believed?.phase ?? 'unknown'}/${believed?.stage ?? ''}, the journal says ${state.phase}/${state.stage}`,
        );
      }
    }
    for (const believed of engine.active()) {
      if (isFinal(this.#ledger.deployment(believed.plan.id)?.phase ?? 'refused')) {
        this.#report.fail(
          'folding the journal gives the state of the engine',
          `${who} believes ${believed.plan.id} is active`,
        );
      }
    }
  }

  /** Reads the whole journal as a new control plane would. */
  verify(journal: Journal): void {
    try {
      journal.verify();
    } catch (error) {
      this.#report.fail('the chain of the journal is intact', String(error));
      return;
    }
    const replayed = recover(journal);
    for (const state of this.#ledger.deployments()) {
      const again = replayed.deployment(state.plan.id);
      if (!isDeepStrictEqual(again, state)) {
        this.#report.fail(
          'replaying the journal gives the same state',
          `${state.plan.id}: ${state.phase}, replayed ${again?.phase ?? 'nothing'}`,
        );
      }
    }
    for (const { environment, service, record } of this.#ledger.records()) {
      const again = replayed.record(environment, service);
      if (!isDeepStrictEqual(again, record)) {
        this.#report.fail(
          'replaying the journal gives the same state',
          `${environment}/${service}: ${JSON.stringify(record)}, replayed ${JSON.stringify(again)}`,
        );
      }
    }
  }

  #takeEnd(entry: Entry): void {
    const { state } = entry.body as unknown as JournaledEnd;
    const folded = this.#ledger.deployment(entry.stream);
    if (!isDeepStrictEqual(folded, state)) {
      this.#report.fail(
        'folding the journal gives the state of the engine',
        `the end of ${entry.stream} is not the fold of its events`,
      );
    }
    this.#ledger.put(state);
  }

  #oneAtATime(): void {
    const taken = new Map<string, string>();
    for (const state of this.#ledger.active()) {
      if (state.phase === 'pending') continue;
      for (const leg of state.plan.legs) {
        const key = `${state.plan.environment}/${leg.service}`;
        const other = taken.get(key);
        if (other !== undefined)
          this.#report.fail('one active deployment a service', `${other} and ${state.plan.id} on ${key}`);
        taken.set(key, state.plan.id);
      }
    }
  }
}
