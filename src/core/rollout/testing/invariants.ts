import type { Effect } from '../effect.ts';
import type { LegPlan } from '../plan.ts';
import { isCommitted, isFinal, type DeploymentState } from '../state.ts';
import type { Scene } from './moves.ts';
import type { Rollout, Transition } from './play.ts';
import { isRouterWrite, mirrorOf, numberOf, weightOf } from './world.ts';

/**
 * DESIGN's invariants as far as they can be seen here, written against ROLLOUT.md and not against the code of `step`: what a
 * weight needs and what a phase intends is worked out a second time. Each returns what is broken, in words, or null.
 */
export type Invariant = (transition: Transition) => string | null;

const FORWARD_EXPOSING: ReadonlySet<string> = new Set(['stepping', 'switched', 'watching', 'committing']);
const BEFORE_START: ReadonlySet<string> = new Set(['pending', 'preparing', 'refused']);

const isUndo = (state: DeploymentState): boolean =>
  state.phase === 'reverting' || state.phase === 'stuck' || state.phase === 'reverted';

/** Instances that `weight` percent need: ROLLOUT section 6. Integer arithmetic in millionths, so that nothing is lost. */
const needs = (plan: LegPlan, weight: number): number => Math.ceil((Math.round(weight * 1e6) * plan.instances) / 1e8);

const carries = (plan: LegPlan, ready: number, weight: number): boolean => needs(plan, weight) <= ready;

const outstandingWrites = (state: DeploymentState, leg: number): readonly Effect[] =>
  [...Object.values(state.effects), ...state.retries.map((retry) => retry.effect)].filter(
    (effect) => effect.leg === leg && isRouterWrite(effect),
  );

const known = (state: DeploymentState, id: string): Effect | undefined =>
  Object.hasOwn(state.effects, id) ? state.effects[id] : state.retries.find((retry) => retry.effect.id === id)?.effect;

function firstLeg(state: DeploymentState, broken: (plan: LegPlan, index: number) => string | null): string | null {
  for (const [index, plan] of state.plan.legs.entries()) {
    const text = broken(plan, index);
    if (text !== null) return `leg ${index}: ${text}`;
  }
  return null;
}

/** 1. Traffic only goes to instances that are ready. */
const traffic: Invariant = ({ result, after: { state } }) => {
  for (const effect of result?.effects ?? []) {
    const plan = state.plan.legs[effect.leg];
    const ready = state.legs[effect.leg]?.candidateReady ?? 0;
    if (effect.kind === 'route' && plan !== undefined && !carries(plan, ready, effect.weight))
      return `leg ${effect.leg}: ${effect.weight} % requested with ${ready} of ${plan.instances} instances ready`;
    if (mirrorOf(effect) && ready === 0) return `leg ${effect.leg}: copies requested with no instance ready`;
  }
  if (isCommitted(state) || isFinal(state.phase)) return null;
  return firstLeg(state, (plan, index) => {
    const leg = state.legs[index];
    if (leg === undefined || !leg.exposed) return null;
    const writes = outstandingWrites(state, index);
    if (!isUndo(state) && writes.length === 0 && !carries(plan, leg.candidateReady, leg.weight))
      return `keeps ${leg.weight} % with ${leg.candidateReady} of ${plan.instances} instances ready`;
    const aim = leg.routing ?? leg.weight;
    if (leg.candidateReady === 0 && aim > 0) return `aims at ${aim} % with no instance ready`;
    if (leg.candidateReady === 0 && leg.mirror && !isUndo(state)) return 'keeps copies with no instance ready';
    return null;
  });
};

