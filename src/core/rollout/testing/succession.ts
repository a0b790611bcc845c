import type { ReleaseId } from '../../release/release.ts';
import { otherSlot, type Slot } from '../../slot.ts';
import type { DeploymentEvent } from '../event.ts';
import { Ledger } from '../ledger.ts';
import type { DeploymentPlan } from '../plan.ts';
import { rebase } from '../plan-deployment.ts';
import { isCommitted, isFinal, type DeploymentState } from '../state.ts';
import { nextTimer, step } from '../step.ts';
import { brokenBy } from './invariants.ts';
import { movesOf, type Move, type Scene } from './moves.ts';
import { testLeg, testPlan } from './plans.ts';
import { beginScene, describeMove, describeScene, play } from './play.ts';
import { disturbed } from './scenarios.ts';

const rollout = { step, nextTimer };
const SERVICE = 'api';

/**
 * Deployments of one service, one after another, newer ones superseding older ones, over one ledger and one pair of slots.
 * Who may begin is decided as the engine does it: the oldest, when no other has begun and not ended.
 */
export class Succession {
  readonly ledger = new Ledger();
  readonly trace: string[] = [];
  readonly #scenes = new Map<string, Scene>();
  /** What runs in each slot. */
  readonly #slots: Record<Slot, string | null> = { blue: null, green: null };

  request(kind: 'planned' | 'rollback'): void {
    const { live, history } = this.#record();
    const back = history[1];
    if (kind === 'rollback' && back === undefined) return;
    const id = this.ledger.nextId;
    const release = (kind === 'rollback' ? back : `rel_${id}`) as ReleaseId;
    const slot = live === null ? 'blue' : otherSlot(live.slot);
    const plan = testPlan([testLeg(SERVICE, { stable: live, candidate: { slot, release } })], { id, kind });
    this.trace.push(`${id} requested: ${kind} of ${release}`);
    const older = this.ledger.active();
    this.#scenes.set(id, beginScene(rollout, plan, disturbed(1_000, {})));
    this.#put(id);
    for (const state of older) {
      const keepOldSlot =
        kind === 'rollback' && state.stage === 'warm' && state.plan.legs[0]?.stable?.release === release;
      this.#move(state.plan.id, { type: 'superseded', by: id, keepOldSlot });
    }
    this.#admit();
  }

  /** One thing happens to the deployment that has begun. */
  happen(which: number, disturb: boolean): void {
    const [state] = this.ledger.active();
    if (state === undefined || state.phase === 'pending') return;
    const scene = this.#scene(state.plan.id);
    const moves = movesOf(scene, nextTimer(scene.state)).filter(
      (move) => isOurs(move) && (disturb || move.costs === null),
    );
    const move = moves[disturb ? which % Math.max(1, moves.length) : 0];
    if (move !== undefined) this.#play(state.plan.id, move);
    this.#admit();
  }

  #move(id: string, event: DeploymentEvent): void {
    this.#play(id, { do: 'event', event, costs: null });
  }

  #play(id: string, move: Move): void {
    const transition = play(rollout, this.#scene(id), move);
    this.trace.push(`${id}: ${describeMove(move)} => ${describeScene(transition.after)}`);
    const broken = brokenBy(transition);
    if (broken !== null) this.fail(`${id}: ${broken}`);
    for (const effect of transition.result?.effects ?? []) {
      if (effect.kind === 'scale') this.#slots[effect.slot] = effect.release;
      if (effect.kind !== 'stop') continue;
      if (this.#record().live?.slot === effect.slot) this.fail(`${id} stops ${effect.slot}, which is live`);
      this.#slots[effect.slot] = null;
    }
    this.#scenes.set(id, transition.after);
    this.#put(id);
  }

  #admit(): void {
    const [oldest, ...younger] = this.ledger.active();
    if (oldest?.phase === 'pending') {
      const legs = rebase(oldest.plan, (service) => this.ledger.record('production', service));
      this.#checkBeginning(legs);
      this.#move(oldest.plan.id, { type: 'admitted', legs });
    }
    const begun = younger.filter((state) => state.phase !== 'pending');
    if (begun.length > 0) this.fail(`${begun.length + 1} deployments at once`);
  }

  /** What is stable serves, and what is said to be warm runs. */
  #checkBeginning([leg]: DeploymentPlan['legs']): void {
    const { live } = this.#record();
    if (leg === undefined) return;
    if (leg.stable !== live || leg.candidate.slot === live?.slot) this.fail('begins beside what is live');
    if (live !== null && this.#slots[live.slot] !== live.release)
      this.fail(`${live.slot} does not run ${live.release}`);
    if (leg.warm && this.#slots[leg.candidate.slot] !== leg.candidate.release)
      this.fail('what is called warm does not run');
  }

  #put(id: string): void {
    const { state, world } = this.#scene(id);
    this.ledger.put(state);
    if (!isFinal(state.phase)) return;
    const serves = world.legs[0]?.weight;
    const expected = isCommitted(state) ? 100 : 0;
    if (serves !== expected) this.fail(`${id} ended ${state.phase}, and the router has ${serves} % on its candidate`);
    const wanted = isCommitted(state) ? state.plan.legs[0]?.candidate : state.plan.legs[0]?.stable;
    if (wanted?.release !== this.#record().live?.release)
      this.fail(`${id} ended ${state.phase}, and the ledger says otherwise`);
  }

  #record() {
    return this.ledger.record('production', SERVICE);
  }

  #scene(id: string): Scene {
    const scene = this.#scenes.get(id);
    if (scene === undefined) throw new RangeError(id);
    return scene;
  }

  fail(text: string): never {
    throw new Error(`${text}\n  ${this.trace.join('\n  ')}`);
  }

  /** Releases that users may get, by the routes that are in force or still on their way. */
  get serving(): ReadonlySet<string> {
    const begun = this.ledger.active().find(({ phase }) => phase !== 'pending');
    const { live } = this.#record();
    if (begun === undefined) return new Set(live === null ? [] : [live.release]);
    const { state, world } = this.#scene(begun.plan.id);
    const [plan] = state.plan.legs;
    const weights = [...world.legs, ...world.flying].map(({ weight }) => weight);
    return new Set([
      ...(plan !== undefined && weights.some((weight) => weight > 0) ? [plan.candidate.release] : []),
      ...(plan?.stable && weights.some((weight) => weight < 100) ? [plan.stable.release] : []),
    ]);
  }

  get isWarm(): boolean {
    return this.ledger.active().some((state) => state.stage === 'warm');
  }

  get states(): readonly DeploymentState[] {
    return [...this.ledger.deployments()];
  }
}

/** Superseding is what a succession does itself. */
const isOurs = (move: Move): boolean => move.do !== 'event' || move.event.type !== 'superseded';

/** What happens next to a succession. */
export type Turn =
  | 'planned'
  | 'rollback'
  | 'rollback while warm'
  | { readonly which: number; readonly disturb: boolean };

/** Everything that can happen next, by number: mostly what is due. */
export function turnOf(number: number): Turn {
  const which = Math.floor(number / 100);
  const sort = number % 100;
  if (sort < 2) return 'planned';
  if (sort < 3) return 'rollback';
  if (sort < 14) return 'rollback while warm';
  return { which, disturb: sort < 20 };
}

/** @returns whether somebody asked for a deployment */
export function take(succession: Succession, turn: Turn): boolean {
  if (typeof turn === 'object') {
    succession.happen(turn.which, turn.disturb);
    return false;
  }
  if (turn !== 'rollback while warm') succession.request(turn);
  else if (succession.isWarm) succession.request('rollback');
  return true;
}
