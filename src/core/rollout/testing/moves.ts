import type { ArmEvidence, Evidence } from '../../analysis/verdict.ts';
import type { Effect } from '../effect.ts';
import type { Condition, DeploymentEvent } from '../event.ts';
import type { Operation } from '../operation.ts';
import { isCommitted, isFinal, type DeploymentState } from '../state.ts';
import { isRouterWrite, type Flying, type World } from './world.ts';

/** How often each kind of disturbance may still happen; `any` bounds all of them together. Part of the explored state. */
export type Budget = Readonly<Record<Disturbance | 'any', number>>;

export const DISTURBANCES = [
  'crash',
  'operation',
  'supersede',
  'failure',
  'late',
  'lost',
  'death',
  'stable',
  'verdict',
  'condition',
  'jump',
] as const;

export type Disturbance = (typeof DISTURBANCES)[number];

/** A deployment and the world around it. */
export interface Scene {
  readonly state: DeploymentState;
  readonly world: World;
  readonly budget: Budget;
  /** UTC milliseconds. */
  readonly now: number;
}

/** One thing that can happen next. `costs`: null for what an obliging world does by itself. */
export type Move = { readonly costs: Disturbance | null } & (
  | {
      readonly do: 'answer';
      readonly effect: Effect;
      readonly as: 'done' | 'refused' | 'unavailable' | 'unavailable-done';
    }
  /** It is carried out now and answered later. */
  | { readonly do: 'happen'; readonly effect: Effect }
  /** It is carried out, and its answer never comes. */
  | { readonly do: 'lose'; readonly effect: Effect }
  | { readonly do: 'land'; readonly write: Flying }
  | { readonly do: 'event'; readonly event: DeploymentEvent }
  | { readonly do: 'time'; readonly to: number }
);

const ARM: ArmEvidence = { requests: 100, errors: 0, p50Ms: 4, p99Ms: 20 };
const EVIDENCE: Evidence = { summary: 'counted', candidate: ARM, stable: ARM };
const CONDITIONS: readonly Condition[] = ['router-unreachable', 'runtime-unreachable', 'metrics-missing'];

export const OPERATIONS_TRIED: readonly Operation[] = [
  { kind: 'pause' },
  { kind: 'resume' },
  { kind: 'promote', to: 'next' },
  { kind: 'promote', to: 'all' },
  { kind: 'abort' },
  { kind: 'rollback' },
  { kind: 'retry' },
  { kind: 'approve' },
];

/** Milliseconds that one analysis event has observed; the windows of the explored plans are as long. */
export const OBSERVED_MS = 1_000;

/**
 * Everything that can happen in a scene, in an order that never changes: first what an obliging world does (answers, readiness,
 * good counts), then time, then disturbances as far as the budget allows.
 */
export function movesOf(scene: Scene, timer: number | null): readonly Move[] {
  const { state, world } = scene;
  if (isFinal(state.phase)) return [];
  const moves: Move[] = [];
  const event = (event: DeploymentEvent, costs: Disturbance | null = null): void => {
    moves.push({ do: 'event', event, costs });
  };
  if (state.phase === 'pending') event({ type: 'admitted', legs: state.plan.legs });
  const outstanding = Object.values(state.effects).filter((effect) => !world.lost.has(effect.id));
  for (const effect of outstanding) moves.push({ do: 'answer', effect, as: 'done', costs: null });
  obligingFacts(scene, event);
  for (const write of world.flying) moves.push({ do: 'land', write, costs: null });
  if (timer !== null) moves.push({ do: 'time', to: Math.max(timer, scene.now), costs: null });
  if (scene.budget.any > 0) disturbances(scene, outstanding, timer, moves, event);
  return moves;
}

type Say = (event: DeploymentEvent, costs?: Disturbance | null) => void;

function obligingFacts({ state, world }: Scene, event: Say): void {
  const before = !isCommitted(state);
  state.legs.forEach((leg, index) => {
    const size = world.legs[index]?.size ?? 0;
    if (leg.candidateReady < size && before) event(candidates(index, leg.candidateReady + 1));
    const { instances, stable } = state.plan.legs[index] ?? { instances: 0, stable: null };
    if (stable !== null && leg.stableReady !== null && leg.stableReady < instances && before)
      event({ type: 'slot-observed', leg: index, arm: 'stable', ready: instances, fault: null, note: null });
    if (leg.exposed && before && isForward(state) && (leg.stableBroken || state.stage === 'holding')) {
      event(analysis(index, { verdict: 'not-worse' }));
      if (state.stage === 'holding') event(analysis(index, {}));
    }
  });
  for (const condition of CONDITIONS)
    if (state.holds.some((held) => held.reason === condition))
      event({ type: 'condition', condition, holds: false, reason: '' });
}

