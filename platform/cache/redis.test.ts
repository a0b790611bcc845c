import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { type RedisServer, startRedis } from '../rig/redis.ts';
import { describeCache } from './cache-contract.ts';
import { RedisCache } from './redis.ts';
import { Remembered } from './remember.ts';

const MINUTE = 60_000;
let server: RedisServer;
let count = 0;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

/** A cache that is connected, with a prefix of its own unless told. */
async function connected(
  options: Partial<ConstructorParameters<typeof RedisCache>[0]> = {},
): Promise<RedisCache & { readonly prefix: string }> {
  const prefix = options.prefix ?? `t${(count += 1)}:`;
  const cache = new RedisCache({ url: server.url, prefix, clock: Date.now, ...options });
  await answering(cache);
  return Object.assign(cache, { prefix });
}

const answering = (cache: RedisCache) =>
  expect
    .poll(
      () =>
        cache.check(AbortSignal.timeout(1_000)).then(
          () => true,
          () => false,
        ),
      { timeout: 10_000 },
    )
    .toBe(true);

describeCache('Redis', { make: ({ holdMs }) => connected({ holdMs }) });

describe('a cache in Redis', () => {
  it('is shared by instances: what one deletes, the other does not show any more', async () => {
    const one = await connected();
    const other = await connected({ prefix: one.prefix });
    await one.set('a', '1', MINUTE);
    const seen = await other.get('a');

    await other.delete('a');
    await one.set('a', 'read before the change', MINUTE);

    expect([seen, await one.get('a'), await other.get('a')]).toEqual(['1', null, null]);
    await Promise.all([one.close(), other.close()]);
  });

  it('leaves alone what others keep in the same server', async () => {
    const [mine, theirs] = [await connected(), await connected()];
    await theirs.set('a', '1', MINUTE);

    await mine.deletePrefix('');

    expect(await theirs.get('a')).toBe('1');
    await Promise.all([mine.close(), theirs.close()]);
  });

  it('lets Redis forget values by itself', async () => {
    const cache = await connected();
    await cache.set('a', '1', MINUTE);
    await cache.delete('b');
    const redis = new Redis(server.url);

    const lives = await Promise.all(['a', 'b'].map((key) => redis.pttl(cache.prefix + key)));

    redis.disconnect();
    for (const life of lives) expect(life).toBeGreaterThan(0);
    await cache.close();
  });
});

describe('without Redis', () => {
  it('everything is a miss and nothing an error, also at the very start', async () => {
    const cache = new RedisCache({ url: 'redis://127.0.0.1:1', prefix: 'x:', clock: Date.now });

    await cache.set('a', '1', MINUTE);
    await cache.delete('a');
    await cache.deletePrefix('a');

    expect(await cache.get('a')).toBeNull();
    await expect(cache.check(AbortSignal.timeout(1_000))).rejects.toThrow();
    await cache.close();
  });

  it('people are served from the source, and from the cache again when Redis is back', async () => {
    const own = await startRedis();
    onTestFinished(() => own.stop());
    const changes: boolean[] = [];
    const cache = new RedisCache({
      url: own.url,
      prefix: 'x:',
      clock: Date.now,
      openMs: 50,
      onChange: (away) => changes.push(away),
    });
    await answering(cache);
    const remembered = new Remembered(cache);
    let asked = 0;
    const ask = () => remembered.get('k', MINUTE, z.number(), () => Promise.resolve((asked += 1)));
    await ask();

    await own.kill();
    const away = [await ask(), await ask(), await ask(), await ask()];
    await own.start();
    await expect.poll(async () => [await ask(), await ask()], { timeout: 10_000 }).toSatisfy(([a, b]) => a === b);

    expect(away).toEqual([2, 3, 4, 5]);
    expect(changes).toEqual([true, false]);
    await cache.close();
  });

  it('a Redis that does not answer costs three waits, and then none until it is asked again', async () => {
    const { own, cache, later } = await withOwnRedis();
    await later('a', '1');
    own.pause();
    for (let index = 0; index < 3; index += 1) await cache.get('a');

    const before = performance.now();
    for (let index = 0; index < 1_000; index += 1) await cache.get('a');
    const spent = performance.now() - before;

    // One wait would be 250 ms, a thousand of them four minutes.
    expect(spent).toBeLessThan(10_000);
    own.resume();
    await answering(cache);
    expect(await cache.get('a')).toBeNull();
    await later('a', '1');
  });

  it('what was deleted meanwhile is deleted before anything is read again', async () => {
    const { own, cache, later } = await withOwnRedis();
    await cache.set('list:1', 'old', MINUTE);
    await cache.set('a', 'old', MINUTE);
    await later('b', 'kept');
    // Paused, and not killed: it comes back with all that it had.
    own.pause();
    for (let index = 0; index < 3; index += 1) await cache.get('b');
    await cache.delete('a');
    await cache.deletePrefix('list:');
    own.resume();
    await answering(cache);

    await later('b', 'kept');

    expect([await cache.get('a'), await cache.get('list:1')]).toEqual([null, null]);
    const raw = new Redis(own.url);
    expect(await raw.mget('x:a', 'x:list:1', 'x:b')).toEqual(['', '', 'vkept']);
    raw.disconnect();
  });

  /** A Redis that may be paused, and a cache whose clock stands still but when something is waited for. */
  async function withOwnRedis() {
    const own = await startRedis();
    let now = 0;
    const cache = new RedisCache({ url: own.url, prefix: 'x:', clock: () => now, timeoutMs: 250, openMs: 1_000 });
    onTestFinished(async () => {
      await cache.close();
      await own.stop();
    });
    await answering(cache);
    await cache.set('a', '1', MINUTE);
    await cache.set('b', 'kept', MINUTE);
    return {
      own,
      cache,
      /** Waits until a key has a value: on a busy machine even a well Redis may answer too late. */
      later: (key: string, value: string) =>
        expect
          .poll(
            () => {
              now += 1_000;
              return cache.get(key);
            },
            { timeout: 20_000 },
          )
          .toBe(value),
    };
  }
});
