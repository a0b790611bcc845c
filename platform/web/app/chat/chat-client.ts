import { failureOf } from '../failure.ts';
import { Store } from '../store.ts';
import { backoffMs } from './backoff.ts';
import { serverFrame, type ChatMessage, type ClientFrame, type ServerFrame } from './frames.ts';
import * as rooms from './room-view.ts';
import type { RoomView } from './room-view.ts';

export interface ChatParts {
  readonly url: () => string;
  readonly open: (url: string) => WebSocket;
  /** A fresh access token; newer than `refused` when that is given. */
  readonly token: (refused: string | null) => Promise<string>;
  readonly history: (room: string, after: number, limit: number) => Promise<readonly ChatMessage[]>;
  readonly random: () => number;
  readonly newId: () => string;
}

export type Connection = 'closed' | 'connecting' | 'open' | 'interrupted';

const HISTORY_PAGE = 50;
/** Refusals after which the same words may be said again in a moment. */
const PASSING: ReadonlySet<string> = new Set(['room-busy', 'too-fast', 'unavailable']);
/** Refusals of who speaks: with another token, on another connection, it may go well. */
const OF_TOKEN: ReadonlySet<string> = new Set(['token-refused', 'hello-first', 'other-person']);
/** The account is deleted: there is nothing to come back for. */
const CLOSED_ERASED = 4403;

/**
 * Chat over one WebSocket for all rooms. The connection may break at any time: it is opened again with a fresh token, each
 * room is joined after the last message seen, and what was not acknowledged is said again under the same id, which the
 * service takes once. So nothing is lost, and nothing is there twice.
 */
export class ChatClient {
  readonly connection = new Store<Connection>('closed');
  readonly #parts: ChatParts;
  readonly #rooms = new Map<string, { readonly store: Store<RoomView>; users: number }>();
  #socket: WebSocket | null = null;
  #token: string | null = null;
  #refusedToken: string | null = null;
  #welcomed = false;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Counts connections: an event of an earlier one means nothing. */
  #attempt = 0;

  constructor(parts: ChatParts) {
    this.#parts = parts;
  }

  /** The room as it is known; joined while somebody looks at it. */
  room(room: string): Store<RoomView> {
    return this.#entry(room).store;
  }

