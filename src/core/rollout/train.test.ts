import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dependencyOrder, groupLegs } from './train.ts';

describe('the order of a train', () => {
  it('puts whoever is depended on first', () => {
    const needs: Record<string, readonly string[]> = { web: ['api'], api: ['worker'], worker: [] };
    expect(dependencyOrder(['web', 'api', 'worker'], (name) => needs[name] ?? [])).toEqual(['worker', 'api', 'web']);
  });

  it('holds for every acyclic graph', () => {
    const graph = fc.array(fc.array(fc.nat(7), { maxLength: 4 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(graph, (edges) => {
        // Only edges to lower numbers: no cycle.
        const names = edges.map((_, index) => `s${index}`);
        const needs = (name: string) =>
          (edges[Number(name.slice(1))] ?? []).filter((to) => to < Number(name.slice(1))).map((to) => `s${to}`);
        const order = dependencyOrder(names.toReversed(), needs);
        expect(order.toSorted()).toEqual(names.toSorted());
        for (const name of names)
          for (const need of needs(name)) expect(order.indexOf(need)).toBeLessThan(order.indexOf(name));
      }),
    );
  });
});

describe('groups', () => {
  const gentle = {
    mirror: { holdMs: 2_000 },
    steps: [5, 25, 50].map((weight) => ({ weight, holdMs: 1_000 })),
    holdback: 5,
    watchMs: 5_000,
  };
  const blunt = { mirror: null, steps: [], holdback: 0, watchMs: 9_000 };

  it('together: the most cautious steps, the longest watch window and its copies hold for all', () => {
    expect(groupLegs('together', [blunt, gentle])).toEqual([{ ...gentle, legs: [0, 1], watchMs: 9_000 }]);
  });

  it('together: who mirrors does it for the longest of their times', () => {
    const longer = { ...gentle, mirror: { holdMs: 7_000 } };
    expect(groupLegs('together', [gentle, blunt, longer])).toMatchObject([{ mirror: { holdMs: 7_000 } }]);
    expect(groupLegs('together', [blunt, blunt])).toMatchObject([{ mirror: null }]);
  });

  it('in order: everyone its own', () => {
    expect(groupLegs('in-order', [blunt, gentle])).toEqual([
      { ...blunt, legs: [0] },
      { ...gentle, legs: [1] },
    ]);
  });
});
