/** What was said in a room, as it is stored and sent. */
export interface Message {
  readonly room: string;
  /** 1, 2, 3 … in each room, without a gap */
  readonly seq: number;
  /** chosen by the client; null, as author and text are empty, once its author was erased */
  readonly id: string | null;
  readonly author: string | null;
  /** the author's name today */
  readonly name: string;
  readonly text: string;
  /** ISO 8601 */
  readonly at: string;
}

/** What somebody wants to say. */
export interface Saying {
  readonly author: string;
  readonly id: string;
  readonly text: string;
}

export type SayingOutcome =
  | { readonly outcome: 'said'; readonly seq: number }
  | { readonly outcome: 'no-room' }
  /** the author was erased */
  | { readonly outcome: 'no-member' };

export interface Room {
  readonly id: string;
  readonly name: string;
  readonly last: number;
}