/** 2. Weights within 0 to 100; one write a leg at a time; what the state says of it is what was requested. */
const weights: Invariant = ({ after: { state } }) =>
  firstLeg(state, (_, index) => {
    const leg = state.legs[index];
    if (leg === undefined) return 'has no state';
    for (const weight of [leg.weight, leg.routing ?? 0]) if (!(weight >= 0 && weight <= 100)) return `weight ${weight}`;
    const writes = outstandingWrites(state, index);
    if (writes.some((write) => !(weightOf(write) >= 0 && weightOf(write) <= 100))) return 'writes outside 0..100';
    if (writes.length > 1) return `${writes.length} router writes at once`;
    const both = writes.some((write) => mirrorOf(write) && weightOf(write) > 0) || (leg.mirror && leg.weight > 0);
    if (both) return 'copies beside users';
    const [write] = writes;
    if (write !== undefined && mirrorOf(write) !== leg.mirror)
      return `says ${leg.mirror ? 'copies are' : 'no copies are'} on their way, but it is not so`;
    const expected = write === undefined ? null : weightOf(write);
    return leg.routing === expected ? null : `says ${leg.routing} is on its way, but it is ${expected}`;
  });

/** 3. Until the commit the stable slot is whole, and going back is one router write. */
const stableWhole: Invariant = ({ result, after: { state, world } }) => {
  const committed = isCommitted(state);
  for (const effect of result?.effects ?? []) {
    const stable = state.plan.legs[effect.leg]?.stable?.slot;
    const touches =
      (effect.kind === 'drain' || effect.kind === 'stop' || effect.kind === 'scale') && effect.slot === stable;
    if (!committed && (touches || effect.kind === 'adopt'))
      return `${effect.kind} of leg ${effect.leg} before the commit`;
    if (committed && isRouterWrite(effect)) return `router write to leg ${effect.leg} after the commit`;
  }
  if (committed) return null;
  const leg = world.legs.findIndex((leg) => leg.stableSlot !== 'full' || leg.adopted);
  return leg === -1 ? null : `leg ${leg}: stable is not whole before the commit`;
};

/** 3 and 4. What has been taken back, or was refused, leaves stable at 100 % whatever still arrives. */
const endsOnStable: Invariant = ({ after: { state, world } }) => {
  if (state.phase !== 'reverted' && state.phase !== 'refused') return null;
  const served = world.legs.findIndex((leg) => leg.weight > 0);
  if (served !== -1) return `leg ${served}: ended ${state.phase} with ${world.legs[served]?.weight} % on the candidate`;
  const copied = world.legs.findIndex((leg) => leg.mirror);
  if (copied !== -1) return `leg ${copied}: ended ${state.phase} with copies to the candidate`;
  const late = world.flying.find((write) => write.weight > 0 || write.mirror);
  if (late !== undefined) return `leg ${late.leg}: a forgotten write of ${late.weight} % may still come into force`;
  const left = world.legs.findIndex((leg) => leg.size > 0);
  return left === -1 || state.leftover ? null : `leg ${left}: ended ${state.phase} with candidate instances running`;
};

/** 3. Undo: traffic before instances, last leg first. Only a leg without any ready instance may go before its turn. */
const undoOrder: Invariant = ({ before: { state: from }, result, after: { state, world } }) => {
  if (!isUndo(state)) return null;
  for (const effect of result?.effects ?? []) {
    if (isRouterWrite(effect) && known(from, effect.id) === undefined) {
      if (weightOf(effect) !== 0) return `the undo writes ${weightOf(effect)} %`;
      if (mirrorOf(effect)) return 'the undo writes copies';
      const laterExposed = state.legs.some((leg, index) => index > effect.leg && leg.exposed);
      if (laterExposed && (state.legs[effect.leg]?.candidateReady ?? 0) > 0)
        return `leg ${effect.leg} is undone before a later one`;
    }
    if ((effect.kind === 'drain' || effect.kind === 'stop') && state.legs.some((leg) => leg.exposed))
      return `${effect.kind} while a leg is exposed`;
    if ((effect.kind === 'drain' || effect.kind === 'stop') && world.legs.some((leg) => leg.mirror || leg.weight > 0))
      return `${effect.kind} while the router has not gone back to stable`;
    if (effect.kind === 'scale' || effect.kind === 'migrate' || effect.kind === 'commit')
      return `${effect.kind} in the undo`;
  }
  return null;
};

