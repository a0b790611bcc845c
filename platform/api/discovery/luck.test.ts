import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { luck } from './luck.ts';

describe('luck', () => {
  it('lies strictly between 0 and 1, and is the same for the same texts', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (seed, id) => {
        const value = luck(seed, id);
        expect(value).toBeGreaterThan(0);
        expect(value).toBeLessThan(1);
        expect(luck(seed, id)).toBe(value);
      }),
    );
  });

  it('is evenly spread over ids in order (Kolmogorov–Smirnov, 10,000 ids, p = 0.0001)', () => {
    const ids = Array.from(
      { length: 10_000 },
      (_, index) => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`,
    );

    const values = ids.map((id) => luck('seed', id)).sort((a, b) => a - b);

    const distance = Math.max(...values.map((value, index) => Math.abs(value - (index + 0.5) / values.length)));
    expect(distance).toBeLessThan(2.23 / Math.sqrt(values.length));
  });

  it('of one id says nothing about its neighbour or about another seed', () => {
    const ids = Array.from({ length: 10_000 }, () => randomUUID()).sort();
    const ours = ids.map((id) => luck('seed', id));

    expect(Math.abs(correlation(ours.slice(1), ours.slice(0, -1)))).toBeLessThan(0.05);
    expect(
      Math.abs(
        correlation(
          ours,
          ids.map((id) => luck('other', id)),
        ),
      ),
    ).toBeLessThan(0.05);
    expect(
      Math.abs(
        correlation(
          ours,
          ids.map((_, index) => index),
        ),
      ),
    ).toBeLessThan(0.05);
  });
});

function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  const covariance = mean(a.map((value, index) => (value - meanA) * ((b[index] ?? 0) - meanB)));
  return (
    covariance / Math.sqrt(mean(a.map((value) => (value - meanA) ** 2)) * mean(b.map((value) => (value - meanB) ** 2)))
  );
}
