import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../core/route-table.ts';
import { pickArm, type ArmWish } from './pick-arm.ts';
import { testEntry } from './testing-entry.ts';

const endpoint = (id: string): Endpoint => ({ id, host: '127.0.0.1', port: 1 });
const nobody: ArmWish = { arm: null, canaryHeader: false, place: null, cookieSent: false, sticky: false };
const user: ArmWish = { ...nobody, sticky: true };
const canary = (candidateWeight: number, changes: Parameters<typeof testEntry>[0] = {}) =>
  testEntry({ candidateWeight, endpoints: { blue: [endpoint('a')], green: [endpoint('b')] }, ...changes });
const never = (): never => {
  throw new Error('the weights were asked');
};
const half = (): number => 0.5;

describe('the arm of a request', () => {
  it('is what the weights say when nothing else speaks', () => {
    expect(pickArm(canary(5), nobody, () => true, half)).toMatchObject({
      arm: 'candidate',
      slot: 'green',
      travels: 'candidate',
    });
    expect(pickArm(canary(5), nobody, () => false, half)).toMatchObject({
      arm: 'stable',
      slot: 'blue',
      travels: 'stable',
    });
  });

  it('is what came from inside, before everything else', () => {
    const wish = { ...user, arm: 'stable' as const, canaryHeader: true };
    expect(pickArm(canary(100), wish, never, half)).toMatchObject({ arm: 'stable', travels: 'stable' });
  });

  it('travels on through a service without a canary', () => {
    const chosen = pickArm(testEntry(), { ...nobody, arm: 'candidate' }, never, half);
    expect(chosen).toMatchObject({ arm: 'stable', travels: 'candidate' });
  });

  it('does not travel when there was nothing to choose, so that canaries further down keep their weights', () => {
    expect(pickArm(testEntry(), nobody, never, half).travels).toBeNull();
    expect(pickArm(canary(0), nobody, never, half).travels).toBeNull();
  });

  it('is the candidate with the override header, also at weight 0, if there is a candidate', () => {
    const wish = { ...nobody, canaryHeader: true };
    expect(pickArm(canary(0), wish, never, half).arm).toBe('candidate');
    expect(pickArm(testEntry(), wish, never, half).arm).toBe('stable');
  });

  it('falls back to the other slot when its own has no endpoint', () => {
    const noCandidate = canary(50, { endpoints: { blue: [endpoint('a')], green: [] } });
    expect(pickArm(noCandidate, nobody, () => true, half).arm).toBe('stable');
    const noStable = canary(50, { endpoints: { blue: [], green: [endpoint('b')] } });
    expect(pickArm(noStable, nobody, () => false, half).arm).toBe('candidate');
  });

  it('is never an untested candidate, even when stable has no endpoint', () => {
    const entry = canary(0, { endpoints: { blue: [], green: [endpoint('b')] } });
    expect(pickArm(entry, nobody, never, half).arm).toBe('stable');
  });

  it('follows the slot that is stable', () => {
    expect(pickArm(canary(0, { stable: 'green' }), nobody, never, half)).toMatchObject({
      arm: 'stable',
      slot: 'green',
    });
  });
});

describe('a sticky user', () => {
  it('gets a place whose number chooses the same arm again', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 99 }),
        fc.boolean(),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (weight, byWeight, random) => {
          const first = pickArm(
            canary(weight),
            user,
            () => byWeight,
            () => random,
          );
          if (first.cookie.kind !== 'set') throw new Error('no place was given');
          const again = pickArm(canary(weight), { ...user, place: first.cookie.place, cookieSent: true }, never, half);
          expect(again.arm).toBe(first.arm);
          expect(first.cookie.place.number).toBeGreaterThanOrEqual(0);
          expect(first.cookie.place.number).toBeLessThan(100);
        },
      ),
    );
  });

  it('stays on the candidate while the weight rises', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 99.99, noNaN: true }),
        fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 2 }),
        (number, weights) => {
          const place = { slot: 'green', release: 'rel_2', number } as const;
          const arms = weights
            .sort((a, b) => a - b)
            .map((weight) => pickArm(canary(weight), { ...user, place, cookieSent: true }, never, half).arm);
          const joined = arms.indexOf('candidate');
          expect(joined === -1 ? [] : arms.slice(joined)).not.toContain('stable');
          expect(arms.every((arm, i) => (arm === 'candidate') === number < (weights[i] ?? 0))).toBe(true);
        },
      ),
    );
  });

  it('goes back to stable when the weight falls to 0, and his cookie is taken away', () => {
    const place = { slot: 'green', release: 'rel_2', number: 1 } as const;
    const chosen = pickArm(canary(0), { ...user, place, cookieSent: true }, never, half);
    expect(chosen).toMatchObject({ arm: 'stable', cookie: { kind: 'clear' } });
  });

  it('is placed anew in another canary', () => {
    const place = { slot: 'green', release: 'rel_old', number: 1 } as const;
    const chosen = pickArm(canary(5), { ...user, place, cookieSent: true }, () => false, half);
    expect(chosen).toMatchObject({ arm: 'stable', cookie: { kind: 'set', place: { release: 'rel_2' } } });
  });
});
