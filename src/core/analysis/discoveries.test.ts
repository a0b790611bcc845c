import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { discoveries } from './discoveries.ts';

describe('e-BH', () => {
  it('takes one alone only when it reaches the number of hypotheses by the level', () => {
    expect([...discoveries([999, 1, 1, 1, 1], 0.05)]).toEqual([0]);
    expect([...discoveries([99, 1, 1, 1, 1], 0.05)]).toEqual([]);
  });

  it('asks less of each when there are several', () => {
    expect([...discoveries([1, 50, 60, 1], 0.05)].sort()).toEqual([1, 2]);
    expect([...discoveries([1, 1, 60, 1], 0.05)]).toEqual([]);
  });

  it('takes nothing of nothing', () => expect([...discoveries([], 0.05)]).toEqual([]));

  it('takes the largest k that satisfies its rule, and those with the largest e-values', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { maxLength: 40 }), (evidence) => {
        const taken = discoveries(evidence, 0.05);
        const sorted = evidence.toSorted((a, b) => b - a);
        const fits = (k: number): boolean => (sorted[k - 1] ?? 0) >= evidence.length / (0.05 * k);
        const largest = Math.max(0, ...sorted.map((_, index) => (fits(index + 1) ? index + 1 : 0)));
        expect(taken.size).toBe(largest);
        const least = Math.min(...[...taken].map((index) => evidence[index] ?? 0));
        evidence.forEach((value, index) => expect(value <= least || taken.has(index)).toBe(true));
      }),
    );
  });

  it('never takes less when evidence grows', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1e4, noNaN: true }), { minLength: 1, maxLength: 20 }),
        fc.nat(),
        (evidence, which) => {
          const more = evidence.map((value, index) => (index === which % evidence.length ? value * 10 : value));
          expect(discoveries(more, 0.05).size).toBeGreaterThanOrEqual(discoveries(evidence, 0.05).size);
        },
      ),
    );
  });
});
