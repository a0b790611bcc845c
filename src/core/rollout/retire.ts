import { enterPhase, forgetEffects, isBusy, legAt, request, type Draft } from './draft.ts';
import type { EffectAction } from './effect.ts';
import { end } from './revert.ts';

/** After the commit point: the candidate is called stable, the old slot is drained, kept warm, and stopped. */
export function retire(draft: Draft): void {
  forgetEffects(draft);
  draft.holds = [];
  draft.committedAt = draft.now;
  enterPhase(draft, 'retiring', 'adopting', draft.plan.deadlines.retiringMs);
  draft.plan.legs.forEach((_, index) => request(draft, index, { kind: 'adopt' }));
}

export function progressRetire(draft: Draft): boolean {
  if (isBusy(draft)) return false;
  switch (draft.stage) {
    case 'adopting':
      draft.stage = 'draining';
      return forOldSlots(draft, (slot) => ({ kind: 'drain', slot }));
    case 'draining': {
      const warmMs = Math.max(0, ...draft.plan.legs.map((leg) => (leg.stable === null ? 0 : leg.keepWarmMs)));
      draft.stage = 'warm';
      draft.warmUntil = draft.now + warmMs;
      draft.deadline = draft.warmUntil + draft.plan.deadlines.retiringMs;
      return true;
    }
    case 'warm':
      if (draft.keepOldSlot) {
        end(draft, 'succeeded');
        return true;
      }
      if (draft.supersededBy === null && draft.warmUntil !== null && draft.now < draft.warmUntil) return false;
      draft.stage = 'stopping';
      // Its own time, however late the timer came: a machine that has slept still stops the old slot.
      draft.deadline = draft.now + draft.plan.deadlines.retiringMs;
      return forOldSlots(draft, (slot) => ({ kind: 'stop', slot }));
    default:
      end(draft, 'succeeded');
      return true;
  }
}

function forOldSlots(draft: Draft, action: (slot: 'blue' | 'green') => EffectAction): true {
  draft.plan.legs.forEach((_, index) => {
    const { plan } = legAt(draft, index);
    if (plan.stable !== null) request(draft, index, action(plan.stable.slot));
  });
  return true;
}

/** Retiring never reverts: whoever is late is named, and left to the reconciler. */
export function retireDeadline(draft: Draft): void {
  if (draft.stage === 'draining') {
    forgetEffects(draft);
    return;
  }
  request(draft, 0, {
    kind: 'alarm',
    severity: 'P2',
    message: `${draft.plan.id} is live, but its old slot could not be retired in time (${draft.stage}).`,
  });
  draft.leftover = true;
  forgetEffects(draft);
  end(draft, 'succeeded');
}
