import { describe, expect, it } from 'vitest';
import { orderOf, type Fenced } from './fencing.ts';
import type { RouteInForce } from './route-table.ts';

const route = { stamp: { epoch: 5, version: 7 }, entry: { service: 'web' } } as RouteInForce;
const nothing: Fenced = { routes: new Map(), removed: new Map() };
const present: Fenced = { ...nothing, routes: new Map([['web', route]]) };
const gone: Fenced = { ...nothing, removed: new Map([['web', route.stamp]]) };

describe('the order of writes', () => {
  it.each([
    [present, { epoch: 5, version: 8 }, 'put', 'newer'],
    [present, { epoch: 6, version: 1 }, 'put', 'newer'],
    [present, { epoch: 5, version: 7 }, 'put', 'same'],
    [present, { epoch: 5, version: 6 }, 'put', 'stale'],
    [present, { epoch: 4, version: 9 }, 'remove', 'stale'],
    [present, { epoch: 5, version: 7 }, 'remove', 'stale'],
    [present, { epoch: 5, version: 8 }, 'remove', 'newer'],
    [gone, { epoch: 5, version: 7 }, 'remove', 'same'],
    [gone, { epoch: 5, version: 7 }, 'put', 'stale'],
    [gone, { epoch: 5, version: 8 }, 'put', 'newer'],
    [nothing, { epoch: 0, version: 0 }, 'put', 'newer'],
  ] as const)('is told by stamps, also of what was removed (%#)', (table, stamp, change, order) => {
    expect(orderOf(table, 'web', stamp, change).kind).toBe(order);
  });
});
