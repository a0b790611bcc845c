import { describe, expect, it } from 'vitest';
import { quantile, totalCount } from '../../src/core/analysis/histogram.ts';
import { Random } from '../../src/sim/random.ts';
import { geometric, LatencyTable, poisson, PoissonTable } from './samplers.ts';

const DRAWS = 200_000;

/** Mean and variance of many draws, with the standard deviation that the mean should have. */
function momentsOf(draw: () => number): { mean: number; variance: number } {
  let sum = 0;
  let squares = 0;
  for (let each = 0; each < DRAWS; each += 1) {
    const value = draw();
    sum += value;
    squares += value * value;
  }
  const mean = sum / DRAWS;
  return { mean, variance: squares / DRAWS - mean * mean };
}

describe('Poisson numbers', () => {
  it.each([0.005, 0.1, 1, 5, 95, 400])('given a mean of %d, have that mean and that variance', (mean) => {
    const random = new Random(`poisson ${mean}`);
    const seen = momentsOf(() => poisson(mean, random));
    expect(Math.abs(seen.mean - mean)).toBeLessThan(5 * Math.sqrt(mean / DRAWS));
    // The variance of the variance of a Poisson number is (mean + 2 mean^2) / n.
    expect(Math.abs(seen.variance - mean)).toBeLessThan(5 * Math.sqrt((mean + 2 * mean * mean) / DRAWS));
  });

  it('given a mean of 2, have the shares that the formula says', () => {
    const random = new Random('shares');
    const counts = new Map<number, number>();
    const table = new PoissonTable(2);
    for (let each = 0; each < DRAWS; each += 1) {
      const value = table.draw(random);
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    let term = Math.exp(-2);
    let chiSquare = 0;
    for (let value = 0; value <= 9; value += 1) {
      chiSquare += ((counts.get(value) ?? 0) - DRAWS * term) ** 2 / (DRAWS * term);
      term *= 2 / (value + 1);
    }
    // 99.99 % of a chi-square with 10 degrees of freedom.
    expect(chiSquare).toBeLessThan(35.6);
  });

  it('given a mean of 0, are 0, and given one that no double can hold, are refused', () => {
    expect(poisson(0, new Random('none'))).toBe(0);
    expect(() => new PoissonTable(1_000)).toThrow('no table for a mean of 1000');
  });
});

describe('geometric numbers', () => {
  it('given a mean of 5, have it and the variance 20', () => {
    const random = new Random('geometric');
    const { mean, variance } = momentsOf(() => geometric(5, random));
    expect(Math.abs(mean - 5)).toBeLessThan(5 * Math.sqrt(20 / DRAWS));
    expect(variance).toBeGreaterThan(19);
    expect(variance).toBeLessThan(21);
  });

  it('given a mean of 1, are 1', () => {
    expect(geometric(1, new Random('one'))).toBe(1);
  });
});

describe('latencies', () => {
  const random = new Random('latencies');

  it('given a lognormal, have its quantiles', () => {
    const counts = new LatencyTable([{ share: 1, medianMs: 40, sigma: 0.6, plusMs: 0 }]).draw(DRAWS, random);
    expect(totalCount(counts)).toBe(DRAWS);
    expect(quantile(counts, 0.5)).toBeGreaterThan(39);
    expect(quantile(counts, 0.5)).toBeLessThan(41);
    const p99 = 40 * Math.exp(0.6 * 2.3263);
    expect(quantile(counts, 0.99)).toBeGreaterThan(p99 * 0.96);
    expect(quantile(counts, 0.99)).toBeLessThan(p99 * 1.04);
  });

  it('given one request in twenty that takes 500 ms more, have so many above 500 ms', () => {
    const mixture = [
      { share: 0.95, medianMs: 40, sigma: 0.6, plusMs: 0 },
      { share: 0.05, medianMs: 40, sigma: 0.6, plusMs: 500 },
    ];
    const counts = new LatencyTable(mixture).draw(DRAWS, random);
    const slow = counts.reduce((sum, [bucket, count]) => sum + (bucket > 390 ? count : 0), 0);
    expect(slow / DRAWS).toBeGreaterThan(0.047);
    expect(slow / DRAWS).toBeLessThan(0.053);
  });

  it('given two draws, the second knows nothing of the first', () => {
    const table = new LatencyTable([{ share: 1, medianMs: 40, sigma: 0.6, plusMs: 0 }]);
    table.draw(1_000, random);
    expect(totalCount(table.draw(7, random))).toBe(7);
    expect(table.draw(0, random)).toEqual([]);
  });
});
