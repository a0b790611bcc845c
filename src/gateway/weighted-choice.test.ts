import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WeightedChoice } from './weighted-choice.ts';

/** A generator whose seed fast-check chooses (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const run = (choice: WeightedChoice, weight: number, requests: number): boolean[] =>
  Array.from({ length: requests }, () => choice.next(weight));
const candidates = (chosen: readonly boolean[]): number => chosen.filter(Boolean).length;

describe('a weighted choice', () => {
  it.each([0, 1, 5, 10, 25, 50, 75, 95, 99, 100])(
    'gives the candidate exactly %i of the first 100 requests',
    (weight) => {
      fc.assert(
        fc.property(fc.integer(), (seed) => {
          expect(candidates(run(new WeightedChoice(seeded(seed)), weight, 100))).toBe(weight);
        }),
      );
    },
  );

  it('is never more than two requests away from its share, at any weight and length', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.double({ min: 0.5, max: 99.5, noNaN: true }),
        fc.integer({ min: 1, max: 2_000 }),
        (seed, weight, length) => {
          const share = (length * weight) / 100;
          expect(
            Math.abs(candidates(run(new WeightedChoice(seeded(seed)), weight, length)) - share),
          ).toBeLessThanOrEqual(2);
        },
      ),
    );
  });

  it('does not send every other request of an alternating client to one arm', () => {
    const chosen = run(new WeightedChoice(seeded(7)), 50, 10_000);
    const even = chosen.filter((candidate, i) => candidate && i % 2 === 0).length;
    expect(even).toBeGreaterThan(2_300);
    expect(even).toBeLessThan(2_700);
  });

  it('stays exact over millions of requests', () => {
    const choice = new WeightedChoice(seeded(1));
    expect(Math.abs(candidates(run(choice, 5, 2_000_100)) - 100_005)).toBeLessThanOrEqual(2);
  });

  it('follows a changed weight from the next request on', () => {
    const choice = new WeightedChoice(seeded(3));
    run(choice, 5, 37);
    expect(candidates(run(choice, 50, 100))).toBe(50);
    expect(candidates(run(choice, 0, 50))).toBe(0);
  });
});
