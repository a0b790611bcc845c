import type { Draft } from './draft.ts';
import type { HoldReason } from './state.ts';

/** Reasons that stop the phase's clock: a person, or a condition that is not this deployment's fault, may take long. */
const STOPS_CLOCK: ReadonlySet<HoldReason> = new Set([
  'person',
  'undecided',
  'incident',
  'stable-weak',
  'metrics-missing',
]);

/** Has something stopped the phase's clock? */
export const clockStopped = (draft: Draft): boolean => draft.holds.some((hold) => STOPS_CLOCK.has(hold.reason));

export const isHeld = (draft: Draft): boolean => draft.holds.length > 0;

/** Adds a hold (once). While one that stops the clock is there, the deadline is that of the pause. Returns whether it is new. */
export function hold(draft: Draft, reason: HoldReason, text: string): boolean {
  if (draft.holds.some((held) => held.reason === reason)) return false;
  const stoppedBefore = clockStopped(draft);
  draft.holds.push({ reason, since: draft.now, text });
  if (!stoppedBefore) stopClock(draft);
  return true;
}

/** A phase has begun while the deployment was held: its time does not run yet. */
export function stopClock(draft: Draft): void {
  if (!clockStopped(draft)) return;
  draft.remaining = Math.max(0, draft.deadline - draft.now);
  draft.deadline = draft.now + draft.plan.deadlines.pausedMs;
}

/** Takes a hold away; when the clock runs again the phase has what it had left, or `freshMs` if nothing was left. */
export function release(draft: Draft, reason: HoldReason, freshMs: number): boolean {
  const stoppedBefore = clockStopped(draft);
  const before = draft.holds.length;
  draft.holds = draft.holds.filter((held) => held.reason !== reason);
  if (stoppedBefore && !clockStopped(draft)) {
    draft.deadline = draft.now + (draft.remaining !== null && draft.remaining > 0 ? draft.remaining : freshMs);
    draft.remaining = null;
  }
  return draft.holds.length < before;
}
