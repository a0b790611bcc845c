import { describe, expect, test } from 'vitest';
import { Random } from '../seed/random.ts';
import { Arrivals } from './arrivals.ts';
import { Histogram } from './histogram.ts';
import { planLoad, LoadOptionsError, type LoadOptions } from './options.ts';

describe('arrivals', () => {
  const times = (seed: number): readonly number[] =>
    new Arrivals(new Random(seed, 'x'), 50, 0, 60_000).takeDue(Infinity);

  test('are the same for the same seed, and end in time', () => {
    expect(times(1)).toEqual(times(1));
    expect(times(1)).not.toEqual(times(2));
    expect(times(1).at(-1)).toBeLessThanOrEqual(60_000);
  });

  test('come as often as asked, and know nothing of each other', () => {
    const all = times(3);
    const expected = 50 * 60;
    // Six standard deviations of a Poisson count: with a fixed seed this says what it says of this one sequence.
    expect(Math.abs(all.length - expected)).toBeLessThan(6 * Math.sqrt(expected));
    const gaps = all.map((time, index) => time - (all[index - 1] ?? 0));
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
    // Of an exponential distribution the deviation is the mean.
    expect(deviation / mean).toBeCloseTo(1, 1);
  });

  test('that were missed come all at once, each with the time at which it was due', () => {
    const late = new Arrivals(new Random(4, 'x'), 50, 0, 60_000);
    const inTime = new Arrivals(new Random(4, 'x'), 50, 0, 60_000);
    const steps = Array.from({ length: 100 }, (_, index) => inTime.takeDue(index * 10)).flat();
    expect(late.takeDue(990)).toEqual(steps);
  });
});

describe('options', () => {
  const plan = (options: Partial<LoadOptions>) =>
    planLoad({ target: 'http://127.0.0.1:8080', ...options }, () => 'run');

  test('have defaults', () => {
    expect(plan({ duration: '90s', seeded: 'demo:7' })).toMatchObject({
      target: { host: '127.0.0.1', port: 8080 },
      rate: 50,
      durationMs: 90_000,
      seeded: { size: 'demo', seed: 7 },
      run: 'run',
    });
  });

  test.each<Partial<LoadOptions>>([
    { target: 'http://example.com' },
    { target: 'http://127.0.0.1.example.com' },
    { target: 'https://127.0.0.1' },
    { rate: Number.NaN },
    { rate: 0 },
    { people: 1.5 },
    { duration: '1 fortnight' },
    { duration: '3h' },
    { seeded: 'huge:1' },
    { seeded: 'demo' },
    { run: '../x' },
    { mix: { play: -1 } },
  ])('are refused: %o', (options) => {
    expect(() => plan(options)).toThrow(LoadOptionsError);
  });
});

test('quantiles are at most 2.2 % too high', () => {
  const histogram = new Histogram();
  for (let ms = 1; ms <= 1_000; ms += 1) histogram.record(ms);
  const { p50, p99, max } = histogram.quantiles();
  expect(p50).toBeGreaterThanOrEqual(500);
  expect(p50).toBeLessThan(500 * 1.022);
  expect(p99).toBeGreaterThanOrEqual(990);
  expect(p99).toBeLessThan(990 * 1.022);
  expect(max).toBe(1_000);
});
