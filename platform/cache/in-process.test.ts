import { expect, it } from 'vitest';
import { describeCache } from './cache-contract.ts';
import { InProcessCache } from './in-process.ts';

describeCache('in process', {
  make: ({ holdMs }) => Promise.resolve(new InProcessCache({ holdMs, clock: Date.now, maxTtlMs: 60_000 })),
});

it('keeps the values used last when there are too many', async () => {
  const cache = new InProcessCache({ clock: () => 0, maxEntries: 2 });
  await cache.set('a', '1', 1_000);
  await cache.set('b', '2', 1_000);
  await cache.get('a');

  await cache.set('c', '3', 1_000);

  expect([await cache.get('a'), await cache.get('b'), await cache.get('c')]).toEqual(['1', null, '3']);
});

it('stays below its size, however many large values are set', async () => {
  const cache = new InProcessCache({ clock: () => 0, maxLength: 10_000 });

  for (let index = 0; index < 100; index += 1) await cache.set(`k${index}`, 'x'.repeat(3_000), 1_000);

  const kept = await Promise.all(Array.from({ length: 100 }, (_, index) => cache.get(`k${index}`)));
  expect(kept.filter((value) => value !== null)).toHaveLength(3);
});

it('shows nobody a value longer than another instance may be wrong about it', async () => {
  let now = 0;
  const cache = new InProcessCache({ clock: () => now, maxTtlMs: 5_000 });
  await cache.set('a', '1', 3_600_000);

  now = 4_999;
  const before = await cache.get('a');
  now = 5_000;

  expect([before, await cache.get('a')]).toEqual(['1', null]);
});

it('holds a deleted key empty for exactly as long as it says', async () => {
  let now = 0;
  const cache = new InProcessCache({ clock: () => now, holdMs: 100 });
  await cache.delete('a');

  now = 99;
  await cache.set('a', 'old', 1_000);
  const held = await cache.get('a');
  now = 100;
  await cache.set('a', 'new', 1_000);

  expect([held, await cache.get('a')]).toEqual([null, 'new']);
});
