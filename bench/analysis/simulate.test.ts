import { describe, expect, it } from 'vitest';
import { dispersionOf, noMoments, addMoments } from '../../src/core/analysis/dispersion.ts';
import { Random } from '../../src/sim/random.ts';
import { CELLS, type Cell } from './cells.ts';
import { simulate } from './simulate.ts';
import { Rollout } from './traffic.ts';

function cellOf(name: string): Cell {
  const cell = CELLS.find((one) => one.name === name);
  if (cell === undefined) throw new Error(`no cell ${name}`);
  return cell;
}

describe('the cells', () => {
  it('have names of their own', () => {
    expect(new Set(CELLS.map(({ name }) => name)).size).toBe(CELLS.length);
  });
});

describe('the traffic of a rollout', () => {
  it('given 100 requests a second, 5 % of them for a candidate that fails 5 %, has so many of each', () => {
    const rollout = new Rollout(cellOf('w 5 %, p 5 %'), new Random('traffic'));
    const sum = { candidate: 0, failed: 0, stable: 0 };
    for (let at = 0; at < 20_000; at += 1) {
      const { candidate, stable } = rollout.second(at).arms;
      sum.candidate += candidate.requests;
      sum.failed += candidate.serverErrors;
      sum.stable += stable.requests;
    }
    // Five standard deviations of Poisson sums.
    expect(Math.abs(sum.candidate - 100_000)).toBeLessThan(5 * Math.sqrt(100_000));
    expect(Math.abs(sum.failed - 5_000)).toBeLessThan(5 * Math.sqrt(5_000));
    expect(Math.abs(sum.stable - 1_900_000)).toBeLessThan(5 * Math.sqrt(1_900_000));
  });

  it('given requests that come by fives, has a past with the dispersion of geometric groups: 9', () => {
    const cell = { ...cellOf('bursts of 5, w 5 %'), stable: () => 0.02 };
    const dispersions = Array.from({ length: 20 }, (_, index) => {
      const minutes = new Rollout(cell, new Random(`past ${index}`)).past();
      expect(minutes).toHaveLength(60);
      return dispersionOf(minutes.reduce((sum, { errors }) => addMoments(sum, errors), noMoments));
    });
    const mean = dispersions.reduce((sum, one) => sum + one, 0) / dispersions.length;
    // E[J^2] / E[J] = 9 for geometric J of mean 5; dividing by a total that has bursts itself takes some of that away.
    expect(mean).toBeGreaterThan(7);
    expect(mean).toBeLessThan(10);
  });

  it('given a fault that begins late, begins it then and not before', () => {
    const rollout = new Rollout(cellOf('p 5 % from 5 min on, w 5 %'), new Random('late'));
    expect(rollout.faultAt).toBeGreaterThanOrEqual(300);
    expect(rollout.faultAt).toBeLessThan(360);
    let before = 0;
    let behind = 0;
    for (let at = 0; at < 1_500; at += 1) {
      const failed = rollout.second(at).arms.candidate.serverErrors;
      if (at < rollout.faultAt) before += failed;
      else behind += failed;
    }
    // 0.1 % of 1,500 to 1,800 requests; then 5 % of 6,000 and more.
    expect(before).toBeLessThan(10);
    expect(behind).toBeGreaterThan(200);
  });
});

describe('a simulated rollout', () => {
  it('given the same seed, ends the same', () => {
    const cell = cellOf('w 5 %, p 5 %');
    expect(simulate(cell, 'a')).toEqual(simulate(cell, 'a'));
    expect(simulate(cell, 'a')).not.toEqual(simulate(cell, 'b'));
  });

  it('given a release that fails everything, is over within seconds, and after four and five minutes for the others', () => {
    const { ours, flagger, argo } = simulate(cellOf('w 5 %, p 100 %'), 'all');
    expect(ours.at).toBeLessThanOrEqual(5);
    expect(flagger.at).toBe(300);
    expect(argo.at).toBe(240);
    expect(ours.failed).toBe(ours.requests);
    expect(flagger.failed).toBeGreaterThan(1_000);
  });

  it.each([
    'w 5 %, p 1 %',
    'w 25 %, p 5 %',
    'p 20 % under bursts of 5, w 5 %',
    'bursts of 5, w 5 %',
    'shared incident of 3 %, ramp',
    'both at 0.9 %, near the limit of 1 %, w 5 %',
    '1 request/s, w 25 %',
  ])('given %s, asking only when "worse" can come up changes nothing', (name) => {
    const cell = { ...cellOf(name), seconds: 900 };
    for (let index = 0; index < 15; index += 1)
      expect(simulate(cell, `asking ${index}`, false)).toEqual(simulate(cell, `asking ${index}`, true));
  });
});
