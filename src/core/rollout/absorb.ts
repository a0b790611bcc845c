import { enterPreparing, windowOver } from './phases.ts';
import { legAt, request, type Draft } from './draft.ts';
import type { Effect } from './effect.ts';
import type { DeploymentEvent } from './event.ts';
import { hold, release, stopClock } from './holds.ts';
import { operate } from './operate.ts';
import { forwardDeadline, giveUp, refusedEffect } from './react.ts';
import { retire, retireDeadline } from './retire.ts';
import { revertDeadline } from './revert.ts';
import { isCommitted } from './state.ts';
import { aimAt, route } from './steer.ts';

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 10_000;

const isUndo = (draft: Draft): boolean => draft.phase === 'reverting' || draft.phase === 'stuck';
const isForward = (draft: Draft): boolean => !isUndo(draft) && !isCommitted(draft);

/** Takes the fact of an event into the draft. Returns false when the event is none of this deployment's business (late, twice, old). */
export function absorb(draft: Draft, event: DeploymentEvent): boolean {
  switch (event.type) {
    case 'requested':
      return false;
    case 'admitted':
      if (draft.phase !== 'pending' || event.legs.length !== draft.plan.legs.length) return false;
      draft.plan = { ...draft.plan, legs: event.legs };
      enterPreparing(draft);
      stopClock(draft);
      return true;
    case 'effect-done':
      return effectDone(draft, event.id, event.epoch);
    case 'effect-failed':
      return effectFailed(draft, event);
    case 'committed':
      if (event.epoch !== draft.epoch || outstanding(draft, event.id)?.kind !== 'commit') return false;
      retire(draft);
      return true;
    case 'slot-observed':
      return slotObserved(draft, event);
    case 'analysis':
      return analysis(draft, event);
    case 'condition':
      return condition(draft, event.condition, event.holds, event.reason);
    case 'timer':
      return timer(draft);
    case 'operation':
      operate(draft, event.operation, event.by);
      return true;
    case 'superseded':
      return superseded(draft, event.by, event.keepOldSlot);
    case 'took-over':
      return tookOver(draft, event.epoch);
  }
}

/** Ids come from outside: `constructor` is the name of no effect. */
const outstanding = (draft: Draft, id: string): Effect | undefined =>
  Object.hasOwn(draft.effects, id) ? draft.effects[id] : undefined;

/** What has been counted is a whole number from 0 on; anything else counts for nothing, so that no sum becomes NaN. */
const counted = (value: number): number => (Number.isFinite(value) ? Math.max(0, Math.floor(value)) : 0);

function effectDone(draft: Draft, id: string, epoch: number): boolean {
  const effect = outstanding(draft, id);
  // A commit is only ever confirmed by `committed`.
  if (effect === undefined || epoch !== draft.epoch || effect.kind === 'commit') return false;
  delete draft.effects[id];
  draft.attempts = 0;
  const { leg } = legAt(draft, effect.leg);
  if (effect.kind === 'route' || effect.kind === 'unroute') {
    leg.weight = effect.kind === 'route' ? effect.weight : 0;
    leg.routing = null;
    if (isUndo(draft)) leg.exposed = false;
  }
  return true;
}

function effectFailed(draft: Draft, event: Extract<DeploymentEvent, { type: 'effect-failed' }>): boolean {
  const effect = outstanding(draft, event.id);
  if (effect === undefined || event.epoch !== draft.epoch) return false;
  delete draft.effects[event.id];
  const mustSucceed = isUndo(draft) || draft.phase === 'retiring';
  if (event.cause === 'unavailable' || mustSucceed) {
    const delay = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(draft.attempts, 10));
    draft.attempts += 1;
    draft.retries.push({ effect, at: draft.now + delay, reason: event.reason });
    return true;
  }
  refusedEffect(draft, effect.kind, effect.leg, event.reason);
  return true;
}

