import { addMoments, addSecond, noMoments, type EventMoments } from './dispersion.ts';

/** Stable's events of the preceding hour, minute by minute. */
export interface Past {
  readonly minutes: readonly { readonly minute: number; readonly moments: EventMoments }[];
  /** Sum of `minutes`. */
  readonly closed: EventMoments;
  readonly minute: number;
  readonly open: EventMoments;
}

const KEPT_MINUTES = 60;

export const noPast: Past = { minutes: [], closed: noMoments, minute: -1, open: noMoments };

/** Takes in a minute that is over. */
export function rememberMinute(past: Past, minute: number, moments: EventMoments): Past {
  const minutes = [...past.minutes, { minute, moments }].filter((one) => one.minute > minute - KEPT_MINUTES);
  return { ...past, minutes, closed: minutes.reduce((sum, one) => addMoments(sum, one.moments), noMoments) };
}

/** Takes in a second. O(1) but for the first of a minute, which puts the minute before away. */
export function remember(past: Past, second: number, total: number, events: number): Past {
  if (total <= 0 && past.minute !== -1) return past;
  const minute = Math.floor(second / 60);
  const before = minute === past.minute || past.minute === -1 ? past : rememberMinute(past, past.minute, past.open);
  const open = minute === past.minute ? past.open : noMoments;
  return { ...before, minute, open: addSecond(open, total, events) };
}

/** Everything that is remembered, as one. */
export const momentsOfPast = (past: Past): EventMoments => addMoments(past.closed, past.open);