/** 4. Every state that is not final has a deadline and a timer; a final one waits for nothing. */
const deadlines: Invariant = ({ before, after: { state, now } }) => {
  if (isFinal(state.phase)) {
    return Object.keys(state.effects).length === 0 && state.retries.length === 0 ? null : 'ended, and still waits';
  }
  if (!Number.isFinite(state.deadline)) return `deadline ${state.deadline}`;
  const isNew = state.phase !== before.state.phase || (state.stage === 'stopping' && before.state.stage !== 'stopping');
  if (isNew && state.deadline <= now) return `enters ${state.phase}/${state.stage} with no time left`;
  return null;
};

/** 4. A phase whose time is over is given up; only too few counts, with all else as it should be, are left to a person. */
const overdue: Invariant = ({ before: { state: from }, event, after: { state: to, now } }) => {
  if (event?.type !== 'timer' || now < from.deadline || isCommitted(from) || isUndo(from)) return null;
  if (isUndo(to) || to.phase === 'refused') return null;
  const waits = to.holds.some((held) => held.reason === 'undecided') && from.holds.length === 0;
  const idle = from.retries.length === 0 && from.legs.every((leg) => leg.routing === null);
  return waits && idle && from.stage === 'holding'
    ? null
    : `${from.phase} is overdue, and the deployment goes on in ${to.phase}`;
};

/** 4. The order of phases; what is final stays as it is; what is committed goes nowhere but to its end. */
const phaseOrder: Invariant = ({ before: { state: from }, after: { state: to } }) => {
  if (isFinal(from.phase)) return from === to ? null : 'a final state changed';
  if (isCommitted(from) && from.committedAt !== to.committedAt) return 'committed twice';
  if (isCommitted(to) && to.phase !== 'retiring' && to.phase !== 'succeeded') return `committed, and ${to.phase}`;
  if (to.phase === 'succeeded' && !isCommitted(to)) return 'succeeded without a commit';
  if (to.phase === 'refused' && !BEFORE_START.has(from.phase)) return `refused from ${from.phase}`;
  if (isUndo(from) && !isUndo(to)) return `${from.phase} became ${to.phase}`;
  return null;
};

/** The commit point: one event, only when every leg serves all traffic, is whole, and nothing holds the deployment. */
const commitPoint: Invariant = ({ before: { state: from }, event, result, after: { state, world } }) => {
  const requests = (result?.effects ?? []).some((effect) => effect.kind === 'commit');
  const commits = !isCommitted(from) && isCommitted(state);
  if (commits && event?.type !== 'committed') return `committed by ${event?.type}`;
  if (!requests && !commits) return null;
  if (from.holds.length > 0 && commits) return `commits while held: ${from.holds[0]?.reason}`;
  return firstLeg(from, (plan, index) => {
    const now = commits ? from.legs[index] : state.legs[index];
    if (now === undefined || now.weight !== 100 || now.routing !== null) return `commits at ${now?.weight} %`;
    if (now.candidateReady < plan.instances) return `commits with ${now.candidateReady} of ${plan.instances} ready`;
    return world.legs[index]?.weight === 100 ? null : `commits with ${world.legs[index]?.weight} % in force`;
  });
};

/** A held deployment makes no step forward and raises no weight. */
const heldStays: Invariant = ({ before: { state: from }, result, after: { state: to } }) => {
  if (to.holds.length === 0 || isUndo(to) || isFinal(to.phase)) return null;
  for (const effect of result?.effects ?? []) {
    const weight = to.legs[effect.leg]?.weight ?? 0;
    if (isRouterWrite(effect) && weightOf(effect) > weight) return `raised to ${weightOf(effect)} % while held`;
    if (effect.kind === 'scale' && known(from, effect.id) === undefined) return 'scaled while held';
  }
  const wasHeld = from.holds.some((held) => to.holds.some((still) => still.reason === held.reason));
  const moved = from.phase !== to.phase && from.phase !== 'pending';
  return wasHeld && (moved || from.step !== to.step || from.group !== to.group)
    ? `from ${from.phase} to ${to.phase} while held`
    : null;
};