const isForward = (state: DeploymentState): boolean =>
  !isCommitted(state) && state.phase !== 'reverting' && state.phase !== 'stuck';

function disturbances(
  scene: Scene,
  outstanding: readonly Effect[],
  timer: number | null,
  moves: Move[],
  event: Say,
): void {
  const { state, world, budget } = scene;
  if (budget.failure > 0) {
    for (const effect of outstanding) {
      moves.push({ do: 'answer', effect, as: 'refused', costs: 'failure' });
      moves.push({ do: 'answer', effect, as: 'unavailable', costs: 'failure' });
      if (leavesTraces(effect)) moves.push({ do: 'answer', effect, as: 'unavailable-done', costs: 'failure' });
    }
  }
  if (budget.late > 0) {
    for (const effect of outstanding)
      if (leavesTraces(effect) && !world.happened.has(effect.id)) moves.push({ do: 'happen', effect, costs: 'late' });
  }
  if (budget.lost > 0) for (const effect of outstanding) moves.push({ do: 'lose', effect, costs: 'lost' });
  if (budget.crash > 0) event({ type: 'took-over', epoch: state.epoch + 1 }, 'crash');
  if (budget.operation > 0)
    for (const operation of OPERATIONS_TRIED) event({ type: 'operation', operation, by: 'ada' }, 'operation');
  if (budget.supersede > 0)
    for (const keepOldSlot of [false, true]) event({ type: 'superseded', by: 'dep_2', keepOldSlot }, 'supersede');
  if (budget.jump > 0 && timer !== null && state.deadline > timer)
    moves.push({ do: 'time', to: Math.max(state.deadline, scene.now), costs: 'jump' });
  if (isCommitted(state)) return;
  state.legs.forEach((leg, index) => legDisturbances(scene, index, leg, event));
  if (budget.condition > 0)
    for (const condition of CONDITIONS)
      event({ type: 'condition', condition, holds: true, reason: `${condition} for a while` }, 'condition');
}

function legDisturbances(
  { state, budget }: Scene,
  index: number,
  leg: DeploymentState['legs'][number],
  event: Say,
): void {
  if (budget.death > 0 && leg.candidateReady > 0) event(candidates(index, leg.candidateReady - 1), 'death');
  if (budget.death > 0 && leg.candidateReady > 1) event(candidates(index, 0), 'death');
  if (budget.death > 0 && leg.started) event(candidates(index, 0, 'exited with status 1'), 'death');
  if (budget.stable > 0 && state.plan.legs[index]?.stable != null)
    event({ type: 'slot-observed', leg: index, arm: 'stable', ready: 0, fault: null, note: null }, 'stable');
  if (budget.verdict > 0 && leg.exposed && isForward(state)) {
    event(analysis(index, { verdict: 'worse' }), 'verdict');
    event(analysis(index, { stableBroken: true }), 'verdict');
    event(analysis(index, { trafficMs: 0 }), 'verdict');
    // What is known from before may be enough for a verdict before anything has been observed.
    event(analysis(index, { verdict: 'not-worse', observedMs: 0, trafficMs: 0 }), 'verdict');
  }
}

/** Whether it makes a difference that this has happened although the answer is not known. */
const leavesTraces = (effect: Effect): boolean =>
  isRouterWrite(effect) || effect.kind === 'scale' || effect.kind === 'adopt';

const candidates = (leg: number, ready: number, fault: string | null = null): DeploymentEvent => ({
  type: 'slot-observed',
  leg,
  arm: 'candidate',
  ready,
  fault,
  note: null,
});

const analysis = (leg: number, over: Partial<Extract<DeploymentEvent, { type: 'analysis' }>>): DeploymentEvent => ({
  type: 'analysis',
  leg,
  observedMs: OBSERVED_MS,
  trafficMs: OBSERVED_MS,
  verdict: 'undecided',
  stableBroken: false,
  evidence: EVIDENCE,
  ...over,
});
