import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Cache } from './cache.ts';
import { InProcessCache } from './in-process.ts';
import { type Outcome, Remembered } from './remember.ts';

const MINUTE = 60_000;
const number = z.object({ n: z.number() });

function given(): { cache: Cache; remembered: Remembered; outcomes: Outcome[] } {
  const cache = new InProcessCache({ clock: () => 0 });
  const outcomes: Outcome[] = [];
  return { cache, remembered: new Remembered(cache, (outcome) => outcomes.push(outcome)), outcomes };
}

describe('what is remembered', () => {
  it('is asked of the source once', async () => {
    const { remembered, outcomes } = given();
    let asked = 0;
    const load = () => Promise.resolve({ n: (asked += 1) });

    const answers = [await remembered.get('k', MINUTE, number, load), await remembered.get('k', MINUTE, number, load)];

    expect(answers).toEqual([{ n: 1 }, { n: 1 }]);
    expect(outcomes).toEqual(['miss', 'hit']);
  });

  it('is asked of the source once by a thousand who ask at the same time', async () => {
    const { remembered, outcomes } = given();
    const source = Promise.withResolvers<{ n: number }>();
    let asked = 0;

    const all = Array.from({ length: 1_000 }, () =>
      remembered.get('k', MINUTE, number, () => {
        asked += 1;
        return source.promise;
      }),
    );
    source.resolve({ n: 7 });

    expect(new Set((await Promise.all(all)).map(({ n }) => n))).toEqual(new Set([7]));
    expect(asked).toBe(1);
    expect(outcomes.filter((outcome) => outcome === 'shared')).toHaveLength(999);
  });

  it('is not a failure: all who wait hear of it, and the next one asks the source again', async () => {
    const { remembered } = given();
    const failing = [1, 2, 3].map(() => remembered.get('k', MINUTE, number, () => Promise.reject(new Error('away'))));

    const outcomes = await Promise.allSettled(failing);
    const after = await remembered.get('k', MINUTE, number, () => Promise.resolve({ n: 1 }));

    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(after).toEqual({ n: 1 });
  });

  it.each([
    ['not JSON', '{'],
    ['of another release', '{"m":1}'],
    ['of another type', '"n"'],
  ])('is asked of the source when what is kept is %s', async (_what, kept) => {
    const { cache, remembered } = given();
    await cache.set('k', kept, MINUTE);

    const answer = await remembered.get('k', MINUTE, number, () => Promise.resolve({ n: 2 }));

    expect(answer).toEqual({ n: 2 });
  });

  it('is not what somebody began to read before it was changed', async () => {
    const { remembered } = given();
    const slow = Promise.withResolvers<{ n: number }>();
    const early = remembered.get('k', MINUTE, number, () => slow.promise);

    // The change is committed and told, while the old value is still on its way.
    await remembered.forget('k');
    const late = await remembered.get('k', MINUTE, number, () => Promise.resolve({ n: 2 }));
    slow.resolve({ n: 1 });
    await early;
    const later = await remembered.get('k', MINUTE, number, () => Promise.resolve({ n: 2 }));

    expect([late, later]).toEqual([{ n: 2 }, { n: 2 }]);
  });
});
