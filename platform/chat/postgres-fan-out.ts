import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { Log } from '../kit/log.ts';
import { decodePoke, encodePoke, Listeners, type FanOut, type Poke } from './fan-out.ts';

const CHANNEL = 'veza_chat';
const ASK_EVERY_MS = 5000;
const ANSWER_WITHIN_MS = 3000;

export interface PostgresFanOutOptions {
  /** a connection of its own, straight to PostgreSQL: LISTEN does not work through PgBouncer in transaction mode */
  readonly url: string;
  /** sends `select pg_notify(channel, payload)` on the pool of the service */
  readonly notify: (channel: string, payload: string) => Promise<void>;
  readonly log: Log;
}

/**
 * Fan-out over PostgreSQL's LISTEN and NOTIFY: one channel for all rooms, the payload is room and number.
 * @see https://www.postgresql.org/docs/current/sql-notify.html
 */
export function createPostgresFanOut(options: PostgresFanOutOptions): FanOut {
  return new PostgresFanOut(options);
}

class PostgresFanOut implements FanOut {
  readonly #listeners = new Listeners();
  readonly #options: PostgresFanOutOptions;
  readonly #closed = new AbortController();
  readonly #running: Promise<void>;
  #listening: Client | null = null;

  constructor(options: PostgresFanOutOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  async publish(room: string, poke: Poke): Promise<void> {
    await this.#options.notify(CHANNEL, `${room} ${encodePoke(poke)}`);
  }

  subscribe(room: string, onPoke: Parameters<FanOut['subscribe']>[1]): () => void {
    this.#listeners.add(room, onPoke);
    // All rooms come over the one channel. While nobody listens to it, `missed` comes when somebody does again.
    if (this.#listening !== null) queueMicrotask(() => onPoke({ kind: 'missed' }));
    return () => void this.#listeners.remove(room, onPoke);
  }

  async check(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#listening === null) throw new Error('not listening to PostgreSQL');
    await this.#listening.query('select 1');
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    let failures = 0;
    const { signal } = this.#closed;
    while (!signal.aborted) {
      const client = new Client({
        connectionString: this.#options.url,
        connectionTimeoutMillis: 2000,
        query_timeout: ANSWER_WITHIN_MS,
        keepAlive: true,
        application_name: 'veza-chat-listen',
      });
      try {
        await this.#listen(client);
        failures = 0;
        await this.#watch(client);
      } catch {
        // It is connected again below, and check() says that it is not.
      }
      if (!signal.aborted && failures === 0) {
        this.#options.log.warn('the connection that listens to PostgreSQL broke');
      }
      this.#listening = null;
      await end(client);
      failures += 1;
      await sleep(Math.min(50 * failures, 1000), undefined, { signal }).catch(() => undefined);
    }
  }

  async #listen(client: Client): Promise<void> {
    client.on('error', () => undefined); // `end` follows, and #watch sees it
    client.on('notification', ({ payload }) => {
      const [room, text, ...rest] = (payload ?? '').split(' ');
      const poke = decodePoke(text ?? '');
      if (room !== undefined && poke !== null && rest.length === 0) this.#listeners.tell(room, poke);
    });
    await client.connect();
    await client.query(`listen ${CHANNEL}`);
    this.#listening = client;
    this.#listeners.tellAll({ kind: 'missed' });
  }

  /** Returns or throws when the connection is of no use any more: also when the other end went away without a word. */
  async #watch(client: Client): Promise<void> {
    const over = new AbortController();
    const stop = AbortSignal.any([over.signal, this.#closed.signal]);
    const ended = once(client, 'end', { signal: stop }).then(
      () => over.abort(),
      () => undefined,
    );
    try {
      while (!stop.aborted) {
        await sleep(ASK_EVERY_MS, undefined, { signal: stop }).catch(() => undefined);
        if (!stop.aborted) await client.query('select 1');
      }
    } finally {
      over.abort();
      await ended;
    }
  }
}

async function end(client: Client): Promise<void> {
  await Promise.race([client.end().catch(() => undefined), sleep(500, undefined, { ref: false })]);
}
