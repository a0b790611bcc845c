import { Redis } from 'ioredis';
import type { Log } from '../kit/log.ts';
import { decodePoke, encodePoke, Listeners, type FanOut, type Poke } from './fan-out.ts';

const PREFIX = 'veza:chat:room:';

/**
 * Fan-out over Redis pub/sub. Pub/sub forgets what is published while a subscriber is away; that is what `missed` is for.
 * @param options.url redis://…
 */
export function createRedisFanOut(options: { readonly url: string; readonly log: Log }): FanOut {
  return new RedisFanOut(options.url, options.log);
}

class RedisFanOut implements FanOut {
  readonly #listeners = new Listeners();
  readonly #publisher: Redis;
  readonly #subscriber: Redis;
  readonly #log: Log;

  constructor(url: string, log: Log) {
    this.#log = log;
    const reconnect = {
      connectTimeout: 2000,
      keepAlive: 5000,
      retryStrategy: (times: number) => Math.min(50 * times, 1000),
    };
    // A poke that waits for Redis is of no use any more when Redis is back: `missed` says more.
    this.#publisher = new Redis(url, {
      ...reconnect,
      enableOfflineQueue: false,
      commandTimeout: 2000,
      maxRetriesPerRequest: 0,
    });
    // Subscribing again is done here and not by ioredis: `missed` must come after it, not before.
    this.#subscriber = new Redis(url, { ...reconnect, autoResubscribe: false, maxRetriesPerRequest: null });
    for (const connection of [this.#publisher, this.#subscriber]) {
      connection.on('error', () => undefined); // said once by `end` of a connection, and by check()
    }
    this.#subscriber.on('close', () => this.#log.warn('the connection to the broker broke'));
    this.#subscriber.on('ready', () => this.#subscribeAll());
    this.#subscriber.on('message', (channel: string, text: string) => {
      const poke = decodePoke(text);
      if (poke !== null) this.#listeners.tell(channel.slice(PREFIX.length), poke);
    });
  }

  async publish(room: string, poke: Poke): Promise<void> {
    await this.#publisher.publish(PREFIX + room, encodePoke(poke));
  }

  subscribe(room: string, onPoke: Parameters<FanOut['subscribe']>[1]): () => void {
    if (this.#listeners.add(room, onPoke)) this.#listen(room);
    else queueMicrotask(() => onPoke({ kind: 'missed' }));
    return () => {
      if (this.#listeners.remove(room, onPoke) && this.#subscriber.status === 'ready') {
        this.#subscriber.unsubscribe(PREFIX + room).catch(() => undefined); // a broken connection listens to nothing
      }
    };
  }

  async check(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#subscriber.status !== 'ready') throw new Error('not connected to the broker');
    await this.#publisher.ping();
  }

  close(): Promise<void> {
    this.#publisher.disconnect();
    this.#subscriber.disconnect();
    return Promise.resolve();
  }

  #subscribeAll(): void {
    for (const room of this.#listeners.rooms()) this.#listen(room);
  }

  /** When the connection is not there or breaks meanwhile, `ready` does it again. */
  #listen(room: string): void {
    if (this.#subscriber.status !== 'ready') return;
    this.#subscriber.subscribe(PREFIX + room).then(
      () => this.#listeners.tell(room, { kind: 'missed' }),
      () => undefined,
    );
  }
}
