import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MOST_WEALTH } from './bets.ts';
import { evidenceAgainstRatio, ratioInterval } from './confidence.ts';
import type { ArmCounts } from './event-evidence.ts';

const counts = (
  candidateEvents: number,
  candidateTotal: number,
  stableEvents: number,
  stableTotal: number,
): ArmCounts => ({ candidateEvents, candidateTotal, stableEvents, stableTotal });

// SEQUENTIAL.md, section 1: 5:95 requests a second, in total 7 candidate and 9 stable errors.
const example = counts(7, 5 * 60, 9, 95 * 60);

/** ln B(1/2+X, 1/2+Y) for whole X and Y, from its factors. */
function logBeta(x: number, y: number): number {
  let log = Math.log(Math.PI);
  for (let i = 0; i < x; i += 1) log += Math.log((i + 0.5) / (i + 1));
  for (let j = 0; j < y; j += 1) log += Math.log((j + 0.5) / (x + j + 1));
  return log;
}

describe('the confidence sequence of the ratio', () => {
  it('holds for the worked example to the printed digits', () => {
    expect(Math.round(evidenceAgainstRatio([example], 1.5))).toBe(599);
    const interval = ratioInterval([example], 0.01);
    expect(interval?.low).toBeCloseTo(2.06, 2);
    expect(interval?.high).toBeCloseTo(92, 0);
    expect(interval?.estimate).toBeCloseTo(7 / 5 / (9 / 95), 6);
  });

  it('is the closed form of the beta mixture for one weight', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 300 }),
        fc.integer({ min: 0, max: 300 }),
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        fc.double({ min: 0.05, max: 50, noNaN: true }),
        (x, y, weight, ratio) => {
          const theta = (ratio * weight) / (ratio * weight + 1 - weight);
          const closed = logBeta(x, y) - Math.log(Math.PI) - x * Math.log(theta) - y * Math.log(1 - theta);
          const integrated = Math.log(evidenceAgainstRatio([counts(x, weight, y, 1 - weight)], ratio));
          expect(Math.abs(integrated - Math.min(closed, Math.log(MOST_WEALTH)))).toBeLessThan(1e-6);
        },
      ),
    );
  });

  it('knows nothing without events or without requests', () => {
    expect(ratioInterval([], 0.01)).toBeNull();
    expect(ratioInterval([counts(0, 100, 0, 900)], 0.01)).toBeNull();
    expect(ratioInterval([counts(3, 100, 0, 0)], 0.01)).toBeNull();
  });

  it('has no upper end while stable has had no event, and begins at 0 while the candidate has had none', () => {
    const onlyCandidate = ratioInterval([counts(20, 100, 0, 900)], 0.01);
    expect(onlyCandidate).toMatchObject({ estimate: null, high: null });
    expect(onlyCandidate?.low).toBeGreaterThan(5);
    const onlyStable = ratioInterval([counts(0, 500, 40, 500)], 0.01);
    expect(onlyStable?.low).toBe(0);
    expect(onlyStable?.high).toBeLessThan(1);
    expect(onlyStable?.estimate).toBeLessThan(1e-9);
  });

  it('does not mistake a change of rates while the weight changes for a difference, as the sum of all totals does', () => {
    const equal = [counts(5, 5_000, 95, 95_000), counts(1_000, 100_000, 1_000, 100_000)];
    const apart = ratioInterval(equal, 0.01);
    expect(apart?.low).toBeLessThan(1);
    expect(apart?.high).toBeGreaterThan(1);
    const summed = ratioInterval([counts(1_005, 105_000, 1_095, 195_000)], 0.01);
    expect(summed?.low).toBeGreaterThan(1);
  });

  it('is wider when events come in bursts, and a smaller alpha makes it wider, never narrower', () => {
    const width = (alpha: number, dispersion?: number): number => {
      const interval = ratioInterval([counts(30, 500, 60, 9_500)], alpha, dispersion);
      return Math.log((interval?.high ?? 0) / (interval?.low ?? 0));
    };
    expect(width(0.01, 5)).toBeGreaterThan(width(0.01));
    expect(width(0.001)).toBeGreaterThan(width(0.01));
  });

  it('answers with finite numbers in order for any counts, from none to 1e15', () => {
    const count = fc.oneof(fc.double({ min: 0, max: 5, noNaN: true }), fc.constantFrom(0, 1, 1e3, 1e9, 1e15));
    fc.assert(
      fc.property(fc.array(fc.tuple(count, count, count, count), { maxLength: 4 }), (stretches) => {
        const interval = ratioInterval(
          stretches.map(([a, b, c, d]) => counts(a, b, c, d)),
          0.01,
        );
        if (interval === null) return;
        const { low, high, estimate } = interval;
        expect(low).toBeGreaterThanOrEqual(0);
        expect(Number.isFinite(low)).toBe(true);
        if (estimate !== null) expect(estimate).toBeGreaterThanOrEqual(low);
        if (high !== null) {
          expect(Number.isFinite(high)).toBe(true);
          expect(high).toBeGreaterThanOrEqual(low);
        }
      }),
    );
  });
});
