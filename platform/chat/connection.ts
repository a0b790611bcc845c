import { once } from 'node:events';
import { decodeJwt } from 'jose';
import type { RawData, WebSocket } from 'ws';
import type { TokenVerifier } from '../tokens/verifier.ts';
import { MAX_SKEW_SECONDS } from '../tokens/claims.ts';
import type { Feeds } from './feeds.ts';
import { CLOSE, readFrame, type ClientFrame, type RefusalCode } from './frames.ts';
import type { Message, Saying, SayingOutcome } from './message.ts';
import { Outbox } from './outbox.ts';
import { RoomBusy } from './say-queue.ts';
import { Subscription } from './subscription.ts';

/** What a connection may have and for how long; times in milliseconds. */
export interface ConnectionLimits {
  readonly helloWithinMs: number;
  /** a client that takes nothing for so long is closed with 1013 */
  readonly stalledMs: number;
  /** and cut off when it does not even take that for so long */
  readonly closeWithinMs: number;
  readonly pingEveryMs: number;
  /** without a sign of life for so long, it is cut off */
  readonly silentMs: number;
  readonly rooms: number;
  /** messages said and not acknowledged yet */
  readonly underWay: number;
  /** frames that were not understood */
  readonly malformed: number;
}

export const CONNECTION_LIMITS: ConnectionLimits = {
  helloWithinMs: 5000,
  stalledMs: 10_000,
  closeWithinMs: 5000,
  pingEveryMs: 20_000,
  silentMs: 60_000,
  rooms: 50,
  underWay: 64,
  malformed: 10,
};

/** What a connection needs of the chat it belongs to. */
export interface ConnectionParts {
  readonly verifier: TokenVerifier;
  /** false when the person was erased */
  readonly admit: (person: string, token: string) => Promise<boolean>;
  /** false when the person has too many connections */
  readonly register: (person: string) => boolean;
  readonly feeds: Feeds;
  readonly read: (room: string, after: number, limit: number) => Promise<Message[]>;
  readonly enter: (room: string, person: string) => Promise<string[]>;
  readonly leave: (room: string, person: string, how: 'left' | 'broken') => Promise<void>;
  readonly mayTalk: (person: string) => boolean;
  readonly say: (room: string, saying: Saying) => Promise<SayingOutcome>;
  /** a connection was ended from here */
  readonly onEnd: (reason: string) => void;
  /** milliseconds since 1970 */
  readonly clock: () => number;
  readonly limits: ConnectionLimits;
}

interface Who {
  readonly person: string;
  readonly expiresAt: number;
}

const INBOX_PAUSES_AT = 64;
const INBOX_GOES_ON_AT = 16;

/**
 * One WebSocket: what its client says, one frame after the other. A message counts as accepted when it was handed on to be
 * stored, and from then on it is acknowledged, or refused, before a drain ends; what comes after the drain began was never
 * accepted, and the client says it again elsewhere.
 */
export class Connection {
  readonly #socket: WebSocket;
  readonly #parts: ConnectionParts;
  readonly #outbox: Outbox;
  readonly #rooms = new Map<string, Subscription>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #openedAt: number;
  #inbox: ClientFrame[] = [];
  #working = false;
  #who: Who | null = null;
  #malformed = 0;
  #ending = false;
  #closingAt: number | null = null;
  #pingedAt: number;
  #heardAt: number;

