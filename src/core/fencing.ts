import { parseRouteInForce } from './gateway-control.ts';
import { compareStamps, type RouteInForce, type WriteStamp } from './route-table.ts';

/** What a router needs to know to refuse writes of an older holder of the lease. */
export interface Fenced {
  readonly routes: ReadonlyMap<string, RouteInForce>;
  /** Stamps of services that were removed, so that an older holder of the lease cannot bring them back. */
  readonly removed: ReadonlyMap<string, WriteStamp>;
}

/** The same as JSON, for the disk and for other processes. */
export interface StoredFences {
  readonly routes: readonly RouteInForce[];
  readonly removed: readonly (readonly [service: string, stamp: WriteStamp])[];
}

export const storedFences = ({ routes, removed }: Fenced): StoredFences => ({
  routes: [...routes.values()],
  removed: [...removed],
});

/** @throws Error when a route is none */
export function fencedOf(stored: StoredFences): Fenced {
  const routes = new Map<string, RouteInForce>();
  for (const route of stored.routes) {
    const parsed = parseRouteInForce(route);
    if (!parsed.ok) throw new Error(parsed.message);
    routes.set(parsed.value.entry.service, parsed.value);
  }
  return { routes, removed: new Map(stored.removed) };
}

/** `same`: the same stamp for the same change, which is the same write again. */
export type WriteOrder = { readonly kind: 'newer' | 'same' } | { readonly kind: 'stale'; readonly inForce: WriteStamp };

/** How a write, or the removal of a service, stands to what is in force for it. */
export function orderOf(
  { routes, removed }: Fenced,
  service: string,
  stamp: WriteStamp,
  change: 'put' | 'remove',
): WriteOrder {
  const present = routes.get(service)?.stamp;
  const fence = present ?? removed.get(service);
  if (fence === undefined) return { kind: 'newer' };
  const order = compareStamps(stamp, fence);
  const sameKind = (present !== undefined) === (change === 'put');
  if (order < 0 || (order === 0 && !sameKind)) return { kind: 'stale', inForce: fence };
  return { kind: order === 0 ? 'same' : 'newer' };
}
