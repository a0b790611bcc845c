import type { RestartPolicy } from '../spec/platform.ts';

/** Times (UTC milliseconds, ascending) of the exits that still count. */
export type ExitTimes = readonly number[];

const withinWindow = (exits: ExitTimes, policy: RestartPolicy, now: number): ExitTimes =>
  exits.filter((time) => time > now - policy.windowMs);

/** True while more exits than the policy allows lie within its window. */
export const isCrashLooping = (exits: ExitTimes, policy: RestartPolicy, now: number): boolean =>
  withinWindow(exits, policy, now).length > policy.crashLoopAfter;

/**
 * What an exit at `now` means: the exits that count from here on and when the next start may happen. The wait doubles
 * with each exit inside the window, from `backoffMs` up to `maxBackoffMs`; once the window has passed it begins anew.
 */
export function noteExit(
  exits: ExitTimes,
  policy: RestartPolicy,
  now: number,
): { readonly exits: ExitTimes; readonly startAt: number } {
  const counted = [...withinWindow(exits, policy, now), now];
  // 2 ** 30 is beyond any cap in use; without the bound a long history would overflow to Infinity.
  const doublings = Math.min(counted.length - 1, 30);
  const waitMs = Math.min(policy.backoffMs * 2 ** doublings, policy.maxBackoffMs);
  return { exits: counted, startAt: now + waitMs };
}

/** True when a start planned for `startAt` is due; a plan further away than any backoff comes from a clock that jumped. */
export const isStartDue = (startAt: number, policy: RestartPolicy, now: number): boolean =>
  startAt <= now || startAt - now > Math.max(policy.maxBackoffMs, policy.backoffMs);