  constructor(socket: WebSocket, parts: ConnectionParts) {
    this.#socket = socket;
    this.#parts = parts;
    this.#openedAt = parts.clock();
    this.#pingedAt = this.#openedAt;
    this.#heardAt = this.#openedAt;
    this.#outbox = new Outbox(socket, parts.clock);
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    socket.on('pong', () => this.#alive());
    socket.on('error', () => undefined); // `close` follows
    socket.on('close', () => this.#closed());
  }

  /** null before the client said who it is. */
  get person(): string | null {
    return this.#who?.person ?? null;
  }

  tellPresence(room: string, person: string, state: 'here' | 'away'): void {
    // Who cannot keep up with messages is not told who comes and goes.
    if (this.#rooms.has(room) && !this.#outbox.full) this.#outbox.send({ type: 'presence', room, person, state });
  }

  /**
   * Takes nothing more, waits for what was accepted to be acknowledged, and sends the client elsewhere (1001). Resolves when
   * the client has heard, or is cut off for not listening.
   */
  async drain(): Promise<void> {
    this.#ending = true;
    this.#inbox = [];
    await Promise.all(this.#underWay);
    if (this.#socket.readyState === this.#socket.CLOSED) return;
    const closed = once(this.#socket, 'close');
    this.close(CLOSE.goingAway, 'going-away');
    await closed;
  }

  close(code: number, reason: string): void {
    this.#ending = true;
    this.#inbox = [];
    if (this.#closingAt !== null) return;
    this.#closingAt = this.#parts.clock();
    this.#parts.onEnd(reason);
    this.#outbox.close();
    this.#socket.resume();
    this.#socket.close(code, reason);
  }

  /** Looks whether it is time for something. To be called every second or so. */
  tick(): void {
    const { clock, limits } = this.#parts;
    const now = clock();
    if (this.#closingAt !== null) {
      if (now - this.#closingAt >= limits.closeWithinMs) this.#socket.terminate();
      return;
    }
    if (this.#who === null) {
      if (now - this.#openedAt >= limits.helloWithinMs) this.close(CLOSE.noHello, 'no-hello');
      return;
    }
    if (now >= this.#who.expiresAt) return this.close(CLOSE.token, 'token-expired');
    if (this.#outbox.overflowed || this.#outbox.stalledMs >= limits.stalledMs) {
      return this.close(CLOSE.tryLater, 'too-slow');
    }
    if (this.#socket.isPaused) this.#heardAt = now; // we do not listen, so we cannot hear
    if (now - this.#heardAt >= limits.silentMs) return this.#socket.terminate();
    if (now - this.#pingedAt >= limits.pingEveryMs) {
      this.#pingedAt = now;
      this.#socket.ping();
    }
  }

  #alive(): void {
    this.#heardAt = this.#parts.clock();
  }

  #receive(data: RawData, isBinary: boolean): void {
    this.#alive();
    if (this.#ending) return;
    if (isBinary) return this.close(CLOSE.binary, 'text-only');
    const frame = readFrame(textOf(data));
    if (frame === null) {
      this.#refuse('malformed', 'This is not a frame of the chat.');
      this.#malformed += 1;
      if (this.#malformed >= this.#parts.limits.malformed) this.close(CLOSE.policy, 'malformed');
      return;
    }
    this.#inbox.push(frame);
    if (this.#inbox.length >= INBOX_PAUSES_AT) this.#socket.pause();
    void this.#work();
  }

  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    try {
      for (;;) {
        await this.#outbox.room();
        const frame = this.#inbox.shift();
        if (frame === undefined) return;
        if (this.#inbox.length <= INBOX_GOES_ON_AT && this.#socket.isPaused) this.#socket.resume();
        await this.#handle(frame);
      }
    } catch {
      this.close(CLOSE.tryLater, 'unavailable'); // the database is away: the client comes back with what it has
    } finally {
      this.#working = false;
    }
  }

  async #handle(frame: ClientFrame): Promise<void> {
    if (frame.type === 'hello' || frame.type === 'renew') return this.#identify(frame.token);
    const who = this.#who;
    if (who === null) return this.#refuse('hello-first', 'The first frame says who you are.');
    switch (frame.type) {
      case 'join':
        return this.#join(who.person, frame.room, frame.after);
      case 'leave':
        return this.#leave(who.person, frame.room, 'left');
      case 'say':
        return this.#say(who.person, frame.room, frame.id, frame.text);
    }
  }

  async #identify(token: string): Promise<void> {
    let person: string;
    try {
      person = (await this.#parts.verifier.verify(token)).id;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#refuse('token-refused', 'The access token is not valid, or not any more.');
      // A live connection outlives a bad renewal until its own token ends.
      if (this.#who === null) this.close(CLOSE.token, 'token-refused');
      return;
    }
    if (this.#ending) return;
    if (this.#who !== null && this.#who.person !== person) {
      this.#refuse('other-person', 'The token is of somebody else: open another connection.');
      return;
    }
    if (this.#who === null) {
      if (!(await this.#parts.admit(person, token))) return this.close(CLOSE.erased, 'erased');
      if (this.#ending) return;
      if (!this.#parts.register(person)) return this.close(CLOSE.tooMany, 'too-many-connections');
    }
    this.#who = { person, expiresAt: expiryOf(token) };
    this.#outbox.send({ type: 'welcome', person });
  }

  async #join(person: string, room: string, after: number | undefined): Promise<void> {
    const joined = this.#rooms.get(room);
    if (joined === undefined && this.#rooms.size >= this.#parts.limits.rooms) {
      return this.#refuse('too-many-rooms', 'Leave a room first.', { room });
    }
    const feed = await this.#parts.feeds.take(room);
    if (feed === null) return this.#refuse('no-such-room', 'There is no such room.', { room });
    let present: string[];
    try {
      present = await this.#parts.enter(room, person);
    } catch (error) {
      this.#parts.feeds.release(room);
      throw error;
    }
    // Joined again, to go on elsewhere: only now, so that the feed lives on between the two.
    if (joined !== undefined) await this.#leave(person, room, 'broken');
    if (this.#socket.readyState !== this.#socket.OPEN) {
      this.#parts.feeds.release(room);
      await this.#parts.leave(room, person, 'broken');
      return;
    }
    const last = feed.delivered;
    this.#outbox.send({ type: 'joined', room, last, present });
    const read = (from: number, limit: number): Promise<Message[]> => this.#parts.read(room, from, limit);
    this.#rooms.set(room, new Subscription({ feed, outbox: this.#outbox, read, after: Math.min(after ?? last, last) }));
  }

  async #leave(person: string, room: string, how: 'left' | 'broken'): Promise<void> {
    const subscription = this.#rooms.get(room);
    if (subscription === undefined) return;
    this.#rooms.delete(room);
    subscription.close();
    this.#parts.feeds.release(room);
    await this.#parts.leave(room, person, how);
  }

  async #say(person: string, room: string, id: string, text: string): Promise<void> {
    if (!this.#rooms.has(room)) return this.#refuse('not-joined', 'Join the room first.', { id, room });
    if (!this.#parts.mayTalk(person)) {
      return this.#refuse('too-fast', 'Too many messages: say it again in a moment.', { id, room });
    }
    while (this.#underWay.size >= this.#parts.limits.underWay) await Promise.race(this.#underWay);
    if (this.#ending) return;
    const under = this.#stored(room, { author: person, id, text }).finally(() => this.#underWay.delete(under));
    this.#underWay.add(under);
  }

  async #stored(room: string, saying: Saying): Promise<void> {
    const { id } = saying;
    try {
      const outcome = await this.#parts.say(room, saying);
      if (outcome.outcome === 'said') this.#outbox.send({ type: 'said', room, id, seq: outcome.seq });
      else if (outcome.outcome === 'no-room') this.#refuse('no-such-room', 'There is no such room.', { id, room });
      else this.#refuse('erased', 'This account was deleted.', { id, room });
    } catch (error) {
      const code = error instanceof RoomBusy ? 'room-busy' : 'unavailable';
      this.#refuse(code, 'It could not be stored now: say it again in a moment.', { id, room });
    }
  }

  #refuse(code: RefusalCode, detail: string, about: { readonly id?: string; readonly room?: string } = {}): void {
    this.#outbox.send({ type: 'refused', code, detail, ...about });
  }

  #closed(): void {
    this.#ending = true;
    this.#closingAt ??= this.#parts.clock();
    this.#inbox = [];
    this.#outbox.close();
    const person = this.#who?.person;
    if (person === undefined) return;
    for (const room of this.#rooms.keys()) {
      this.#leave(person, room, 'broken').catch(() => undefined); // then it expires
    }
  }
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString('utf8');
  return (data instanceof ArrayBuffer ? Buffer.from(data) : data).toString('utf8');
}

/** When a token that was verified stops being taken, in milliseconds since 1970. */
function expiryOf(token: string): number {
  return ((decodeJwt(token).exp ?? 0) + MAX_SKEW_SECONDS) * 1000;
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.name === 'TokenRefused';
}
