import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inWaves, placeInstances, type HostShare } from './placement.ts';

const host = (name: string, has: number, away = false, settled = true): HostShare => ({ name, away, has, settled });
const place = (total: number, ...hosts: readonly HostShare[]): object =>
  Object.fromEntries(placeInstances(total, hosts));

const anyHosts = fc
  .array(fc.record({ away: fc.boolean(), has: fc.nat(5), settled: fc.boolean() }), { minLength: 1, maxLength: 5 })
  .map((hosts) => hosts.map((each, at): HostShare => ({ ...each, name: `h${at}` })));

describe('instances over hosts', () => {
  it('are shared evenly, the first ones getting what is left over', () => {
    expect(place(4, host('a', 0), host('b', 0))).toEqual({ a: 2, b: 2 });
    expect(place(3, host('a', 0), host('b', 0))).toEqual({ a: 2, b: 1 });
    expect(place(1, host('a', 0), host('b', 0))).toEqual({ a: 1, b: 0 });
  });

  it('go to the others when a host is away, and back when all of it stand again', () => {
    expect(place(4, host('a', 2), host('b', 2, true))).toEqual({ a: 4 });
    expect(place(4, host('a', 4), host('b', 2, false, false))).toEqual({ a: 4, b: 2 });
    expect(place(4, host('a', 4), host('b', 2))).toEqual({ a: 2, b: 2 });
    expect(place(4, host('a', 4), host('b', 0))).toEqual({ a: 4, b: 0 });
  });

  it('are nowhere when no host answers', () => {
    expect(place(4, host('a', 2, true))).toEqual({});
  });

  it('are as many as wanted, or more until all are ready, and stay where the sum is right', () => {
    fc.assert(
      fc.property(fc.nat(12), anyHosts, (total, hosts) => {
        const shares = placeInstances(total, hosts);
        const living = hosts.filter(({ away }) => !away);
        const sum = [...shares.values()].reduce((all, one) => all + one, 0);
        const before = living.reduce((all, { has }) => all + has, 0);
        expect([...shares.keys()]).toEqual(living.map(({ name }) => name));
        expect(Math.min(0, ...shares.values())).toBe(0);
        if (living.length === 0) return;
        expect(sum).toBe(living.every(({ settled }) => settled) ? total : Math.max(total, before));
        if (before === total) expect([...shares.values()]).toEqual(living.map(({ has }) => has));
        // Nobody loses one while another one gains.
        const moves = living.map(({ name, has }) => Math.sign((shares.get(name) ?? 0) - has));
        expect(new Set(moves.filter((move) => move !== 0)).size).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('come so many hosts at a time', () => {
    expect(inWaves(['a', 'b', 'c'], 2)).toEqual([['a', 'b'], ['c']]);
    expect(inWaves(['a'], 5)).toEqual([['a']]);
  });
});