/** 6. Nothing starts before policy and approval; trains pass together, or one after the other. */
const gates: Invariant = ({ before: { state: from }, result, after: { state, world } }) => {
  const starts = !BEFORE_START.has(state.phase) || (result?.effects ?? []).some((effect) => effect.kind === 'scale');
  if (starts && world.legs.some((leg) => !leg.policy)) return 'goes on without the policy check';
  if (starts && state.plan.approval && state.approvedBy === null) return 'goes on without the approval';
  const advanced =
    !isUndo(state) &&
    (state.group !== from.group || (state.phase === 'stepping' && state.step > from.step && from.phase === 'stepping'));
  if (!advanced) return null;
  const group = from.plan.groups[from.group];
  const share = state.group === from.group ? (group?.steps[from.step]?.weight ?? 0) : 100 - (group?.holdback ?? 0);
  const behind = group?.legs.find((index) => (state.legs[index]?.weight ?? 0) < share);
  return behind === undefined ? null : `goes on with leg ${behind} at ${state.legs[behind]?.weight} % of ${share} %`;
};

/** Phases are left when they have got what they wait for: instances that are ready, windows that have been observed. */
const patience: Invariant = ({ before: { state: from }, event, after: { state: to } }) => {
  if (isUndo(to) || isFinal(to.phase) || isCommitted(to)) return null;
  const active = from.plan.groups[from.group];
  const legs = active?.legs ?? [];
  if (from.phase === 'starting' && to.phase !== 'starting') {
    const late = legs.find((index) => (to.legs[index]?.candidateReady ?? 0) < (from.legs[index]?.wanted ?? 0));
    if (late !== undefined) return `leaves starting, and leg ${late} is not ready`;
  }
  const left = from.group !== to.group || from.phase !== to.phase || from.step !== to.step;
  const isWindow = from.phase === 'mirroring' || from.phase === 'stepping' || from.phase === 'watching';
  if (!left || !isWindow || from.hurry !== 'no' || event?.type === 'operation') return null;
  const step = active?.steps[from.step];
  const whole =
    { mirroring: active?.mirror?.holdMs, stepping: step?.holdMs, watching: active?.watchMs }[from.phase] ?? 0;
  const unseen = legs.find((index) => {
    const leg = from.legs[index];
    const heard = event?.type === 'analysis' && event.leg === index ? event : null;
    const verdict = heard?.verdict ?? leg?.verdict;
    if (from.plan.legs[index]?.stable === null) return false;
    if (from.phase === 'mirroring' && !copies(from, index)) return false;
    const needed = from.phase === 'stepping' && verdict === 'not-worse' ? Math.min(whole, step?.bakeMs ?? 0) : whole;
    return (leg?.observedMs ?? 0) + (heard?.observedMs ?? 0) < needed;
  });
  return unseen === undefined ? null : `leaves ${from.phase} before leg ${unseen} has been seen long enough`;
};

/** Is it declared that requests of a leg are copied? */
const copies = ({ plan }: DeploymentState, leg: number): boolean =>
  (plan.legs[leg]?.mirror ?? null) !== null &&
  plan.legs[leg]?.stable !== null &&
  plan.groups.some(({ legs, mirror }) => legs.includes(leg) && (mirror ?? null) !== null);

/**
 * Copies come before users: while they are made no user reaches the candidate, whatever write arrives when, and they end with the first
 * weight. They are made of what was declared and of nothing else, and what was declared is not left out.
 */
const copiesFirst: Invariant = ({ before: { state: from }, result, after: { state, world } }) => {
  const active = state.plan.groups[state.group];
  const own = active?.legs ?? [];
  for (const effect of result?.effects ?? []) {
    if (!mirrorOf(effect)) continue;
    const isBefore = state.phase === 'stepping' ? state.step === 0 : active?.steps.length === 0;
    const isItsTime = state.phase === 'mirroring' || (state.stage === 'scaling' && isBefore);
    if (!isItsTime) return `leg ${effect.leg}: copies requested in ${state.phase}/${state.stage}`;
    if (!copies(state, effect.leg)) return `leg ${effect.leg}: copies that nobody has declared`;
    if (!own.includes(effect.leg)) return `leg ${effect.leg}: copies before its turn`;
  }
  if (state.phase === 'mirroring') {
    const reached = own.find(
      (index) =>
        (world.legs[index]?.weight ?? 0) > 0 || world.flying.some(({ leg, weight }) => leg === index && weight > 0),
    );
    if (reached !== undefined) return `leg ${reached}: users on the candidate while it gets copies`;
  }
  const exposed = state.phase === 'stepping' || state.phase === 'switched';
  if (from.phase === 'checking' && exposed && own.some((index) => copies(state, index)))
    return `users before copies: from checking to ${state.phase}`;
  if (from.phase !== 'mirroring' || !exposed) return null;
  const missing = own.find((index) => copies(state, index) && world.legs[index]?.mirror !== true);
  return missing === undefined ? null : `leg ${missing}: goes on to users, and no copies were made`;
};

