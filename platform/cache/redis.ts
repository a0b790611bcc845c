import { Redis } from 'ioredis';
import { Breaker } from './breaker.ts';
import { type Cache, fits, HOLD_MS } from './cache.ts';

export interface RedisCacheOptions {
  /** `redis://[user:password@]host:port[/db]` */
  readonly url: string;
  /** Before every key, so that several can share a server: `veza:api:`. */
  readonly prefix: string;
  readonly clock: () => number;
  /** How long an answer is waited for, in milliseconds. 200 unless told. */
  readonly timeoutMs?: number;
  /** How long Redis is not asked after three calls have failed in a row, in milliseconds. 1 s unless told. */
  readonly openMs?: number;
  /** {@link HOLD_MS} unless told. */
  readonly holdMs?: number;
  /** Told when Redis stops answering, and when it answers again. */
  readonly onChange?: (away: boolean) => void;
}

// A value has this before it; what is empty was deleted, and is held so.
const VALUE = 'v';
const KEEP = `if redis.call('GET', KEYS[1]) == '' then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`;
/** Keys whose deletion Redis has still to be told; with more, everything is forgotten instead. */
const MAX_OWED = 10_000;
const FAILURES = 3;

/**
 * A cache in Redis, shared by all instances. While Redis is away it holds nothing and costs nothing, and what was deleted
 * meanwhile is deleted before anything is read from it again (by this instance; another may show it until its time is over).
 */
export class RedisCache implements Cache {
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #breaker: Breaker;
  readonly #holdMs: number;
  readonly #onChange: (away: boolean) => void;
  readonly #owed = new Set<string>();
  readonly #owedPrefixes = new Set<string>();
  #away = false;

  constructor(options: RedisCacheOptions) {
    this.#prefix = options.prefix;
    this.#holdMs = options.holdMs ?? HOLD_MS;
    this.#onChange = options.onChange ?? (() => undefined);
    this.#breaker = new Breaker({ failures: FAILURES, openMs: options.openMs ?? 1_000, clock: options.clock });
    this.#redis = new Redis(options.url, {
      // Nothing waits for a connection, and nothing is sent twice: a miss is cheaper than either.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      commandTimeout: options.timeoutMs ?? 200,
      connectTimeout: 1_000,
      // Without an answer for that long while one is due, the connection is given up and made anew.
      socketTimeout: 5_000,
      retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 6), 1_000),
      disableClientInfo: true,
      protocol: 2,
    });
    // Without a listener each failed attempt to connect is printed. What matters is told by `onChange`.
    this.#redis.on('error', () => undefined);
  }

  get(key: string): Promise<string | null> {
    return this.#ask(async () => {
      const found = await this.#redis.get(this.#prefix + key);
      return found?.startsWith(VALUE) === true ? found.slice(VALUE.length) : null;
    }, null);
  }

  async set(key: string, value: string, ttlMs: number): Promise<void> {
    if (!fits(key, value)) return;
    await this.#ask(() => this.#redis.eval(KEEP, 1, this.#prefix + key, VALUE + value, Math.ceil(ttlMs)), null);
  }

  async delete(key: string): Promise<void> {
    const done = await this.#ask(() => this.#hold([this.#prefix + key]), false);
    if (!done) this.#owe(this.#owed, key);
  }

  async deletePrefix(prefix: string): Promise<void> {
    const done = await this.#ask(() => this.#holdAll(prefix), false);
    if (!done) this.#owe(this.#owedPrefixes, prefix);
  }

  async check(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#redis.ping();
  }

  close(): Promise<void> {
    this.#redis.disconnect();
    return Promise.resolve();
  }

  async #ask<T>(what: () => Promise<T>, otherwise: T): Promise<T> {
    if (!this.#breaker.enter()) return otherwise;
    try {
      if (this.#owed.size > 0 || this.#owedPrefixes.size > 0) await this.#payOff();
      const answer = await what();
      this.#breaker.succeeded();
      this.#tell(false);
      return answer;
    } catch {
      this.#breaker.failed();
      if (this.#breaker.state !== 'closed') this.#tell(true);
      return otherwise;
    }
  }

  #tell(away: boolean): void {
    if (this.#away === away) return;
    this.#away = away;
    this.#onChange(away);
  }

  #owe(where: Set<string>, name: string): void {
    where.add(name);
    if (this.#owed.size + this.#owedPrefixes.size <= MAX_OWED) return;
    this.#owed.clear();
    this.#owedPrefixes.clear();
    this.#owedPrefixes.add('');
  }

  async #payOff(): Promise<void> {
    for (const prefix of this.#owedPrefixes) {
      await this.#holdAll(prefix);
      this.#owedPrefixes.delete(prefix);
    }
    const keys = [...this.#owed];
    await this.#hold(keys.map((key) => this.#prefix + key));
    for (const key of keys) this.#owed.delete(key);
  }

  async #hold(keys: readonly string[]): Promise<true> {
    if (keys.length === 0) return true;
    const pipeline = this.#redis.pipeline();
    for (const key of keys) pipeline.set(key, '', 'PX', this.#holdMs);
    for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error;
    return true;
  }

  async #holdAll(prefix: string): Promise<true> {
    const pattern = `${(this.#prefix + prefix).replaceAll(/[*?[\]\\]/g, String.raw`\$&`)}*`;
    let cursor = '0';
    do {
      const [next, keys] = await this.#redis.scan(cursor, 'MATCH', pattern, 'COUNT', 500);
      await this.#hold(keys);
      cursor = next;
    } while (cursor !== '0');
    return true;
  }
}
