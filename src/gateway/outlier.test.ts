import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OutlierWatch, ejectable } from './outlier.ts';

const always = (): boolean => true;
const settings = { failures: 3, baseMs: 1_000, maxMs: 3_000 };

const fail = (watch: OutlierWatch, now: number, times: number): boolean[] =>
  Array.from({ length: times }, () => watch.failure(now, always));

describe('an endpoint that is watched', () => {
  it('is ejected by so many failures in a row, for a while', () => {
    const watch = new OutlierWatch(settings);
    expect(fail(watch, 100, 3)).toEqual([false, false, true]);
    expect(watch.ejected(1_099)).toBe(true);
    expect(watch.ejected(1_100)).toBe(false);
  });

  it('starts anew with each success', () => {
    const watch = new OutlierWatch(settings);
    fail(watch, 0, 2);
    watch.success();
    expect(fail(watch, 0, 2)).toEqual([false, false]);
    expect(watch.ejected(0)).toBe(false);
  });

  it('is ejected again by its first failure, for twice as long, up to the cap', () => {
    const watch = new OutlierWatch(settings);
    fail(watch, 0, 3);
    expect(watch.failure(1_000, always)).toBe(true);
    expect([watch.ejected(2_999), watch.ejected(3_000)]).toEqual([true, false]);
    expect(watch.failure(3_000, always)).toBe(true);
    expect([watch.ejected(5_999), watch.ejected(6_000)]).toEqual([true, false]);
    expect(watch.failure(6_000, always)).toBe(true);
    expect([watch.ejected(8_999), watch.ejected(9_000)]).toEqual([true, false]);
  });

  it('is not held longer by what was on its way when it was ejected', () => {
    const watch = new OutlierWatch(settings);
    fail(watch, 0, 20);
    expect(watch.ejected(1_000)).toBe(false);
  });

  it('is back at once when it answers, and forgiven', () => {
    const watch = new OutlierWatch(settings);
    fail(watch, 0, 3);
    watch.success();
    expect(watch.ejected(1)).toBe(false);
    expect(fail(watch, 1, 3)).toEqual([false, false, true]);
    expect(watch.ejected(1_001)).toBe(false);
  });

  it('stays when it may not be ejected, and is when it may', () => {
    const watch = new OutlierWatch(settings);
    const never = (): boolean => false;
    expect([1, 2, 3, 4].map(() => watch.failure(0, never))).toEqual([false, false, false, false]);
    expect(watch.failure(0, always)).toBe(true);
  });
});

describe('the floor', () => {
  it('is half of the endpoints, and always one', () => {
    expect([
      ejectable(0, 1),
      ejectable(0, 2),
      ejectable(1, 2),
      ejectable(0, 3),
      ejectable(1, 3),
      ejectable(1, 4),
    ]).toEqual([false, true, false, true, false, true]);
  });

  it('holds for any number: ejecting while it may never leaves fewer than half, or none', () => {
    fc.assert(
      fc.property(fc.nat(200), (total) => {
        let ejected = 0;
        while (ejectable(ejected, total)) ejected += 1;
        expect(ejected * 2).toBeLessThanOrEqual(total);
        expect(total - ejected).toBeGreaterThanOrEqual(Math.min(1, total));
      }),
    );
  });
});
