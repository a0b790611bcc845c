import { fencedOf, orderOf, storedFences, type Fenced, type StoredFences } from '../core/fencing.ts';
import type { RouteInForce, WriteStamp } from '../core/route-table.ts';
import { buildMatcher, type Matcher } from './matcher.ts';

/** The routes in force. Never changed: a write makes a new table, and one assignment puts it in force. */
export interface RouteTable extends Fenced {
  readonly matcher: Matcher;
  /** The table was damaged, and nothing has been written since: nobody can say which service a host belongs to. */
  readonly lost: boolean;
}

export const emptyTable: RouteTable = { routes: new Map(), removed: new Map(), matcher: buildMatcher([]), lost: false };
export const lostTable: RouteTable = { ...emptyTable, lost: true };

/** A table as it is written to disk and passed between processes. */
export interface StoredTable extends StoredFences {
  /** As in RouteTable; absent is false. */
  readonly lost?: true;
}

export const storedTable = (table: RouteTable): StoredTable => ({
  ...storedFences(table),
  ...(table.lost ? { lost: true } : {}),
});

/** @throws Error when a route is none */
export function tableOf(stored: StoredTable): RouteTable {
  const { routes, removed } = fencedOf(stored);
  return { ...makeTable(routes, removed), lost: stored.lost === true };
}

export type TableChange =
  | { readonly kind: 'changed'; readonly table: RouteTable }
  /** The same stamp again: the same write. */
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'stale'; readonly inForce: WriteStamp };

/** A table with this route in it, unless the stamp is older than what is in force for the service. */
export function putRoute(table: RouteTable, route: RouteInForce): TableChange {
  const { service } = route.entry;
  const order = orderOf(table, service, route.stamp, 'put');
  if (order.kind === 'stale') return order;
  if (order.kind === 'same') return { kind: 'unchanged' };
  const routes = new Map(table.routes).set(service, route);
  const removed = new Map(table.removed);
  removed.delete(service);
  return { kind: 'changed', table: makeTable(routes, removed) };
}

/** A table without a service, unless the stamp is older than what is in force for it. */
export function removeRoute(table: RouteTable, stamp: WriteStamp, service: string): TableChange {
  const order = orderOf(table, service, stamp, 'remove');
  if (order.kind === 'stale') return order;
  if (order.kind === 'same') return { kind: 'unchanged' };
  const routes = new Map(table.routes);
  routes.delete(service);
  return { kind: 'changed', table: makeTable(routes, new Map(table.removed).set(service, stamp)) };
}

export function makeTable(
  routes: ReadonlyMap<string, RouteInForce>,
  removed: ReadonlyMap<string, WriteStamp>,
): RouteTable {
  return { routes, removed, matcher: buildMatcher([...routes.values()].map(({ entry }) => entry)), lost: false };
}
