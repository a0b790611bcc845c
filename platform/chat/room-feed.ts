import type { Message } from './message.ts';

const AT_ONCE = 200;

/** Gets the messages of a room, in order, each exactly once. */
export interface FeedMember {
  offer(messages: readonly Message[]): void;
}

/**
 * The new messages of one room, for all who are in it by this instance. It hears numbers, in any order and as often as they
 * come, and reads from the database from where it is: a number that was never heard is not missed.
 */
export class RoomFeed {
  readonly #read: (after: number, limit: number) => Promise<Message[]>;
  readonly #members = new Set<FeedMember>();
  #heard: number;
  #delivered: number;
  #pumping = false;

  /** @param last the number of the newest message; what comes after it is delivered */
  constructor(last: number, read: (after: number, limit: number) => Promise<Message[]>) {
    this.#read = read;
    this.#heard = last;
    this.#delivered = last;
  }

  /** The number of the message that was delivered last. */
  get delivered(): number {
    return this.#delivered;
  }

  add(member: FeedMember): void {
    this.#members.add(member);
  }

  remove(member: FeedMember): void {
    this.#members.delete(member);
  }

  /** There is a message of this number. When the database is away, the next number heard, the same again too, goes on. */
  hear(seq: number): void {
    this.#heard = Math.max(this.#heard, seq);
    void this.#pump();
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#delivered < this.#heard) {
        const messages = await this.#read(this.#delivered, AT_ONCE);
        const newest = messages.at(-1);
        if (newest === undefined) {
          this.#heard = this.#delivered; // nobody of ours said that number
          break;
        }
        this.#delivered = newest.seq;
        this.#heard = Math.max(this.#heard, newest.seq);
        for (const member of this.#members) member.offer(messages);
      }
    } catch {
      // The readiness check says that the database is away; the tick hears again.
    } finally {
      this.#pumping = false;
    }
  }
}
