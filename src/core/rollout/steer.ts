import { activeLegs, isBusy, legAt, request, type Draft } from './draft.ts';
import { capacity, intendedWeight } from './exposure.ts';
import { isHeld } from './holds.ts';

/**
 * Keeps weights at what is intended and can be carried: never more than what is ready, never raised while held. One write
 * a leg at a time; what is intended may have changed when it is acknowledged, then the next one follows.
 */
export function steer(draft: Draft): void {
  const exposing =
    draft.phase === 'stepping' ||
    draft.phase === 'switched' ||
    draft.phase === 'watching' ||
    draft.phase === 'committing';
  draft.legs.forEach((state, index) => {
    const { plan, leg } = legAt(draft, index);
    if (leg.routing !== null || isBusy(draft, 'route', index) || (!exposing && !state.exposed)) return;
    if (!exposing && activeLegs(draft).includes(index)) return;
    const aim = Math.min(intendedWeight(draft, index), capacity(plan, leg.candidateReady));
    if (aim === leg.weight || (aim > leg.weight && isHeld(draft))) return;
    leg.routing = aim;
    leg.exposed = true;
    request(draft, index, { kind: 'route', weight: aim });
  });
}
