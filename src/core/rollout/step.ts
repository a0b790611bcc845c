import { absorb } from './absorb.ts';
import { closeDraft, openDraft, type Draft } from './draft.ts';
import type { Effect } from './effect.ts';
import type { DeploymentEvent } from './event.ts';
import { refusal } from './operations.ts';
import { progress, withdrawCommit } from './phases.ts';
import { react } from './react.ts';
import { progressRetire } from './retire.ts';
import { progressRevert } from './revert.ts';
import { beginState } from './begin.ts';
import { isCommitted, isFinal, type DeploymentState } from './state.ts';
import { steer } from './steer.ts';

export interface StepResult {
  readonly state: DeploymentState;
  /** To be carried out now. What is in the state's `effects` and not among these is already under way. */
  readonly effects: readonly Effect[];
  /** False when the event changed nothing: late, twice, out of order, or from an old lease. It need not be journaled. */
  readonly changed: boolean;
  /** Why a person's operation is not possible in this phase, and what to do instead. */
  readonly refused: { readonly why: string; readonly instead: string } | null;
}

/** More moves than phases and legs could need in a row: a loop in the rules, not a deployment. */
const MOST_MOVES = 1_000;

/**
 * The rollout, as a total function: what a deployment becomes by an event, and what has to be done about it.
 *
 * @param state null before the `requested` event
 * @param event anything, in any order: what does not concern the deployment changes nothing
 * @param now UTC milliseconds; the only clock there is
 * @throws RangeError when the first event is not `requested`, which is a fault in the caller
 */
export function step(state: DeploymentState | null, event: DeploymentEvent, now: number): StepResult {
  if (state === null) {
    if (event.type !== 'requested')
      throw new RangeError(`the first event of a deployment is "requested", not "${event.type}"`);
    return { state: beginState(event.plan, event.epoch, now), effects: [], changed: true, refused: null };
  }
  const unchanged = { state, effects: [], changed: false } as const;
  if (event.type === 'operation') {
    const refused = refusal(event.operation.kind, state.phase);
    if (refused !== null) return { ...unchanged, refused };
  }
  if (isFinal(state.phase)) return { ...unchanged, refused: null };
  const draft = openDraft(state, now);
  if (!absorb(draft, event)) return { ...unchanged, refused: null };
  settle(draft);
  return { ...closeDraft(draft), changed: true, refused: null };
}

/** Lets the facts have all their consequences. */
function settle(draft: Draft): void {
  for (let moves = 0; move(draft); moves += 1) {
    if (moves > MOST_MOVES) throw new RangeError(`deployment ${draft.plan.id} does not settle in ${draft.phase}`);
  }
}

function move(draft: Draft): boolean {
  if (isFinal(draft.phase) || draft.phase === 'pending') return false;
  if (draft.phase === 'reverting' || draft.phase === 'stuck') return progressRevert(draft);
  if (isCommitted(draft)) return progressRetire(draft);
  if (react(draft)) return true;
  if (withdrawCommit(draft)) return true;
  steer(draft);
  return progress(draft);
}

/** UTC milliseconds of the next `timer` event that the state wants; null when it has ended. */
export function nextTimer(state: DeploymentState): number | null {
  if (isFinal(state.phase)) return null;
  const times = [state.deadline, ...state.retries.map((retry) => retry.at)];
  if (state.stage === 'warm' && state.warmUntil !== null) times.push(state.warmUntil);
  return Math.min(...times);
}
