import { describe, expect, it } from 'vitest';
import { ablate, STEPS } from './ablation.ts';
import { boundOf } from './bound.ts';
import { CELLS, type Cell } from './cells.ts';
import type { Ending, Outcome } from './simulate.ts';
import { interval95, quantileOf } from './statistics.ts';
import { summarise } from './summary.ts';

function cellOf(name: string): Cell {
  const cell = CELLS.find((one) => one.name === name);
  if (cell === undefined) throw new Error(`no cell ${name}`);
  return cell;
}

describe('the interval of a share', () => {
  it('given 5 of 100, is what the tables say', () => {
    const [low, high] = interval95(5, 100);
    expect(low).toBeCloseTo(0.0215, 4);
    expect(high).toBeCloseTo(0.1118, 4);
  });

  it('given none of many, still says how many there could be', () => {
    expect(interval95(0, 20_000)[0]).toBe(0);
    expect(interval95(0, 20_000)[1]).toBeCloseTo(0.000192, 6);
    expect(interval95(0, 0)).toEqual([0, 1]);
  });
});

describe('quantiles', () => {
  it('given some that never came, count those as the latest', () => {
    expect(quantileOf([1, 2, 3, null], 0.5)).toBe(2);
    expect(quantileOf([1, 2, 3, null], 0.95)).toBeNull();
    expect(quantileOf([null, null, 3], 0.5)).toBeNull();
    expect(quantileOf([], 0.5)).toBeNull();
  });
});

describe('the least that is possible', () => {
  it('given w = 5 %, p = 20 %, alpha = 1 %, is two seconds', () => {
    const { theta, allowed, seconds, requests } = boundOf(
      { rate: 100, weight: 0.05, p: 0.2, stable: 0.001 },
      0.01,
      1.5,
    );
    expect(allowed).toBeCloseTo(0.07317, 5);
    expect(theta).toBeCloseTo(0.9132, 4);
    expect(seconds).toBeCloseTo(2.0, 1);
    expect(requests).toBeCloseTo(5 * seconds, 10);
  });

  it('given the boundary itself, is forever', () => {
    expect(boundOf({ rate: 100, weight: 0.05, p: 0.0015, stable: 0.001 }, 0.01, 1.5).seconds).toBeGreaterThan(1e9);
  });

  it('is about what a test that knows the rates needs on average, which no test of the ablation beats', () => {
    const cell = cellOf('w 5 %, p 5 %');
    const rates = { rate: 100, weight: 0.05, p: 0.05, stable: 0.001 };
    const least = boundOf(rates, 0.01, 1.5).seconds;
    const runs = Array.from({ length: 400 }, (_, index) => ablate(cell, rates, `bound ${index}`));
    const means = STEPS.map((_, step) => runs.reduce((sum, run) => sum + (run[step] ?? 3_600), 0) / runs.length);
    for (const mean of means) expect(mean).toBeGreaterThan(0.9 * least);
    expect(means[0]).toBeLessThan(1.6 * least);
  });
});

describe('a summary', () => {
  const ending = (at: number | null, failed = 4): Ending => ({ at, requests: 100, failed });
  const outcome = (ours: Ending, faultAt = 0): Outcome => ({
    faultAt,
    ours,
    rule: ours.at === null ? null : 'comparison',
    shownAt: null,
    flagger: ending(300, 300),
    argo: ending(null, 1_000),
  });

  it('given a healthy cell, counts every roll-back as a false alarm', () => {
    const { ours, flagger } = summarise(cellOf('steady, w 25 %'), [outcome(ending(7)), outcome(ending(null))]);
    expect(ours.falseAlarms).toMatchObject({ count: 1, of: 2, share: 0.5 });
    expect(ours.found).toBeNull();
    expect(flagger.falseAlarms.count).toBe(2);
  });

  it('given a fault that begins late, counts what is before as a false alarm and the delay from its beginning', () => {
    const outcomes = [outcome(ending(310), 305), outcome(ending(330), 310), outcome(ending(200), 320)];
    const { ours, argo } = summarise(cellOf('p 5 % from 5 min on, w 5 %'), outcomes);
    expect(ours.falseAlarms.count).toBe(1);
    expect(ours.found).toMatchObject({ count: 2, of: 2 });
    expect(ours.medianSeconds).toBe(5);
    expect(ours.p95Seconds).toBe(20);
    expect(argo.medianSeconds).toBeNull();
    expect(argo.medianFailed).toBe(1_000);
  });

  it('given constant rates, says how far from the least it is, and whether guards bind', () => {
    const slow = summarise(cellOf('w 5 %, p 1 %'), [outcome(ending(200))]).bound;
    expect(slow?.ratio).toBeCloseTo(200 / (slow?.seconds ?? 0), 10);
    expect(slow?.guarded).toBe(false);
    expect(summarise(cellOf('w 5 %, p 100 %'), [outcome(ending(1))]).bound?.guarded).toBe(true);
    expect(summarise(cellOf('steady, w 25 %'), [outcome(ending(1))]).bound).toBeNull();
  });
});