function slotObserved(draft: Draft, event: Extract<DeploymentEvent, { type: 'slot-observed' }>): boolean {
  const leg = draft.legs[event.leg];
  if (leg === undefined) return false;
  const ready = counted(event.ready);
  if (event.arm === 'stable') {
    const isNews = leg.stableReady !== ready;
    leg.stableReady = ready;
    return isNews;
  }
  const isKnown =
    leg.candidateReady === ready && leg.candidateNote === event.note && leg.candidateFault === event.fault;
  if (isKnown) return false;
  leg.candidateReady = ready;
  leg.candidateNote = event.note;
  leg.candidateFault = event.fault;
  return true;
}

function analysis(draft: Draft, event: Extract<DeploymentEvent, { type: 'analysis' }>): boolean {
  const leg = draft.legs[event.leg];
  if (leg === undefined || !leg.exposed || !isForward(draft)) return false;
  // What was counted while the weight was on its way says nothing about the step that it leads to.
  if (draft.stage === 'holding') {
    leg.observedMs += counted(event.observedMs);
    leg.trafficMs += Math.min(counted(event.trafficMs), counted(event.observedMs));
  }
  leg.verdict = event.verdict;
  leg.evidence = event.evidence;
  leg.stableBroken = event.stableBroken;
  if (event.verdict === 'not-worse' || (draft.stage === 'holding' && windowOver(draft))) {
    release(draft, 'undecided', draft.plan.deadlines.steppingMs);
  }
  return true;
}

function condition(draft: Draft, name: Parameters<typeof hold>[1], holds: boolean, reason: string): boolean {
  if (!isForward(draft) || draft.phase === 'pending') return false;
  if (!holds) return release(draft, name, draft.plan.deadlines.steppingMs);
  const isNew = hold(draft, name, reason);
  if (isNew && name === 'metrics-missing') {
    request(draft, 0, { kind: 'alarm', severity: 'P1', message: `${draft.plan.id}: ${reason}` });
  }
  return isNew;
}

function timer(draft: Draft): boolean {
  const due = draft.retries.filter((retry) => retry.at <= draft.now);
  if (due.length > 0) {
    draft.retries = draft.retries.filter((retry) => retry.at > draft.now);
    for (const { effect } of due) reissue(draft, effect);
  }
  const warmOver = draft.stage === 'warm' && draft.warmUntil !== null && draft.now >= draft.warmUntil;
  if (draft.now < draft.deadline || warmOver) return due.length > 0 || warmOver;
  if (isUndo(draft)) revertDeadline(draft);
  else if (draft.phase === 'retiring') retireDeadline(draft);
  else forwardDeadline(draft);
  return true;
}

/**
 * The same effect with the same id: drivers treat it as the same request. A weight that may not be set any more (an instance
 * has died, the deployment is held) is not asked for again: what may be set now takes its place, under an id of its own.
 */
function reissue(draft: Draft, effect: Effect): void {
  if (effect.kind === 'route' && isForward(draft)) {
    const aim = aimAt(draft, effect.leg);
    if (aim.weight !== effect.weight || aim.mirror !== (effect.mirror ?? false)) {
      delete draft.effects[effect.id];
      route(draft, effect.leg, aim);
      return;
    }
  }
  draft.effects[effect.id] = effect;
  draft.requested.push(effect);
}

function superseded(draft: Draft, by: string, keepOldSlot: boolean): boolean {
  if (draft.supersededBy !== null) return false;
  draft.supersededBy = by;
  // What is being stopped already cannot be given away.
  draft.keepOldSlot = keepOldSlot && draft.stage !== 'stopping';
  if (isForward(draft)) giveUp(draft, { code: 'superseded', leg: null, text: `replaced by ${by}` });
  return true;
}

function tookOver(draft: Draft, epoch: number): boolean {
  if (!Number.isSafeInteger(epoch) || epoch <= draft.epoch) return false;
  draft.epoch = epoch;
  // When to try again was reckoned with another clock: it may lie far ahead of this one.
  draft.retries = draft.retries.map((retry) => ({ ...retry, at: Math.min(retry.at, draft.now) }));
  for (const effect of Object.values(draft.effects)) reissue(draft, effect);
  return true;
}
