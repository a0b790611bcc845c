import { askAgain, enterPhase, forgetEffects, isBusy, legAt, request, type Draft } from './draft.ts';
import type { EndReason } from './state.ts';

const lastLegFirst = (draft: Draft): number[] => draft.plan.legs.map((_, index) => index).toReversed();

/** Before the commit point, and before anything was started: there is nothing to undo. */
export function refuse(draft: Draft, reason: EndReason): void {
  forgetEffects(draft);
  draft.reason = reason;
  end(draft, 'refused');
}

/** Begins the undo: traffic first, instances later, last leg first. What was under way is no longer waited for. */
export function revert(draft: Draft, reason: EndReason): void {
  forgetEffects(draft);
  draft.holds = [];
  draft.hurry = 'no';
  draft.warmUntil = null;
  draft.reason = reason;
  enterPhase(draft, 'reverting', 'routing', draft.plan.deadlines.revertingMs);
}

/** One move of the undo; the same while `reverting` and while `stuck`. Returns whether anything changed. */
export function progressRevert(draft: Draft): boolean {
  if (draft.stage === 'routing') return undoDead(draft) || undoNextRoute(draft);
  if (isBusy(draft)) return false;
  if (draft.stage === 'draining') return requestStops(draft);
  end(draft, 'reverted');
  return true;
}

function undoNextRoute(draft: Draft): boolean {
  const next = lastLegFirst(draft).find((index) => legAt(draft, index).leg.exposed);
  if (next === undefined) return leaveRouting(draft);
  if (legAt(draft, next).leg.routing !== null) return false;
  undoRoute(draft, next);
  return true;
}

/** A candidate that answers nobody any more does not wait for its turn: its users go back to stable at once. */
function undoDead(draft: Draft): boolean {
  const dead = draft.legs.findIndex((leg) => leg.exposed && leg.candidateReady === 0 && leg.routing === null);
  if (dead === -1) return false;
  undoRoute(draft, dead);
  return true;
}

function undoRoute(draft: Draft, index: number): void {
  const { plan, leg } = legAt(draft, index);
  leg.routing = 0;
  leg.mirror = false;
  request(draft, index, plan.stable === null ? { kind: 'unroute' } : { kind: 'route', weight: 0 });
}

function leaveRouting(draft: Draft): boolean {
  enterPhase(draft, 'reverting', 'draining', draft.plan.deadlines.revertingMs);
  for (const index of lastLegFirst(draft)) {
    const { plan, leg } = legAt(draft, index);
    if (leg.started) request(draft, index, { kind: 'drain', slot: plan.candidate.slot });
  }
  return true;
}

function requestStops(draft: Draft): boolean {
  draft.stage = 'stopping';
  draft.deadline = draft.now + draft.plan.deadlines.revertingMs;
  for (const index of lastLegFirst(draft)) {
    const { plan, leg } = legAt(draft, index);
    if (leg.started) request(draft, index, { kind: 'stop', slot: plan.candidate.slot });
  }
  return true;
}

/** The undo takes too long. Only the world refusing the router write makes it `stuck`; instances left over do not. */
export function revertDeadline(draft: Draft): void {
  if (draft.stage === 'routing') {
    const waiting = draft.retries[0]?.reason ?? 'the router has not answered';
    draft.phase = 'stuck';
    draft.since = draft.now;
    draft.deadline = draft.now + draft.plan.deadlines.revertingMs;
    // An answer may have been lost, and nothing else would end this: what is outstanding is asked for again, as the same request.
    askAgain(draft);
    request(draft, 0, {
      kind: 'alarm',
      severity: 'P0',
      message: `The undo of ${draft.plan.id} is stuck: ${waiting}. Users may still reach the candidate. It is tried until it works.`,
    });
    return;
  }
  if (draft.stage === 'draining') {
    forgetEffects(draft);
    requestStops(draft);
    return;
  }
  request(draft, 0, {
    kind: 'alarm',
    severity: 'P2',
    message: `Instances of the candidate of ${draft.plan.id} could not be stopped in time; traffic is on stable.`,
  });
  draft.leftover = true;
  forgetEffects(draft);
  end(draft, 'reverted');
}

export function end(draft: Draft, phase: 'succeeded' | 'reverted' | 'refused'): void {
  draft.phase = phase;
  draft.stage = 'working';
  draft.since = draft.now;
  draft.deadline = draft.now;
  draft.endedAt = draft.now;
  draft.holds = [];
}
