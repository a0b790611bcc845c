import type { ReleaseId } from '../release/release.ts';
import type { Slot } from '../slot.ts';

/** `deployment/leg/phase/n`: the same after every replay. */
export type EffectId = string;

/** What the engine shall do to the world. Drivers treat a repeated id as the same request. */
export type Effect = { readonly id: EffectId; readonly leg: number } & EffectAction;

export type EffectAction =
  /** Re-hash the artifact and unpack it. */
  | { readonly kind: 'verify-artifact' }
  /** The same artifact digest must have succeeded in the required environment (invariant 6); clean source. */
  | { readonly kind: 'check-policy' }
  /** Is there room for both slots at full size? */
  | { readonly kind: 'reserve' }
  | { readonly kind: 'migrate' }
  /** Make the slot run `count` instances; done when accepted, readiness is observed separately. */
  | { readonly kind: 'scale'; readonly slot: Slot; readonly release: ReleaseId; readonly count: number }
  | { readonly kind: 'smoke' }
  /** One router write: `weight` percent to the candidate, or copies of safe requests and no user. */
  | { readonly kind: 'route'; readonly weight: number; readonly mirror?: true }
  /** The first deployment of a service is taken back: nothing may be routed to it. */
  | { readonly kind: 'unroute' }
  /** After the commit: the candidate's slot is called stable from now on. */
  | { readonly kind: 'adopt' }
  | { readonly kind: 'drain'; readonly slot: Slot }
  | { readonly kind: 'stop'; readonly slot: Slot }
  /** Append the `committed` event, durably. `leg` is 0. */
  | { readonly kind: 'commit' }
  | { readonly kind: 'alarm'; readonly severity: 'P0' | 'P1' | 'P2'; readonly message: string };

export type EffectKind = EffectAction['kind'];
