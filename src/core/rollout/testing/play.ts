import type { Effect } from '../effect.ts';
import type { DeploymentEvent } from '../event.ts';
import type { DeploymentPlan } from '../plan.ts';
import type { DeploymentState } from '../state.ts';
import type { StepResult } from '../step.ts';
import type { Budget, Disturbance, Move, Scene } from './moves.ts';
import { afterStep, beginWorld, land, pass, perform, type World } from './world.ts';

/** The functions under test; a mutated copy has the same shape. */
export interface Rollout {
  step(state: DeploymentState | null, event: DeploymentEvent, now: number): StepResult;
  nextTimer(state: DeploymentState): number | null;
}

/** What a move has led to. `event` and `result` are null when only the world has moved. */
export interface Transition {
  readonly before: Scene;
  readonly move: Move;
  readonly event: DeploymentEvent | null;
  readonly result: StepResult | null;
  readonly after: Scene;
}

export const BEGINNING = 1_000_000;

export function beginScene(rollout: Rollout, plan: DeploymentPlan, budget: Budget): Scene {
  const { state } = rollout.step(null, { type: 'requested', plan, epoch: 1 }, BEGINNING);
  return { state, world: beginWorld(plan), budget, now: BEGINNING };
}

/** Lets one thing happen. */
export function play(rollout: Rollout, before: Scene, move: Move): Transition {
  const budget = move.costs === null ? before.budget : pay(before.budget, move.costs);
  const now = move.do === 'time' ? move.to : before.now;
  if (move.do === 'happen') {
    const world = markHappened(perform(before.world, move.effect, before.state), move.effect);
    return { before, move, event: null, result: null, after: { ...before, budget, world } };
  }
  if (move.do === 'lose') {
    const done = perform(before.world, move.effect, before.state);
    const world = { ...markHappened(done, move.effect), lost: new Set([...done.lost, move.effect.id]) };
    return { before, move, event: null, result: null, after: { ...before, budget, world } };
  }
  if (move.do === 'land') {
    return {
      before,
      move,
      event: null,
      result: null,
      after: { ...before, budget, world: land(before.world, move.write) },
    };
  }
  const event = eventOf(move, before.state);
  const result = rollout.step(before.state, event, now);
  const touched = move.do === 'answer' ? answered(before, move) : before.world;
  const settled = move.do === 'answer' && move.as !== 'unavailable' && move.as !== 'refused' ? move.effect.id : null;
  const world = afterStep(touched, before.state, result, settled);
  return { before, move, event, result, after: { state: result.state, world, budget, now } };
}

const pay = (budget: Budget, cost: Disturbance): Budget => ({
  ...budget,
  [cost]: budget[cost] - 1,
  any: budget.any - 1,
});

const markHappened = (world: World, effect: Effect): World => ({
  ...world,
  happened: new Set([...world.happened, effect.id]),
});

function answered({ world, state }: Scene, move: Extract<Move, { do: 'answer' }>): World {
  const { effect, as } = move;
  if (as === 'refused' || as === 'unavailable') return world;
  const done = world.happened.has(effect.id) ? world : perform(world, effect, state);
  if (as === 'unavailable-done') return markHappened(done, effect);
  return effect.kind === 'check-policy' ? pass(done, effect.leg) : done;
}

function eventOf(move: Extract<Move, { do: 'answer' | 'event' | 'time' }>, state: DeploymentState): DeploymentEvent {
  if (move.do === 'event') return move.event;
  if (move.do === 'time') return { type: 'timer' };
  const { id, kind } = move.effect;
  const { epoch } = state;
  if (move.as === 'done') return { type: kind === 'commit' ? 'committed' : 'effect-done', id, epoch };
  const cause = move.as === 'refused' ? 'refused' : 'unavailable';
  return { type: 'effect-failed', id, epoch, cause, reason: `${kind} ${cause}` };
}

/** A move in a few words, for traces. */
export function describeMove(move: Move): string {
  const mark = move.costs === null ? '' : '  !';
  switch (move.do) {
    case 'answer':
      return `${effectText(move.effect)} -> ${move.as}${mark}`;
    case 'happen':
      return `${effectText(move.effect)} is carried out, answer later${mark}`;
    case 'lose':
      return `${effectText(move.effect)} is carried out, its answer is lost${mark}`;
    case 'land':
      return `forgotten write arrives: leg ${move.write.leg} at ${move.write.weight} %${move.write.mirror ? ', copies' : ''}`;
    case 'time':
      return `time passes, timer${mark}`;
    case 'event':
      return `${eventText(move.event)}${mark}`;
  }
}

function eventText(event: DeploymentEvent): string {
  switch (event.type) {
    case 'slot-observed':
      return `${event.arm} of leg ${event.leg}: ${event.ready} ready${event.fault === null ? '' : ', crash loop'}`;
    case 'analysis':
      return `counts of leg ${event.leg}: ${event.verdict}${event.stableBroken ? ', stable broken' : ''}${event.trafficMs === 0 ? ', no traffic' : ''}`;
    case 'condition':
      return `${event.condition} ${event.holds ? 'begins' : 'is over'}`;
    case 'operation':
      return `a person: ${event.operation.kind}${event.operation.kind === 'promote' ? ` ${event.operation.to}` : ''}`;
    case 'superseded':
      return `superseded${event.keepOldSlot ? ', keeps the old slot' : ''}`;
    case 'took-over':
      return `crash: epoch ${event.epoch} takes over`;
    default:
      return event.type;
  }
}

export function effectText(effect: Effect): string {
  const detail =
    effect.kind === 'route'
      ? ` ${effect.weight} %${effect.mirror === true ? ', copies' : ''}`
      : effect.kind === 'scale'
        ? ` ${effect.slot} ${effect.count}`
        : effect.kind === 'drain' || effect.kind === 'stop'
          ? ` ${effect.slot}`
          : effect.kind === 'alarm'
            ? ` ${effect.severity}`
            : '';
  return `${effect.kind}${detail} (leg ${effect.leg})`;
}

/** Where a deployment stands, in a few words, for traces. */
export function describeScene({ state, world }: Scene): string {
  const legs = state.legs.map((leg, index) => {
    const weight = leg.routing === null ? `${leg.weight}` : `${leg.weight}>${leg.routing}`;
    return `${weight}% of ${leg.candidateReady}/${leg.wanted} (router ${world.legs[index]?.weight ?? 0}%${world.legs[index]?.mirror === true ? ', copies' : ''})`;
  });
  const holds = state.holds.length === 0 ? '' : ` held: ${state.holds.map((held) => held.reason).join(', ')}`;
  return `${state.phase}${state.phase === 'stepping' ? ` ${state.step}` : ''}/${state.stage} [${legs.join(' | ')}]${holds}`;
}
