import { describe, expect, it } from 'vitest';
import { type Cache, MAX_KEY_LENGTH, MAX_VALUE_LENGTH } from './cache.ts';

export interface CacheUnderTest {
  /** An empty cache that keeps deleted keys empty for `holdMs`. Closed by the suite. */
  make(options: { readonly holdMs: number }): Promise<Cache>;
}

/** What every cache does, whatever it is made of. */
export function describeCache(name: string, underTest: CacheUnderTest): void {
  const MINUTE = 60_000;

  async function withCache(use: (cache: Cache) => Promise<void>, holdMs = MINUTE): Promise<void> {
    const cache = await underTest.make({ holdMs });
    try {
      await use(cache);
    } finally {
      await cache.close();
    }
  }

  describe(`the contract of caches: ${name}`, () => {
    it('gives back what was set, to the last character', () =>
      withCache(async (cache) => {
        const value = 'line\n"quoted" é ☃ 𝄞 \u0000 end';

        await cache.set('a', value, MINUTE);

        expect(await cache.get('a')).toBe(value);
      }));

    it('has nothing under a key that was never set', () =>
      withCache(async (cache) => {
        expect(await cache.get('nobody')).toBeNull();
      }));

    it('tells an empty text from nothing', () =>
      withCache(async (cache) => {
        await cache.set('empty', '', MINUTE);

        expect(await cache.get('empty')).toBe('');
      }));

    it('replaces a value with a later one', () =>
      withCache(async (cache) => {
        await cache.set('a', 'old', MINUTE);
        await cache.set('a', 'new', MINUTE);

        expect(await cache.get('a')).toBe('new');
      }));

    it('forgets a value when its time is over', () =>
      withCache(async (cache) => {
        await cache.set('short', 'x', 40);

        await expect.poll(() => cache.get('short'), { timeout: 5_000, interval: 5 }).toBeNull();
      }));

    it('forgets what is deleted, and nothing else', () =>
      withCache(async (cache) => {
        await cache.set('a', '1', MINUTE);
        await cache.set('b', '2', MINUTE);

        await cache.delete('a');

        expect([await cache.get('a'), await cache.get('b')]).toEqual([null, '2']);
      }));

    it('does not take back an old value from whoever read it before the key was deleted', () =>
      withCache(async (cache) => {
        await cache.delete('a');

        await cache.set('a', 'read before the change', MINUTE);

        expect(await cache.get('a')).toBeNull();
      }));

    it('takes values again when the deletion is long enough ago', () =>
      withCache(async (cache) => {
        await cache.delete('a');

        await expect
          .poll(
            async () => {
              await cache.set('a', 'new', MINUTE);
              return cache.get('a');
            },
            { timeout: 5_000, interval: 10 },
          )
          .toBe('new');
      }, 50));

    it('forgets all keys that begin alike, with characters that mean something to a pattern', () =>
      withCache(async (cache) => {
        const inside = ['p[1]*:a', 'p[1]*:b', 'p[1]*:'];
        const outside = ['p1:a', 'p[1]x:a', 'q:p[1]*:a'];
        for (const key of [...inside, ...outside]) await cache.set(key, key, MINUTE);

        await cache.deletePrefix('p[1]*:');

        for (const key of inside) expect(await cache.get(key)).toBeNull();
        for (const key of outside) expect(await cache.get(key)).toBe(key);
      }));

    it('forgets a thousand keys that begin alike', () =>
      withCache(async (cache) => {
        const keys = Array.from({ length: 1_000 }, (_, index) => `many:${index}`);
        await Promise.all(keys.map((key) => cache.set(key, 'x', MINUTE)));

        await cache.deletePrefix('many:');

        expect(new Set(await Promise.all(keys.map((key) => cache.get(key))))).toEqual(new Set([null]));
      }));

    it('keeps nothing that is too large, instead of failing', () =>
      withCache(async (cache) => {
        await cache.set('big', 'x'.repeat(MAX_VALUE_LENGTH + 1), MINUTE);
        await cache.set('k'.repeat(MAX_KEY_LENGTH + 1), 'x', MINUTE);

        expect(await cache.get('big')).toBeNull();
        expect(await cache.get('k'.repeat(MAX_KEY_LENGTH + 1))).toBeNull();
      }));

    it('says that it is there', () =>
      withCache(async (cache) => {
        await expect(cache.check(AbortSignal.timeout(5_000))).resolves.toBeUndefined();
      }));
  });
}
