import {
  activeLegs,
  allReady,
  enterPhase,
  forgetCommit,
  groupAt,
  isBusy,
  legAt,
  request,
  type Draft,
} from './draft.ts';
import { firstInstances, instancesFor, intendedMirror, intendedWeight, isMirrored } from './exposure.ts';
import { isHeld } from './holds.ts';
import type { DeploymentState } from './state.ts';

// The way forward, from `pending` to the commit. Each function makes at most one move and says whether it did.

/** A window of t ms may take this much longer before the deployment gives up on seeing enough of it. */
const WINDOW_SLACK = 2;
const WINDOW_SLACK_MS = 60_000;

export function enterPreparing(draft: Draft): void {
  const { deadlines, approval } = draft.plan;
  const waitsForPerson = approval && draft.approvedBy === null;
  enterPhase(
    draft,
    'preparing',
    'working',
    waitsForPerson ? Math.max(deadlines.preparingMs, deadlines.pausedMs) : deadlines.preparingMs,
  );
  draft.plan.legs.forEach((_, leg) => {
    request(draft, leg, { kind: 'check-policy' });
    request(draft, leg, { kind: 'verify-artifact' });
    request(draft, leg, { kind: 'reserve' });
  });
}

/** Moves on if the phase has got what it waits for. A held deployment makes no step. */
export function progress(draft: Draft): boolean {
  if (isHeld(draft)) return false;
  switch (draft.phase) {
    case 'preparing':
      if (isBusy(draft) || (draft.plan.approval && draft.approvedBy === null)) return false;
      return enterMigrating(draft);
    case 'migrating':
      return isBusy(draft) ? false : enterStarting(draft);
    case 'starting':
      return isBusy(draft) || !allReady(draft) ? false : enterChecking(draft);
    case 'checking':
      return isBusy(draft) ? false : enterMirroring(draft);
    case 'mirroring':
    case 'stepping':
    case 'switched':
    case 'watching':
    case 'committing':
      return progressExposed(draft);
    default:
      return false;
  }
}

function enterMigrating(draft: Draft): true {
  enterPhase(draft, 'migrating', 'working', draft.plan.deadlines.migratingMs);
  for (const index of activeLegs(draft)) {
    if (legAt(draft, index).plan.migrations) request(draft, index, { kind: 'migrate' });
  }
  return true;
}

function enterStarting(draft: Draft): true {
  enterPhase(draft, 'starting', 'scaling', draft.plan.deadlines.startingMs);
  for (const index of activeLegs(draft))
    scale(draft, index, firstInstances(draft.plan, draft.group, legAt(draft, index).plan));
  return true;
}

function enterChecking(draft: Draft): true {
  enterPhase(draft, 'checking', 'working', draft.plan.deadlines.checkingMs);
  for (const index of activeLegs(draft)) {
    if (legAt(draft, index).plan.smoke) request(draft, index, { kind: 'smoke' });
  }
  return true;
}

/** Copies before users, where they are declared and there is somebody whose requests can be copied. */
function enterMirroring(draft: Draft): true {
  const group = groupAt(draft, draft.group);
  const mirrored = group.legs.filter((index) => isMirrored(legAt(draft, index).plan));
  if (!group.mirror || mirrored.length === 0) return enterStep(draft, 0);
  draft.step = 0;
  enterPhase(draft, 'mirroring', 'scaling', group.mirror.holdMs + draft.plan.deadlines.steppingMs);
  for (const index of mirrored) {
    const { plan } = legAt(draft, index);
    scale(draft, index, instancesFor(plan, plan.mirror?.share ?? 0));
  }
  return true;
}

/** Step `step` of the active group, or the switch when there are no more (or nobody to compare with). */
function enterStep(draft: Draft, step: number): true {
  const group = groupAt(draft, draft.group);
  const nothingToCompare = group.legs.every((index) => draft.plan.legs[index]?.stable === null);
  const next = group.steps[step];
  if (next === undefined || nothingToCompare) {
    enterPhase(draft, 'switched', 'scaling', draft.plan.deadlines.switchedMs);
    for (const index of group.legs) scale(draft, index, legAt(draft, index).plan.instances);
    return true;
  }
  draft.step = step;
  enterPhase(draft, 'stepping', 'scaling', next.holdMs + draft.plan.deadlines.steppingMs);
  for (const index of group.legs) scale(draft, index, instancesFor(legAt(draft, index).plan, next.weight));
  return true;
}

function scale(draft: Draft, index: number, count: number): void {
  const { plan, leg } = legAt(draft, index);
  if (leg.wanted >= count) return;
  leg.wanted = count;
  leg.started = true;
  request(draft, index, { kind: 'scale', slot: plan.candidate.slot, release: plan.candidate.release, count });
}

/** Every leg that may have traffic has exactly what is intended for it, acknowledged. */
export const allRouted = (draft: Draft): boolean =>
  draft.legs.every(
    (leg, index) =>
      leg.routing === null &&
      leg.weight === intendedWeight(draft, index) &&
      leg.mirror === intendedMirror(draft, index),
  );

