import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LatencyCounts } from '../traffic.ts';
import { boundsOf, bucketOf, countAbove, maxBucket, mergeLatencies, quantile, totalCount } from './histogram.ts';

const latency = fc.double({ min: 0, max: 3_600_000, noNaN: true });

function countsOf(latencies: readonly number[]): LatencyCounts {
  return mergeLatencies(latencies.map((ms) => [[bucketOf(ms), 1]] as const));
}

describe('latency buckets', () => {
  it('put every latency between the bounds of its bucket', () => {
    fc.assert(
      fc.property(latency, (ms) => {
        const { fromMs, toMs } = boundsOf(bucketOf(ms));
        // One unit in the last place: bounds and latency are rounded separately.
        expect(ms).toBeGreaterThanOrEqual(fromMs * (1 - Number.EPSILON));
        expect(ms).toBeLessThan(toMs * (1 + Number.EPSILON));
      }),
    );
  });

  it('are at most 3.2 % wide above 100 us, and lie next to each other', () => {
    for (let bucket = 1; bucket < maxBucket; bucket += 1) {
      const { fromMs, toMs } = boundsOf(bucket);
      expect((toMs - fromMs) / fromMs).toBeLessThanOrEqual(0.032);
      expect(boundsOf(bucket + 1).fromMs).toBe(toMs);
      expect(bucketOf(((fromMs + toMs) / 2) * 1)).toBe(bucket);
    }
  });

  it('rise with latency', () => {
    fc.assert(fc.property(latency, latency, (a, b) => a > b || bucketOf(a) <= bucketOf(b)));
  });

  it('take what cannot be measured without failing', () => {
    expect(bucketOf(-1)).toBe(0);
    expect(bucketOf(Number.NaN)).toBe(0);
    expect(bucketOf(Number.POSITIVE_INFINITY)).toBe(maxBucket);
  });
});

describe('counts', () => {
  it('give a quantile within 1.6 % and 50 us of the exact one', () => {
    fc.assert(
      fc.property(
        fc.array(latency, { minLength: 1, maxLength: 200 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (all, q) => {
          const sorted = [...all].sort((a, b) => a - b);
          const exact = sorted[Math.max(1, Math.ceil(q * all.length)) - 1] ?? 0;
          const estimate = quantile(countsOf(all), q) ?? Number.NaN;
          expect(Math.abs(estimate - exact)).toBeLessThanOrEqual(exact * 0.016 + 0.051);
        },
      ),
    );
  });

  it('have no quantile when nothing was counted', () => {
    expect(quantile([], 0.99)).toBeNull();
  });

  it('count what is above a threshold, never too many, and all that is 3.2 % above', () => {
    fc.assert(
      fc.property(
        fc.array(latency, { maxLength: 200 }),
        fc.double({ min: 0.2, max: 10_000, noNaN: true }),
        (all, ms) => {
          const above = countAbove(countsOf(all), ms);
          expect(above).toBeLessThanOrEqual(all.filter((one) => one >= ms).length);
          expect(above).toBeGreaterThanOrEqual(all.filter((one) => one >= ms * 1.0321).length);
        },
      ),
    );
  });

  it('add up when merged, in any order', () => {
    fc.assert(
      fc.property(fc.array(fc.array(latency, { maxLength: 20 }), { maxLength: 6 }), (parts) => {
        const merged = mergeLatencies(parts.map(countsOf));
        expect(merged).toEqual(countsOf(parts.flat()));
        expect(merged).toEqual(mergeLatencies(parts.toReversed().map(countsOf)));
        expect(totalCount(merged)).toBe(parts.flat().length);
      }),
    );
  });
});