/** The share of a leg never exceeds what its phase and group allow. */
const shares: Invariant = ({ result, after: { state } }) => {
  for (const effect of result?.effects ?? []) {
    if (effect.kind !== 'route' || effect.weight === 0) continue;
    if (!FORWARD_EXPOSING.has(state.phase) && state.group === 0) return `route of ${effect.weight} % in ${state.phase}`;
    const index = state.plan.groups.findIndex((group) => group.legs.includes(effect.leg));
    const group = state.plan.groups[index];
    if (group === undefined || index > state.group) return `leg ${effect.leg} has traffic before its turn`;
    const most =
      state.phase === 'committing' || state.plan.legs[effect.leg]?.stable === null
        ? 100
        : index === state.group && state.phase === 'stepping'
          ? (group.steps[state.step]?.weight ?? 0)
          : 100 - group.holdback;
    if (effect.weight > most) return `leg ${effect.leg}: ${effect.weight} % where ${most} % is the aim`;
  }
  return null;
};

/** What demands the undo is not overlooked. */
const bad: Invariant = ({ event, after: { state } }) => {
  if (
    event?.type === 'analysis' &&
    event.verdict === 'worse' &&
    state.legs[event.leg]?.exposed === true &&
    !isCommitted(state)
  )
    return isUndo(state) ? null : `leg ${event.leg} is worse, and the deployment goes on in ${state.phase}`;
  if (event?.type === 'slot-observed' && event.arm === 'candidate' && event.fault !== null && !isCommitted(state))
    return state.legs[event.leg]?.started !== true || isUndo(state)
      ? null
      : `leg ${event.leg} crash-loops, and the deployment goes on`;
  if (event?.type === 'superseded' && !isCommitted(state) && !isUndo(state) && state.phase !== 'refused')
    return `superseded, and the deployment goes on in ${state.phase}`;
  return null;
};

/** A person's abort before the commit point is done or refused with a reason; it is never lost. */
const aborts: Invariant = ({ event, result, after: { state } }) => {
  if (event?.type !== 'operation' || event.operation.kind !== 'abort' || result?.refused !== null) return null;
  return isUndo(state) || state.phase === 'refused'
    ? null
    : `abort was taken, and the deployment goes on in ${state.phase}`;
};

/** 7. Ids are new or known; an effect requested again is the same; what changes nothing leaves the same state and asks nothing. */
const identity: Invariant = ({ before: { state: from }, event, result, after: { state } }) => {
  if (result === null) return null;
  if (event?.type === 'took-over' && result.changed) {
    const silent = Object.values(state.effects).find((effect) => !result.effects.includes(effect));
    if (silent !== undefined) return `whoever takes over does not ask for ${silent.id} again`;
  }
  if (!result.changed)
    return result.state === from && result.effects.length === 0 ? null : 'unchanged, yet not the same';
  const seen = new Set<string>();
  for (const effect of result.effects) {
    const old = known(from, effect.id);
    if (seen.has(effect.id)) return `${effect.id} requested twice at once`;
    seen.add(effect.id);
    if (old === undefined && numberOf(effect.id) < from.next) return `${effect.id} uses a number again`;
    if (old !== undefined && JSON.stringify(old) !== JSON.stringify(effect))
      return `${effect.id} is another request now`;
    if (numberOf(effect.id) >= state.next) return `${effect.id} is beyond the counter`;
  }
  return state.next >= from.next ? null : 'the counter went back';
};

