/**
 * Values that were costly to get, kept for a while. What is in it is a copy: everything works without it, only slower. So no
 * method but {@link Cache.check} ever throws; what cannot be reached holds nothing.
 *
 * A key is ASCII, at most {@link MAX_KEY_LENGTH} characters, and never holds personal data in clear: see `private-key.ts`. Values are
 * text, which `remember.ts` makes and checks.
 */
export interface Cache {
  /** null when nothing is there, when it is too old, or when the cache is away. */
  get(key: string): Promise<string | null>;
  /**
   * Keeps a value. Does nothing within {@link HOLD_MS} after a `delete` of the key: whoever read the value from the database
   * before it was changed there must not put the old one back.
   *
   * @param ttlMs milliseconds, at least 1
   */
  set(key: string, value: string, ttlMs: number): Promise<void>;
  /** Forgets a value, in every instance that shares the cache. To be called after the change is committed. */
  delete(key: string): Promise<void>;
  /** Forgets every value whose key begins so. Costs as much as there are keys: for rare events. */
  deletePrefix(prefix: string): Promise<void>;
  /** @throws Error when the cache is away */
  check(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/**
 * How long a key stays empty after a `delete`. Longer than a statement may run (10 s) and than a replica may be behind (5 s):
 * a value that was read before the change has arrived, or never will.
 *
 * The idea is the lease of Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013, section 3.2.1, with time in place of tokens.
 */
export const HOLD_MS = 11_000;

export const MAX_KEY_LENGTH = 200;

/** A value larger than this (in UTF-16 units) is not kept. */
export const MAX_VALUE_LENGTH = 1024 * 1024;

/** Whether a key and a value can be kept. */
export function fits(key: string, value: string): boolean {
  return key.length <= MAX_KEY_LENGTH && value.length <= MAX_VALUE_LENGTH;
}
