import { activeLegs, isBusy, legAt, request, type Draft } from './draft.ts';
import { carried, intendedMirror, intendedWeight } from './exposure.ts';
import { isHeld } from './holds.ts';

export interface Aim {
  /** Percent for the candidate. */
  readonly weight: number;
  /** Copies of safe requests go there. */
  readonly mirror: boolean;
}

/** What a leg may have now: what its phase intends and its ready instances carry, no more than it has while held. */
export function aimAt(draft: Draft, index: number): Aim {
  const { plan, leg } = legAt(draft, index);
  const weight = carried(plan, leg.candidateReady, intendedWeight(draft, index));
  const mirror = leg.candidateReady > 0 && intendedMirror(draft, index);
  return isHeld(draft) ? { weight: Math.min(weight, leg.weight), mirror: mirror && leg.mirror } : { weight, mirror };
}

/** Requests the router write for an aim. */
export function route(draft: Draft, index: number, { weight, mirror }: Aim): void {
  const { leg } = legAt(draft, index);
  leg.routing = weight;
  leg.mirror = mirror;
  leg.exposed = true;
  request(draft, index, { kind: 'route', weight, ...(mirror ? { mirror } : {}) });
}

/**
 * Keeps weights at what is intended and can be carried: never more than what is ready, never raised while held. One write
 * a leg at a time; what is intended may have changed when it is acknowledged, then the next one follows.
 */
export function steer(draft: Draft): void {
  const exposing =
    draft.phase === 'mirroring' ||
    draft.phase === 'stepping' ||
    draft.phase === 'switched' ||
    draft.phase === 'watching' ||
    draft.phase === 'committing';
  draft.legs.forEach((state, index) => {
    const { leg } = legAt(draft, index);
    if (leg.routing !== null || isBusy(draft, 'route', index) || (!exposing && !state.exposed)) return;
    if (!exposing && activeLegs(draft).includes(index)) return;
    const aim = aimAt(draft, index);
    if (aim.weight !== leg.weight || aim.mirror !== leg.mirror) route(draft, index, aim);
  });
}