function progressExposed(draft: Draft): boolean {
  switch (draft.stage) {
    case 'scaling':
      if (isBusy(draft, 'scale') || !allReady(draft)) return false;
      draft.stage = 'routing';
      return true;
    case 'routing':
      if (!allRouted(draft)) return false;
      if (draft.phase === 'switched') return enterWatching(draft);
      if (draft.phase === 'committing') {
        draft.stage = 'recording';
        request(draft, 0, { kind: 'commit' });
        return true;
      }
      draft.stage = 'holding';
      resetObservation(draft);
      return true;
    case 'holding':
      if (!allRouted(draft) || !windowOver(draft)) return false;
      return draft.phase === 'watching' ? leaveGroup(draft) : enterNextStep(draft);
    default:
      return false;
  }
}

/**
 * What has been asked to commit and is not recorded yet does not commit any more when an instance has died meanwhile or the
 * deployment is held: it is asked again, under another id, when every leg is whole.
 */
export function withdrawCommit(draft: Draft): boolean {
  if (draft.stage !== 'recording') return false;
  const whole = draft.legs.every((leg, index) => leg.candidateReady >= legAt(draft, index).plan.instances);
  if (whole && allRouted(draft) && !isHeld(draft)) return false;
  forgetCommit(draft);
  draft.stage = 'routing';
  return true;
}

function enterNextStep(draft: Draft): true {
  if (draft.hurry === 'step') draft.hurry = 'no';
  return enterStep(draft, draft.phase === 'mirroring' ? 0 : draft.step + 1);
}

function enterWatching(draft: Draft): true {
  const { watchMs } = groupAt(draft, draft.group);
  enterPhase(draft, 'watching', 'holding', watchMs * WINDOW_SLACK + WINDOW_SLACK_MS);
  resetObservation(draft);
  return true;
}

/** The next group of an in-order train starts; after the last, all commit. */
function leaveGroup(draft: Draft): true {
  if (draft.hurry === 'step') draft.hurry = 'no';
  if (draft.group + 1 < draft.plan.groups.length) {
    draft.group += 1;
    draft.step = 0;
    return enterMigrating(draft);
  }
  enterPhase(draft, 'committing', 'routing', draft.plan.deadlines.switchedMs);
  return true;
}

function resetObservation(draft: Draft): void {
  for (const index of activeLegs(draft)) {
    const { leg } = legAt(draft, index);
    leg.observedMs = 0;
    leg.trafficMs = 0;
    leg.verdict = 'undecided';
  }
}

/** Length of the window that the state is in, in observed milliseconds. */
export function windowMs(draft: Pick<DeploymentState, 'phase' | 'plan' | 'group' | 'step'>): number {
  const group = draft.plan.groups[draft.group];
  if (draft.phase === 'mirroring') return group?.mirror?.holdMs ?? 0;
  if (draft.phase === 'watching') return group?.watchMs ?? 0;
  return draft.phase === 'stepping' ? (group?.steps[draft.step]?.holdMs ?? 0) : 0;
}

/**
 * Observed milliseconds after which a leg is done with the window, if it has traffic enough: all of it, or, in a step with the verdict
 * `not-worse`, its bake time.
 */
export function neededMs(
  state: Pick<DeploymentState, 'phase' | 'plan' | 'group' | 'step' | 'legs'>,
  leg: number,
): number {
  const whole = windowMs(state);
  if (state.phase !== 'stepping' || state.legs[leg]?.verdict !== 'not-worse') return whole;
  return Math.min(whole, state.plan.groups[state.group]?.steps[state.step]?.bakeMs ?? 0);
}

/**
 * Much speaks against the candidate, if not enough to take it back: an e-value of at least the root of what that needs. Then it gets no
 * more users, for the more it has, the fewer are left to compare with; within seconds the evidence is enough, or melts away. A release
 * that is as good as stable comes so far with the probability of that root at most (Ville 1939).
 */
export function isSuspected({ verdict, evidence }: DeploymentState['legs'][number]): boolean {
  const { worse, threshold } = evidence ?? {};
  return verdict === 'undecided' && worse !== undefined && threshold !== undefined && worse >= Math.sqrt(threshold);
}

/**
 * A step ends by `not-worse` once it has baked, or by its time with traffic and without `worse`; both steps and watch window go on while
 * the candidate is suspected. Copies and a watch window always last their
 * time: what copies show is no proof of what users will see, and a watch window is for what comes late.
 */
export function windowOver(draft: Draft): boolean {
  if (draft.hurry !== 'no') return true;
  return activeLegs(draft).every((index) => {
    const { plan, leg } = legAt(draft, index);
    if (plan.stable === null || (draft.phase === 'mirroring' && !isMirrored(plan))) return true;
    const needed = neededMs(draft, index);
    if (leg.observedMs < needed) return false;
    if (draft.phase === 'stepping' && leg.verdict === 'not-worse') return true;
    if (draft.phase !== 'mirroring' && isSuspected(leg)) return false;
    return (
      draft.plan.idle === 'proceed' ||
      needed === 0 ||
      (draft.phase === 'watching' ? leg.trafficMs > 0 : leg.trafficMs >= needed)
    );
  });
}