/** After the commit: drained before it is stopped; the old slot is stopped unless it is given away or left over. */
const retirement: Invariant = ({ result, after: { state, world } }) => {
  for (const effect of result?.effects ?? []) {
    const leg = world.legs[effect.leg];
    if (!isCommitted(state) || leg === undefined) continue;
    if (
      (effect.kind === 'drain' || effect.kind === 'stop') &&
      effect.slot === state.plan.legs[effect.leg]?.candidate.slot
    )
      return `${effect.kind} of the slot that is live`;
    if (effect.kind === 'stop' && !leg.adopted)
      return `leg ${effect.leg}: the old slot is stopped before it is replaced`;
    if (effect.kind === 'stop' && state.keepOldSlot) return `leg ${effect.leg}: stops what a newcomer takes over`;
  }
  if (state.phase !== 'succeeded' || state.leftover) return null;
  return firstLeg(state, (plan, index) => {
    const slot = world.legs[index]?.stableSlot;
    if (plan.stable === null) return null;
    if (state.keepOldSlot) return slot === 'stopped' ? 'gives away an old slot that is stopped' : null;
    return slot === 'stopped' ? null : `ended with its old slot ${slot}`;
  });
};

export const INVARIANTS: Readonly<Record<string, Invariant>> = {
  '1 traffic only to ready instances': traffic,
  '2 weights': weights,
  '3 stable whole until the commit': stableWhole,
  '3 ends on stable': endsOnStable,
  '3 order of the undo': undoOrder,
  '4 deadlines': deadlines,
  '4 what is overdue': overdue,
  '4 order of phases': phaseOrder,
  'commit point': commitPoint,
  'held makes no step': heldStays,
  '6 gates and trains': gates,
  patience: patience,
  'copies first': copiesFirst,
  'shares of a phase': shares,
  'bad news counts': bad,
  'abort counts': aborts,
  '7 identity of effects': identity,
  retirement: retirement,
};

/** The first invariant that a transition breaks, in words; null when all hold. */
export function brokenBy(transition: Transition): string | null {
  for (const [name, invariant] of Object.entries(INVARIANTS)) {
    const text = invariant(transition);
    if (text !== null) return `${name}: ${text}`;
  }
  return null;
}

/** 4. A state that has not ended wants a timer. */
export function brokenTimer(rollout: Rollout, { state }: Scene): string | null {
  const timer = rollout.nextTimer(state);
  if (isFinal(state.phase)) return timer === null ? null : '4 deadlines: a final state wants a timer';
  return timer !== null && Number.isFinite(timer) && timer <= state.deadline
    ? null
    : `4 deadlines: next timer is ${timer}`;
}

/**
 * 7. Answers that were given before, answers under another lease, and timers that are not due change nothing.
 *
 * @param answeredBefore ids of effects that are not outstanding any more
 */
export function brokenByStale(
  rollout: Rollout,
  { state, now }: Scene,
  answeredBefore: readonly string[],
): string | null {
  const { epoch } = state;
  const asked = (id: string, epoch: number) =>
    [
      { type: 'effect-done', id, epoch },
      { type: 'effect-failed', id, epoch, cause: 'refused', reason: 'late' },
      { type: 'effect-failed', id, epoch, cause: 'unavailable', reason: 'late' },
      { type: 'committed', id, epoch },
    ] as const;
  const events = [
    ...answeredBefore.flatMap((id) => asked(id, epoch)),
    ...Object.keys(state.effects).flatMap((id) => [...asked(id, epoch - 1), ...asked(id, epoch + 1)]),
    // A commit is confirmed by the journal and by nothing else.
    ...Object.values(state.effects).flatMap(({ id, kind }) => (kind === 'commit' ? [asked(id, epoch)[0]] : [])),
    { type: 'took-over', epoch } as const,
    { type: 'requested', plan: state.plan, epoch } as const,
  ];
  for (const event of events) {
    const result = rollout.step(state, event, now);
    if (result.changed || result.state !== state || result.effects.length > 0)
      return `7 late events: ${event.type} ${'id' in event ? event.id : ''} of epoch ${event.epoch} (now ${epoch}) changed something in ${state.phase}`;
  }
  const timer = rollout.nextTimer(state);
  if (timer !== null && timer > now && rollout.step(state, { type: 'timer' }, now).changed)
    return '7 late events: an early timer changed something';
  return null;
}
