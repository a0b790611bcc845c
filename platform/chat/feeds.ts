import type { FanOut, Missed, Poke } from './fan-out.ts';
import { RoomFeed } from './room-feed.ts';
import type { Rooms } from './rooms.ts';

interface Open {
  readonly feed: Promise<RoomFeed | null>;
  users: number;
  stop: () => void;
  /** the feed once it is there */
  ready: RoomFeed | null;
}

export interface FeedsOptions {
  readonly rooms: Pick<Rooms, 'last' | 'messages'>;
  readonly fanOut: FanOut;
  /** somebody may have come to or gone from the room */
  readonly onPresence: (room: string) => void;
  /** how often the database is asked what no broker told, in milliseconds */
  readonly lookEveryMs: number;
}

/**
 * The feeds of the rooms that somebody is in by this instance. What the broker does not tell, because it or the instance that
 * should have told it is dead, is found by looking: one query for all rooms, every `lookEveryMs`.
 */
export class Feeds {
  readonly #options: FeedsOptions;
  readonly #open = new Map<string, Open>();
  readonly #timer: NodeJS.Timeout;
  readonly #publishing = new Map<string, number>();
  #looking = false;
  #lookAgain = false;

  constructor(options: FeedsOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.look(), options.lookEveryMs);
  }

  /**
   * Takes a room's feed, to be given back with `release`.
   * @returns null when there is no such room; then there is nothing to give back
   * @throws what the database throws; then, too
   */
  async take(room: string): Promise<RoomFeed | null> {
    const open = this.#open.get(room) ?? this.#start(room);
    open.users += 1;
    try {
      const feed = await open.feed;
      if (feed === null) this.#giveBack(room, open);
      return feed;
    } catch (error) {
      this.#giveBack(room, open);
      throw error;
    }
  }

  release(room: string): void {
    const open = this.#open.get(room);
    if (open !== undefined) this.#giveBack(room, open);
  }

  /** A message was committed here: tells this instance at once, and the others through the broker. */
  announce(room: string, seq: number): void {
    this.#open.get(room)?.ready?.hear(seq);
    const newest = this.#publishing.get(room);
    this.#publishing.set(room, Math.max(newest ?? 0, seq));
    if (newest === undefined) void this.#publish(room);
  }

  announcePresence(room: string): void {
    this.#options.fanOut.publish(room, { kind: 'presence' }).catch(() => undefined); // it is looked at now and then anyway
  }

  /** Asks the database for what is new in all rooms. One query at a time, and one more if it was asked for meanwhile. */
  async look(): Promise<void> {
    if (this.#looking) {
      this.#lookAgain = true;
      return;
    }
    this.#looking = true;
    try {
      do {
        this.#lookAgain = false;
        const last = await this.#options.rooms.last([...this.#open.keys()]);
        for (const [room, seq] of last) this.#open.get(room)?.ready?.hear(seq);
      } while (this.#lookAgain);
    } catch {
      // The database is away: the next look finds it all.
    } finally {
      this.#looking = false;
    }
  }

  get rooms(): string[] {
    return [...this.#open.keys()];
  }

  close(): void {
    clearInterval(this.#timer);
    for (const { stop } of this.#open.values()) stop();
    this.#open.clear();
  }

  #start(room: string): Open {
    const open: Open = { feed: this.#load(room), users: 0, stop: () => undefined, ready: null };
    this.#open.set(room, open);
    open.stop = this.#options.fanOut.subscribe(room, (poke) => this.#hear(room, open, poke));
    open.feed.then(
      (feed) => {
        open.ready = feed;
        return this.look(); // what came between the reading of the number and the broker's first word
      },
      () => undefined, // whoever takes it hears of it
    );
    return open;
  }

  async #load(room: string): Promise<RoomFeed | null> {
    const last = (await this.#options.rooms.last([room])).get(room);
    if (last === undefined) return null;
    return new RoomFeed(last, (after, limit) => this.#options.rooms.messages(room, after, limit));
  }

  #hear(room: string, open: Open, poke: Poke | Missed): void {
    if (poke.kind === 'message') open.ready?.hear(poke.seq);
    else if (poke.kind === 'presence') this.#options.onPresence(room);
    else void this.look();
  }

  #giveBack(room: string, open: Open): void {
    open.users -= 1;
    if (open.users > 0) return;
    open.stop();
    if (this.#open.get(room) === open) this.#open.delete(room);
  }

  /** One poke of a room at a time: what was committed while it was on its way is told by the next, once. */
  async #publish(room: string): Promise<void> {
    for (;;) {
      const seq = this.#publishing.get(room) ?? 0;
      await this.#options.fanOut.publish(room, { kind: 'message', seq }).catch(() => undefined); // the others look
      if (this.#publishing.get(room) === seq) {
        this.#publishing.delete(room);
        return;
      }
    }
  }
}
