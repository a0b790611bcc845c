import type { Arm } from '../core/slot.ts';

/** Why a long stream is told to end: its instance is drained, or the gateway stops. */
export type EndReason = 'drain' | 'shutdown';

/** Something in flight between a client and an instance. */
export interface Flight {
  /** Neighbours in the list of its instance; only that list touches them. */
  previous: Flight | null;
  following: Flight | null;
  /** A stream lasts until somebody ends it and is told while draining; a request ends by itself. */
  readonly isStream: boolean;
  /** Since when (milliseconds, monotonic) it waits for the beginning of an answer; null when it does not, or is not counted. */
  readonly waiting: { readonly arm: Arm; readonly since: number } | null;
  /** Asks a stream to end properly as soon as it can. Requests ignore it. Idempotent. */
  tell(reason: EndReason): void;
  /** Ends it at once on both sides, visibly unfinished. */
  reset(): void;
  /**
   * Called a few times a second: ends the flight when one of its deadlines has passed.
   *
   * @param now milliseconds, monotonic
   */
  sweep(now: number): void;
}
