import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Histogram } from './histogram.ts';

describe('a histogram', () => {
  it('has no quantiles before anything was counted', () => {
    expect(new Histogram().quantiles()).toEqual({ p50: null, p95: null, p99: null, max: null });
  });

  it('says each quantile at most 3.2 % too high and never too low', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 600_000 }), { minLength: 1, maxLength: 300 }), (tenths) => {
        const times = tenths.map((tenth) => tenth / 10);
        const histogram = new Histogram();
        for (const time of times) histogram.record(time);
        const sorted = times.toSorted((a, b) => a - b);
        const quantiles = histogram.quantiles();
        for (const [q, said] of [
          [0.5, quantiles.p50],
          [0.95, quantiles.p95],
          [0.99, quantiles.p99],
        ] as const) {
          const exact = sorted[Math.ceil(q * sorted.length) - 1] ?? Number.NaN;
          expect(said).toBeGreaterThanOrEqual(exact - 0.01);
          expect(said).toBeLessThanOrEqual(exact * 1.032 + 0.11);
        }
        expect(quantiles.max).toBe(sorted.at(-1));
      }),
    );
  });

  it('takes what is shorter or longer than its range', () => {
    const histogram = new Histogram();
    histogram.record(0);
    histogram.record(10_000_000);
    expect(histogram.quantiles()).toMatchObject({ p50: 0.1, max: 10_000_000 });
  });
});
