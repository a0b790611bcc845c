import { setTimeout as sleep } from 'node:timers/promises';
import type { Message } from './message.ts';
import type { Outbox } from './outbox.ts';
import type { FeedMember, RoomFeed } from './room-feed.ts';

const AT_ONCE = 100;
const AGAIN_AFTER_MS = 500;

export interface SubscriptionOptions {
  readonly feed: RoomFeed;
  readonly outbox: Pick<Outbox, 'send' | 'full' | 'room'>;
  readonly read: (after: number, limit: number) => Promise<Message[]>;
  /** the number of the last message that the client has */
  readonly after: number;
}

/**
 * One client in one room. It reads from the database until it is where the feed is, and takes from the feed from there on; both
 * happen in the same turn of the event loop, so nothing falls between them and nothing comes twice. A client that reads too
 * slowly goes back to the database, at its own pace.
 */
export class Subscription implements FeedMember {
  readonly #options: SubscriptionOptions;
  readonly #closed = new AbortController();
  #sent: number;
  #live = false;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
    this.#sent = options.after;
    options.feed.add(this);
    void this.#catchUp();
  }

  offer(messages: readonly Message[]): void {
    if (!this.#live) return;
    for (const message of messages) {
      if (message.seq <= this.#sent) continue;
      if (message.seq !== this.#sent + 1 || this.#options.outbox.full) {
        this.#live = false;
        void this.#catchUp();
        return;
      }
      this.#send(message);
    }
  }

  close(): void {
    this.#options.feed.remove(this);
    this.#closed.abort();
  }

  async #catchUp(): Promise<void> {
    const { feed, outbox, read } = this.#options;
    const { signal } = this.#closed;
    for (;;) {
      await outbox.room();
      if (signal.aborted) return;
      if (this.#sent >= feed.delivered) {
        this.#live = true;
        return;
      }
      try {
        const messages = await read(this.#sent, AT_ONCE);
        if (signal.aborted) return;
        for (const message of messages) this.#send(message);
        // Numbers that are not in the database are in nobody's hands: a room that was restored to an earlier state.
        if (messages.length === 0) this.#sent = feed.delivered;
      } catch {
        await sleep(AGAIN_AFTER_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  #send(message: Message): void {
    this.#options.outbox.send({ type: 'message', ...message });
    this.#sent = message.seq;
  }
}