  /** Joins a room until the function that is returned is called. */
  enter(room: string): () => void {
    const entry = this.#entry(room);
    entry.users += 1;
    if (entry.users === 1) {
      if (this.#welcomed) this.#join(room);
      else this.#connect();
    }
    return () => {
      entry.users -= 1;
      if (entry.users > 0) return;
      // What is still to be said keeps the room: it is said before the room is left.
      if (entry.store.value.pending.some((pending) => pending.refused === null)) return;
      if (this.#rooms.get(room) !== entry) return;
      this.#send({ type: 'leave', room });
      this.#rooms.delete(room);
    };
  }

  say(room: string, text: string): void {
    const { store } = this.#entry(room);
    const pending = { id: this.#parts.newId(), text, refused: null };
    store.set(rooms.withPending(store.value, pending));
    if (store.value.state === 'joined') this.#send({ type: 'say', room, id: pending.id, text });
  }

  /** Loads messages before the earliest one here. */
  async earlier(room: string): Promise<void> {
    const { store } = this.#entry(room);
    const first = rooms.earliest(store.value);
    if (first <= 1) return;
    const after = Math.max(0, first - 1 - HISTORY_PAGE);
    const found = await this.#parts.history(room, after, first - 1 - after);
    store.set(rooms.prepended(store.value, found));
  }

  /** Tells the service of a newer token, so that the connection outlives the old one. */
  renewed(token: string): void {
    if (token === this.#token || !this.#welcomed) return;
    this.#token = token;
    this.#send({ type: 'renew', token });
  }

  /** The network is back: no reason to wait. */
  wake(): void {
    if (this.connection.value !== 'interrupted') return;
    this.#failures = 0;
    this.#connect();
  }

  /** Logged out: forgets everything. */
  close(): void {
    this.#attempt += 1;
    clearTimeout(this.#timer);
    this.#socket?.close(1000);
    this.#socket = null;
    this.#welcomed = false;
    this.#token = null;
    this.#rooms.clear();
    this.connection.set('closed');
  }

  #entry(room: string): { readonly store: Store<RoomView>; users: number } {
    const known = this.#rooms.get(room);
    if (known !== undefined) return known;
    const entry = { store: new Store(rooms.EMPTY_ROOM), users: 0 };
    this.#rooms.set(room, entry);
    return entry;
  }

  #connect(): void {
    if (this.#socket !== null || this.connection.value === 'connecting') return;
    this.#attempt += 1;
    const attempt = this.#attempt;
    clearTimeout(this.#timer);
    if (this.connection.value === 'closed') this.connection.set('connecting');
    void this.#fetchTokenAndOpen(attempt);
  }

  async #fetchTokenAndOpen(attempt: number): Promise<void> {
    try {
      const token = await this.#parts.token(this.#refusedToken);
      if (attempt === this.#attempt) this.#open(token, attempt);
    } catch (error) {
      if (attempt !== this.#attempt) return;
      if (failureOf(error).status === 401) this.close();
      else this.#interrupted();
    }
  }

  #open(token: string, attempt: number): void {
    const socket = this.#parts.open(this.#parts.url());
    this.#socket = socket;
    this.#token = token;
    this.#refusedToken = null;
    socket.addEventListener('open', () => {
      if (attempt === this.#attempt) this.#send({ type: 'hello', token });
    });
    socket.addEventListener('message', (event: MessageEvent<unknown>) => {
      if (attempt !== this.#attempt) return;
      const frame = readFrame(event.data);
      if (frame !== null) this.#take(frame);
    });
    socket.addEventListener('close', ({ code }) => {
      if (attempt !== this.#attempt) return;
      if (code === CLOSED_ERASED) this.close();
      else this.#interrupted();
    });
  }

  #interrupted(): void {
    this.#attempt += 1;
    this.#socket = null;
    this.#welcomed = false;
    for (const { store } of this.#rooms.values()) {
      if (store.value.state === 'joined') store.set({ ...store.value, state: 'joining', present: [] });
    }
    if (this.#rooms.size === 0) {
      this.connection.set('closed');
      return;
    }
    this.connection.set('interrupted');
    this.#timer = setTimeout(() => this.#connect(), backoffMs(this.#failures, this.#parts.random()));
    this.#failures += 1;
  }

  #take(frame: ServerFrame): void {
    switch (frame.type) {
      case 'welcome':
        // Also the answer to a newer token.
        if (this.#welcomed) return;
        this.#welcomed = true;
        this.#failures = 0;
        this.connection.set('open');
        for (const room of this.#rooms.keys()) this.#join(room);
        return;
      case 'joined':
        this.#joined(frame.room, frame.last, frame.present);
        return;
      case 'message':
        this.#received(frame);
        return;
      case 'presence':
        this.#change(frame.room, (view) => rooms.withPresence(view, frame.person, frame.state === 'here'));
        return;
      case 'refused':
        this.#refused(frame);
        return;
      case 'said':
        // Its message comes, or has come, among the others: only then is it out of what is pending.
        return;
    }
  }

  #join(room: string): void {
    const last = this.#rooms.get(room)?.store.value.last ?? null;
    this.#send({ type: 'join', room, ...(last === null ? {} : { after: last }) });
  }

  #joined(room: string, last: number, present: readonly string[]): void {
    const entry = this.#rooms.get(room);
    if (entry === undefined) return;
    const first = entry.store.value.last === null;
    entry.store.set(rooms.joined(entry.store.value, last, present));
    // A page that cannot load what was said before still takes part; it can ask again by scrolling up.
    if (first) this.earlier(room).catch(() => undefined);
    for (const { id, text, refused } of entry.store.value.pending) {
      if (refused === null) this.#send({ type: 'say', room, id, text });
    }
  }

  #received(message: ChatMessage): void {
    const entry = this.#rooms.get(message.room);
    if (entry === undefined) return;
    const next = rooms.received(entry.store.value, message);
    if (next === null) {
      // Something is missing: joined again after what is here, once, and everything comes again in order.
      if (entry.store.value.state !== 'joined') return;
      entry.store.set({ ...entry.store.value, state: 'joining' });
      this.#join(message.room);
      return;
    }
    entry.store.set(next);
    if (entry.users === 0 && next.pending.length === 0) {
      this.#send({ type: 'leave', room: message.room });
      this.#rooms.delete(message.room);
    }
  }

  #refused(frame: Extract<ServerFrame, { type: 'refused' }>): void {
    const { code, id } = frame;
    if (!this.#welcomed || OF_TOKEN.has(code)) {
      this.#refusedToken = this.#token;
      this.#socket?.close(1000);
      return;
    }
    if (typeof id === 'string') {
      for (const [room, { store }] of this.#rooms) {
        const pending = store.value.pending.find((one) => one.id === id);
        if (pending === undefined) continue;
        if (PASSING.has(code)) this.#sayAgainSoon(room, id);
        // Said again as soon as the room is joined.
        else if (code !== 'not-joined') store.set(rooms.refusedPending(store.value, id, code));
      }
      return;
    }
    if (typeof frame.room === 'string') this.#change(frame.room, (view) => ({ ...view, state: 'refused' }));
  }

  #sayAgainSoon(room: string, id: string): void {
    const attempt = this.#attempt;
    setTimeout(
      () => {
        const view = this.#rooms.get(room)?.store.value;
        const pending = view?.pending.find((one) => one.id === id);
        if (attempt === this.#attempt && view?.state === 'joined' && pending !== undefined) {
          this.#send({ type: 'say', room, id, text: pending.text });
        }
      },
      500 + backoffMs(2, this.#parts.random()),
    );
  }

  #change(room: string, change: (view: RoomView) => RoomView): void {
    const entry = this.#rooms.get(room);
    if (entry !== undefined) entry.store.set(change(entry.store.value));
  }

  #send(frame: ClientFrame): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }
}

function readFrame(data: unknown): ServerFrame | null {
  if (typeof data !== 'string') return null;
  try {
    const read = serverFrame.safeParse(JSON.parse(data));
    return read.success ? read.data : null;
  } catch {
    return null;
  }
}
