import type { RouteTableEntry } from '../core/route-table.ts';
import { otherSlot, type Arm, type Slot } from '../core/slot.ts';
import type { StickyPlace } from './sticky-cookie.ts';

/** What a request says about the arm it wants. */
export interface ArmWish {
  /** `x-veza-arm` of a request on an internal listener; null on the public one, where it is not believed. */
  readonly arm: Arm | null;
  /** The header override of the route was sent. */
  readonly canaryHeader: boolean;
  /** The place in a valid cookie; null without one. */
  readonly place: StickyPlace | null;
  /** A cookie of this service was sent, valid or not. */
  readonly cookieSent: boolean;
  /** Whether cookies are looked at: a public request of a sticky route. */
  readonly sticky: boolean;
}

export interface ArmChoice {
  readonly arm: Arm;
  readonly slot: Slot;
  /**
   * What goes to the instance as `x-veza-arm`, and from it to the services it calls. Null when there was nothing to
   * choose: `stable` would then pin services further down whose own canary is running.
   */
  readonly travels: Arm | null;
  readonly cookie:
    | { readonly kind: 'keep' }
    | { readonly kind: 'clear' }
    | { readonly kind: 'set'; readonly place: StickyPlace };
}

/** Which arm a request takes, by which entry of the table. */
export interface Chosen {
  readonly entry: RouteTableEntry;
  readonly choice: ArmChoice;
  readonly setCookie: string | null;
}

const keep = { kind: 'keep' } as const;
const clear = { kind: 'clear' } as const;

/**
 * Chooses the arm of a request. In this order: an arm that came from inside, the header override, the user's place in
 * the canary, the weights. A slot without endpoints never has traffic while the other may take it; the candidate may
 * take stable's only at a weight above 0, because a candidate at 0 is untested or was found bad.
 *
 * @param byWeight whether the weights give the next request to the candidate; called at most once, only when needed
 * @param random uniform in [0, 1)
 */
export function pickArm(
  entry: RouteTableEntry,
  wish: ArmWish,
  byWeight: (weightPercent: number) => boolean,
  random: () => number,
): ArmChoice {
  const candidateSlot = otherSlot(entry.stable);
  const weight = entry.candidateWeight;
  const stableHas = entry.endpoints[entry.stable].length > 0;
  const candidateHas = entry.endpoints[candidateSlot].length > 0;
  const canary = candidateHas && weight > 0;

  const choose = (wanted: Arm, cookie: ArmChoice['cookie']): ArmChoice => {
    const arm = possible(wanted, stableHas, candidateHas, canary);
    return {
      arm,
      slot: arm === 'candidate' ? candidateSlot : entry.stable,
      travels: wish.arm ?? (canary || arm === 'candidate' ? arm : null),
      cookie,
    };
  };

  if (wish.arm !== null) return choose(wish.arm, keep);
  if (wish.canaryHeader && candidateHas) return choose('candidate', keep);
  if (!canary) return choose('stable', wish.cookieSent ? clear : keep);
  if (weight >= 100) return choose('candidate', keep);
  if (!wish.sticky) return choose(byWeight(weight) ? 'candidate' : 'stable', keep);

  const release = entry.releases[candidateSlot] ?? '';
  if (wish.place !== null && wish.place.slot === candidateSlot && wish.place.release === release) {
    return choose(wish.place.number < weight ? 'candidate' : 'stable', keep);
  }
  // A new user: the weights choose, exactly, and his number is drawn from the part of [0, 100) that chooses the same.
  const candidate = byWeight(weight);
  const drawn = candidate ? random() * weight : weight + random() * (100 - weight);
  // Kept below 100 and on its side of the weight when written with four digits.
  const number = Math.min(Math.floor(drawn * 10_000) / 10_000, 99.9999);
  return choose(candidate ? 'candidate' : 'stable', {
    kind: 'set',
    place: { slot: candidateSlot, release, number: candidate ? number : Math.max(number, weight) },
  });
}

function possible(wanted: Arm, stableHas: boolean, candidateHas: boolean, canary: boolean): Arm {
  if (wanted === 'candidate') return candidateHas ? 'candidate' : 'stable';
  return !stableHas && canary ? 'candidate' : 'stable';
}
