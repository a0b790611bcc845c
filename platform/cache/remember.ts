import type { z } from 'zod';
import type { Cache } from './cache.ts';

/** What a question to the cache came to. `shared`: somebody else was already getting it. */
export type Outcome = 'hit' | 'miss' | 'shared';

/** Asks the cache first and the source after it, and the source once for all who ask at the same time. */
export class Remembered {
  readonly #cache: Cache;
  readonly #observe: (outcome: Outcome) => void;
  readonly #flights = new Map<string, Promise<unknown>>();

  constructor(cache: Cache, observe: (outcome: Outcome) => void = () => undefined) {
    this.#cache = cache;
    this.#observe = observe;
  }

  /**
   * The value under a key, got from the source when the cache has none, or one of another form (another release's).
   *
   * @param ttlMs how long the value may be served, in milliseconds
   * @param schema what the value looks like; it has to survive JSON
   * @param load the source. It must not depend on who asks: its answer is given to all.
   * @throws what `load` throws, to everybody who waits; nothing of it is kept
   */
  get<T>(key: string, ttlMs: number, schema: z.ZodType<T>, load: () => Promise<T>): Promise<T> {
    const flight = this.#flights.get(key);
    if (flight !== undefined) {
      this.#observe('shared');
      // One key has one schema: the callers of `get` see to that by giving each kind of value its own prefix.
      return flight as Promise<T>;
    }
    const started = this.#fetch(key, ttlMs, schema, load).finally(() => {
      if (this.#flights.get(key) === started) this.#flights.delete(key);
    });
    this.#flights.set(key, started);
    return started;
  }

  /** To be called after a change is committed. Who asks from now on does not get what somebody began to read before. */
  async forget(...keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#flights.delete(key);
    await Promise.all(keys.map((key) => this.#cache.delete(key)));
  }

  async #fetch<T>(key: string, ttlMs: number, schema: z.ZodType<T>, load: () => Promise<T>): Promise<T> {
    const kept = parse(await this.#cache.get(key), schema);
    if (kept !== null) {
      this.#observe('hit');
      return kept.value;
    }
    this.#observe('miss');
    const value = await load();
    await this.#cache.set(key, JSON.stringify(value), ttlMs);
    return value;
  }
}

function parse<T>(text: string | null, schema: z.ZodType<T>): { readonly value: T } | null {
  if (text === null) return null;
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? { value: parsed.data } : null;
  } catch {
    return null;
  }
}
