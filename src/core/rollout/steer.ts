import { activeLegs, isBusy, legAt, request, type Draft } from './draft.ts';
import { carried, intendedWeight } from './exposure.ts';
import { isHeld } from './holds.ts';

/** The weight that a leg may have now: what its phase intends and its ready instances carry, no more than it has while held. */
export function aimAt(draft: Draft, index: number): number {
  const { plan, leg } = legAt(draft, index);
  const aim = carried(plan, leg.candidateReady, intendedWeight(draft, index));
  return isHeld(draft) ? Math.min(aim, leg.weight) : aim;
}

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
    const { leg } = legAt(draft, index);
    if (leg.routing !== null || isBusy(draft, 'route', index) || (!exposing && !state.exposed)) return;
    if (!exposing && activeLegs(draft).includes(index)) return;
    const aim = aimAt(draft, index);
    if (aim === leg.weight) return;
    leg.routing = aim;
    leg.exposed = true;
    request(draft, index, { kind: 'route', weight: aim });
  });
}
