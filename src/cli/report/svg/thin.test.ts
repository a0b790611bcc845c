import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { corners, thin } from './thin.ts';

const values = fc.array(fc.option(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { nil: null }), { maxLength: 400 });

describe('thinned points', () => {
  it('are few, in order, some of the points, with the highest and the lowest among them', () => {
    fc.assert(
      fc.property(values, fc.integer({ min: 4, max: 100 }), (ys, most) => {
        const points = ys.map((y, x) => ({ x, y }));
        const kept = thin(points, most);
        expect(kept.length).toBeLessThanOrEqual(Math.max(most, Math.min(points.length, most)));
        kept.forEach((point, index) => {
          expect(points[point.x]).toEqual(point);
          if (index > 0) expect(point.x).toBeGreaterThan(kept[index - 1]?.x ?? -1);
        });
        const known = ys.flatMap((y) => (y === null ? [] : [y]));
        const seen = kept.flatMap(({ y }) => (y === null ? [] : [y]));
        expect(seen.length === 0 ? null : Math.max(...seen)).toBe(known.length === 0 ? null : Math.max(...known));
        // A gap is kept in place of a low beside it: a line may not be drawn over what is not known.
        if (!ys.includes(null) && known.length > 0) expect(Math.min(...seen)).toBe(Math.min(...known));
      }),
    );
  });

  it('are all of them when they are few', () => {
    const points = [1, 2, 3].map((y, x) => ({ x, y }));
    expect(thin(points, 4)).toBe(points);
  });
});

describe('corners', () => {
  it('are where a step line changes, and its end', () => {
    const points = [0, 0, 5, 5, 5, 25].map((y, x) => ({ x, y }));
    expect(corners(points).map(({ x }) => x)).toEqual([0, 2, 5]);
    expect(corners([...points, { x: 6, y: 25 }]).map(({ x }) => x)).toEqual([0, 2, 5, 6]);
  });
});
