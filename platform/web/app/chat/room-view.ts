import type { ChatMessage } from './frames.ts';

/** Something this page wants to say, until it is seen among the messages. */
export interface Pending {
  readonly id: string;
  readonly text: string;
  /** Why the service did not take it; null while that is open. */
  readonly refused: string | null;
}

/** A room as this page knows it. Only ever replaced, never changed. */
export interface RoomView {
  readonly state: 'joining' | 'joined' | 'refused';
  /** By `seq`, without a gap, from the earliest one loaded to `last`. */
  readonly messages: readonly ChatMessage[];
  /** Everything up to this number is here or was before this page came; null before the first join. */
  readonly last: number | null;
  readonly present: readonly string[];
  readonly pending: readonly Pending[];
}

export const EMPTY_ROOM: RoomView = { state: 'joining', messages: [], last: null, present: [], pending: [] };

/** The first join sets the mark; a later one is answered with what was missed, which comes as messages. */
export function joined(view: RoomView, last: number, present: readonly string[]): RoomView {
  return { ...view, state: 'joined', last: view.last ?? last, present };
}

/**
 * Takes a message that was just said, or that was missed and is sent again.
 *
 * @returns null when something before it is missing: join again after `view.last`
 */
export function received(view: RoomView, message: ChatMessage): RoomView | null {
  if (view.last === null || message.seq <= view.last) return view;
  if (message.seq > view.last + 1) return null;
  return {
    ...view,
    last: message.seq,
    messages: [...view.messages, message],
    pending: view.pending.filter((pending) => pending.id !== message.id),
  };
}

/** Puts earlier messages before what is there. What does not join on without a gap is left out. */
export function prepended(view: RoomView, earlier: readonly ChatMessage[]): RoomView {
  let first = earliest(view);
  const messages = [...view.messages];
  for (const message of [...earlier].sort((one, other) => other.seq - one.seq)) {
    if (message.seq >= first) continue;
    if (message.seq !== first - 1) break;
    messages.unshift(message);
    first = message.seq;
  }
  const there = new Set(messages.map((message) => message.id));
  return { ...view, messages, pending: view.pending.filter((pending) => !there.has(pending.id)) };
}

/** Number of the earliest message here; one more than the last when there is none. */
export function earliest(view: RoomView): number {
  return view.messages[0]?.seq ?? (view.last ?? 0) + 1;
}

export function withPending(view: RoomView, pending: Pending): RoomView {
  const others = view.pending.filter((other) => other.id !== pending.id);
  return { ...view, pending: [...others, pending] };
}

export function refusedPending(view: RoomView, id: string, code: string): RoomView {
  const pending = view.pending.map((one) => (one.id === id ? { ...one, refused: code } : one));
  return { ...view, pending };
}

export function withPresence(view: RoomView, person: string, here: boolean): RoomView {
  const others = view.present.filter((other) => other !== person);
  return { ...view, present: here ? [...others, person] : others };
}
