import type { Effect, EffectAction, EffectKind } from './effect.ts';
import type { GroupPlan, LegPlan } from './plan.ts';
import type { DeploymentState, Hold, LegState, Phase, Retry, Stage } from './state.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * One step's working copy. `step` is a pure function; inside it, code reads better as statements on a copy that nobody
 * else holds.
 */
export interface Draft extends Omit<Mutable<DeploymentState>, 'legs' | 'effects' | 'retries' | 'holds'> {
  legs: Mutable<LegState>[];
  effects: Record<string, Effect>;
  retries: Retry[];
  holds: Hold[];
  readonly now: number;
  /** Requested in this step. */
  readonly requested: Effect[];
}

export const openDraft = (state: DeploymentState, now: number): Draft => ({
  ...state,
  legs: state.legs.map((leg) => ({ ...leg })),
  effects: { ...state.effects },
  retries: [...state.retries],
  holds: [...state.holds],
  now,
  requested: [],
});

export function closeDraft(draft: Draft): { readonly state: DeploymentState; readonly effects: readonly Effect[] } {
  const { now: _now, requested, ...state } = draft;
  return { state, effects: requested.filter((effect) => effect.kind === 'alarm' || effect.id in draft.effects) };
}

/** Requests an effect for a leg. Alarms are not waited for; everything else stays outstanding until it is answered. */
export function request(draft: Draft, leg: number, action: EffectAction): void {
  const label = draft.phase === 'stepping' ? `stepping-${draft.step}` : draft.phase;
  const effect: Effect = { id: `${draft.plan.id}/${leg}/${label}/${draft.next}`, leg, ...action };
  draft.next += 1;
  draft.requested.push(effect);
  if (action.kind !== 'alarm') draft.effects[effect.id] = effect;
}

/** Everything outstanding once more, with the same ids: drivers treat it as the same requests. */
export function askAgain(draft: Draft): void {
  for (const effect of Object.values(draft.effects))
    if (!draft.requested.includes(effect)) draft.requested.push(effect);
}

/** Is something of this kind (and leg) still to be answered, or waiting to be tried again? */
export function isBusy(draft: Draft, kind?: EffectKind, leg?: number): boolean {
  const matches = (effect: Effect): boolean =>
    (kind === undefined || effect.kind === kind) && (leg === undefined || effect.leg === leg);
  return Object.values(draft.effects).some(matches) || draft.retries.some((retry) => matches(retry.effect));
}

/** Nothing outstanding is of interest any more; answers to it will be ignored. */
export function forgetEffects(draft: Draft): void {
  draft.effects = {};
  draft.retries = [];
  draft.attempts = 0;
  for (const leg of draft.legs) leg.routing = null;
}

/** The same for the commit alone. */
export function forgetCommit(draft: Draft): void {
  draft.effects = Object.fromEntries(Object.entries(draft.effects).filter(([, effect]) => effect.kind !== 'commit'));
  draft.retries = draft.retries.filter((retry) => retry.effect.kind !== 'commit');
}

export function enterPhase(draft: Draft, phase: Phase, stage: Stage, lastsMs: number): void {
  draft.phase = phase;
  draft.stage = stage;
  draft.since = draft.now;
  draft.deadline = draft.now + lastsMs;
  draft.remaining = null;
}

export const activeLegs = (draft: DeploymentState | Draft): readonly number[] =>
  draft.plan.groups[draft.group]?.legs ?? [];

/** A leg's plan and its working state. */
export function legAt(draft: Draft, index: number): { readonly plan: LegPlan; readonly leg: Mutable<LegState> } {
  const plan = draft.plan.legs[index];
  const leg = draft.legs[index];
  if (plan === undefined || leg === undefined) throw new RangeError(`deployment ${draft.plan.id} has no leg ${index}`);
  return { plan, leg };
}

export function groupAt(draft: DeploymentState | Draft, index: number): GroupPlan {
  const group = draft.plan.groups[index];
  if (group === undefined) throw new RangeError(`deployment ${draft.plan.id} has no group ${index}`);
  return group;
}

/** Are the candidates of the active group as many as asked for? */
export const allReady = (draft: Draft): boolean =>
  activeLegs(draft).every((index) => {
    const { leg } = legAt(draft, index);
    return leg.candidateReady >= leg.wanted;
  });
