import { describe, expect, it } from 'vitest';
import {
  addJump,
  addMoments,
  addSecond,
  dispersionOf,
  dispersionOfBoth,
  dispersionOfJumps,
  noJumps,
  noMoments,
  type EventJumps,
  type EventMoments,
} from './dispersion.ts';
import { poisson, seeded } from './testing/simulated-leg.ts';

interface Second {
  readonly total: number;
  readonly events: number;
}

/** Errors of `each` at once, an hour unless said otherwise. */
function seconds(
  each: number,
  share: (at: number) => number,
  total: (at: number) => number = () => 100,
  length = 3_600,
): Second[] {
  const random = seeded(7);
  return Array.from({ length }, (_, at) => ({
    total: total(at),
    events: each * poisson(random, (total(at) * share(at)) / each),
  }));
}

const moments = (all: readonly Second[]): EventMoments =>
  all.reduce<EventMoments>((sum, { total, events }) => addSecond(sum, total, events), noMoments);
const jumps = (all: readonly Second[]): EventJumps =>
  all.reduce<EventJumps>((sum, { total, events }) => addJump(sum, total, events), noJumps);

describe('the dispersion', () => {
  it('is about 1 when errors come one by one, and the number that comes at once when they do not', () => {
    for (const each of [1, 5]) {
      const seen = seconds(each, () => 0.01);
      for (const found of [dispersionOf(moments(seen)), dispersionOfJumps(jumps(seen))]) {
        expect(found).toBeGreaterThanOrEqual(1);
        expect(Math.abs(found - each)).toBeLessThan(0.15 * each);
      }
    }
  });

  it('takes a change of the traffic for no burst', () => {
    const seen = seconds(
      1,
      () => 0.02,
      (at) => (at % 600 < 300 ? 20 : 500),
    );
    expect(dispersionOf(moments(seen))).toBeLessThan(1.15);
    expect(dispersionOfJumps(jumps(seen))).toBeLessThan(1.15);
  });

  it('from second to second takes a fault that begins for no burst, as the variance does', () => {
    const seen = seconds(1, (at) => (at < 600 ? 0.001 : 0.05), undefined, 630);
    expect(dispersionOfJumps(jumps(seen))).toBeLessThan(1.6);
    expect(dispersionOf(moments(seen))).toBeGreaterThan(3);
  });

  it('of the candidate counts once it has had more requests than are known of stable, and never makes less of bursts', () => {
    const busy = jumps(
      seconds(
        6,
        () => 0.02,
        () => 95,
      ),
    );
    const quiet = moments(
      seconds(
        1,
        () => 0.02,
        () => 5,
      ),
    );
    expect(dispersionOfBoth(quiet, busy)).toBeGreaterThan(4);
    expect(
      dispersionOfBoth(
        moments(
          seconds(
            1,
            () => 0.02,
            () => 200,
          ),
        ),
        busy,
      ),
    ).toBeLessThan(1.2);
    const bursting = moments(
      seconds(
        8,
        () => 0.02,
        () => 90,
      ),
    );
    expect(dispersionOfBoth(bursting, busy)).toBe(dispersionOf(bursting));
  });

  it('is 1 while nothing is known, and the same for parts as for the whole', () => {
    expect(dispersionOf(noMoments)).toBe(1);
    expect(dispersionOfJumps(noJumps)).toBe(1);
    const seen = seconds(3, () => 0.02);
    const parts = addMoments(moments(seen.slice(0, 1_000)), moments(seen.slice(1_000)));
    expect(dispersionOf(parts)).toBeCloseTo(dispersionOf(moments(seen)), 9);
  });
});
