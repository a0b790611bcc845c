import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { excessOf, poissonLimits } from './excess.ts';
import { chance, poisson } from './testing/route-traffic.ts';

describe('limits of a Poisson mean', () => {
  // Garwood's exact limits, Breslow & Day 1987, table 2.11.
  it.each([
    [1, 0.025, 5.57],
    [3, 0.619, 8.77],
    [10, 4.8, 18.4],
    [50, 37.1, 65.9],
  ])('of %i events are close to the exact ones', (count, low, high) => {
    const [foundLow, foundHigh] = poissonLimits(count);
    expect(Math.abs(foundLow - low)).toBeLessThan(0.02 * count + 0.02);
    expect(Math.abs(foundHigh - high)).toBeLessThan(0.02 * high);
  });

  it('begin at 0 without events', () => {
    expect(poissonLimits(0)[0]).toBe(0);
    expect(poissonLimits(0)[1]).toBeCloseTo(3.69, 1);
  });
});

describe('the excess', () => {
  it('is what the candidate has over what stable’s rate gives', () => {
    const { excess, low, high } = excessOf([{ share: 5 / 95, candidateEvents: 12, stableEvents: 19 }], 1);
    expect(excess).toBeCloseTo(11);
    expect(low).toBeGreaterThan(4);
    expect(low).toBeLessThan(excess);
    expect(high).toBeLessThan(21);
  });

  it('does not take drifting rates under changing weights for a difference', () => {
    // 0.1 % at 5 %, then 0.5 % at 50 %: the same rate in both arms throughout.
    const { excess } = excessOf(
      [
        { share: 5 / 95, candidateEvents: 5, stableEvents: 95 },
        { share: 1, candidateEvents: 250, stableEvents: 250 },
      ],
      1,
    );
    expect(excess).toBeCloseTo(0);
  });

  it('lies within its interval, which widens when events come in clusters', () => {
    const stratum = fc.record({
      share: fc.double({ min: 0, max: 20, noNaN: true }),
      candidateEvents: fc.nat(10_000),
      stableEvents: fc.nat(10_000),
    });
    fc.assert(
      fc.property(fc.array(stratum, { maxLength: 4 }), (strata) => {
        const alone = excessOf(strata, 1);
        const clustered = excessOf(strata, 5);
        expect(Number.isFinite(alone.low) && Number.isFinite(alone.high)).toBe(true);
        expect(alone.low).toBeLessThanOrEqual(alone.excess + 1e-9);
        expect(alone.high).toBeGreaterThanOrEqual(alone.excess - 1e-9);
        expect(clustered.high - clustered.low).toBeGreaterThanOrEqual(alone.high - alone.low - 1e-9);
      }),
    );
  });

  it('is covered by its interval about 95 times in 100', () => {
    const random = chance(11);
    let covered = 0;
    const runs = 4_000;
    for (let run = 0; run < runs; run += 1) {
      const { low, high } = excessOf(
        [{ share: 5 / 95, candidateEvents: poisson(9, random), stableEvents: poisson(40, random) }],
        1,
      );
      const truth = 9 - (40 * 5) / 95;
      if (low <= truth && truth <= high) covered += 1;
    }
    expect(covered / runs).toBeGreaterThan(0.94);
    expect(covered / runs).toBeLessThan(0.985);
  });
});
