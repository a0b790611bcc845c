import type { Effect } from '../core/rollout/effect.ts';
import type { DeploymentEvent } from '../core/rollout/event.ts';
import type { DeploymentState } from '../core/rollout/state.ts';

// What the engine writes into the journal. A deployment's id names its stream; what belongs to none is in `world`.

/** Stream of what belongs to no deployment. */
export const WORLD = 'world';

/** Kind of the entry, in `world`, that takes a service away which nobody declares any more. */
export const REMOVED = 'removed';

/** Body of an entry of kind `removed`. */
export interface JournaledRemoval {
  readonly environment: string;
  readonly service: string;
  readonly by: string;
}

/** Kind of the entry that closes a deployment's stream with its final state, so that it is never folded again. */
export const ENDED = 'ended';

/** Body of an entry of kind `ended`. */
export interface JournaledEnd {
  readonly state: DeploymentState;
}

/** Body of every other entry of a deployment; the entry's kind is the event's type. */
export interface JournaledEvent {
  readonly event: DeploymentEvent;
  /** The effect that an answer answers, for whoever reads the journal. */
  readonly about: Effect | null;
  /** What is done because of it: journaled before it is done. */
  readonly requests: readonly Effect[];
}
