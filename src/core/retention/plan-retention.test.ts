import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReleaseId } from '../release/release.ts';
import type { Name } from '../units/quantities.ts';
import { planRetention, type RetentionCandidate } from './plan-retention.ts';

const services = ['api', 'web', 'worker'] as Name[];
const releases = fc
  .array(fc.constantFrom(...services), { maxLength: 40 })
  .chain((names) =>
    fc.shuffledSubarray(
      names.map((service, order) => ({ service, order })),
      { minLength: names.length },
    ),
  )
  .map((shuffled) =>
    shuffled.map(({ service, order }): RetentionCandidate => ({ id: `rel_${order}` as ReleaseId, service, order })),
  );
const inUse = fc
  .uniqueArray(fc.nat({ max: 45 }))
  .map((orders) => new Set(orders.map((order) => `rel_${order}` as ReleaseId)));
const keepNewest = fc.integer({ min: 1, max: 6 });

describe('planRetention', () => {
  it('never collects what is in use, nor one of the newest, and collects all the rest', () => {
    fc.assert(
      fc.property(releases, inUse, keepNewest, (candidates, used, newest) => {
        const plan = planRetention(candidates, used, newest);
        for (const { id, service, order } of candidates) {
          const newer = candidates.filter((other) => other.service === service && other.order > order).length;
          expect(plan.collect.includes(id)).toBe(!used.has(id) && newer >= newest);
        }
      }),
    );
  });

  it('puts each release into exactly one of the two lists', () => {
    fc.assert(
      fc.property(releases, inUse, keepNewest, (candidates, used, newest) => {
        const plan = planRetention(candidates, used, newest);
        const all = [...plan.keep.map(({ id }) => id), ...plan.collect];
        expect(all.toSorted()).toEqual(candidates.map(({ id }) => id).toSorted());
      }),
    );
  });

  it('does not depend on the order it is told of them, and collecting twice collects nothing more', () => {
    fc.assert(
      fc.property(releases, inUse, keepNewest, (candidates, used, newest) => {
        const plan = planRetention(candidates, used, newest);
        expect(planRetention(candidates.toReversed(), used, newest)).toEqual(plan);
        const left = candidates.filter(({ id }) => !plan.collect.includes(id));
        expect(planRetention(left, used, newest).collect).toEqual([]);
      }),
    );
  });

  it('collects the oldest first and says why the others stay', () => {
    const candidates = [5, 1, 4, 2, 3].map((order) => ({
      id: `rel_${order}` as ReleaseId,
      service: 'api' as Name,
      order,
    }));
    expect(planRetention(candidates, new Set(['rel_2' as ReleaseId]), 2)).toEqual({
      keep: [
        { id: 'rel_5', because: 'newest' },
        { id: 'rel_4', because: 'newest' },
        { id: 'rel_2', because: 'in-use' },
      ],
      collect: ['rel_1', 'rel_3'],
    });
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses to keep the newest %d', (newest) => {
    expect(() => planRetention([], new Set(), newest)).toThrow(RangeError);
  });
});
