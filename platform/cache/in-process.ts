import { LRUCache } from 'lru-cache';
import { type Cache, fits, HOLD_MS } from './cache.ts';

export interface InProcessOptions {
  /** Least recently used values go when there are more. 10,000 unless told. */
  readonly maxEntries?: number;
  /** UTF-16 units of keys and values together. 32 Mi unless told. */
  readonly maxLength?: number;
  /**
   * The longest that a value is kept, in milliseconds: how long another instance may show what this one has changed, since
   * nobody tells it. 5 s unless told.
   */
  readonly maxTtlMs?: number;
  /** {@link HOLD_MS} unless told. */
  readonly holdMs?: number;
  readonly clock: () => number;
}

interface Entry {
  /** null: deleted, and held empty. */
  readonly value: string | null;
  readonly until: number;
}

/** A cache in the memory of this process, bounded, and shared with no other. */
export class InProcessCache implements Cache {
  readonly #entries: LRUCache<string, Entry>;
  readonly #maxTtlMs: number;
  readonly #holdMs: number;
  readonly #clock: () => number;

  constructor(options: InProcessOptions) {
    this.#clock = options.clock;
    this.#maxTtlMs = options.maxTtlMs ?? 5_000;
    this.#holdMs = options.holdMs ?? HOLD_MS;
    // Age is compared here and not by the library, which reads a clock of its own.
    this.#entries = new LRUCache({
      max: options.maxEntries ?? 10_000,
      maxSize: options.maxLength ?? 32 * 1024 * 1024,
      sizeCalculation: (entry, key) => Math.max(1, key.length + (entry.value?.length ?? 0)),
    });
  }

  get(key: string): Promise<string | null> {
    const entry = this.#entries.get(key);
    return Promise.resolve(entry !== undefined && this.#clock() < entry.until ? entry.value : null);
  }

  set(key: string, value: string, ttlMs: number): Promise<void> {
    const now = this.#clock();
    const old = this.#entries.peek(key);
    const held = old !== undefined && old.value === null && now < old.until;
    if (!held && fits(key, value)) {
      this.#entries.set(key, { value, until: now + Math.min(ttlMs, this.#maxTtlMs) });
    }
    return Promise.resolve();
  }

  delete(key: string): Promise<void> {
    this.#entries.set(key, { value: null, until: this.#clock() + this.#holdMs });
    return Promise.resolve();
  }

  deletePrefix(prefix: string): Promise<void> {
    const found = [...this.#entries.keys()].filter((key) => key.startsWith(prefix));
    for (const key of found) void this.delete(key);
    return Promise.resolve();
  }

  check(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#entries.clear();
    return Promise.resolve();
  }
}
