import { plainEdge, type RouteTableEntry } from '../core/route-table.ts';
import type { PublicRoute } from '../core/spec/platform.ts';

/** An entry of the table for tests; everything that a test does not speak about is harmless. */
export function testEntry(
  changes: Partial<Omit<RouteTableEntry, 'public'>> & {
    readonly public?: Partial<Record<keyof PublicRoute, unknown>> | null;
  } = {},
): RouteTableEntry {
  const route = { hosts: [], paths: ['/'], sticky: false, canaryHeader: null, ...changes.public };
  return {
    service: 'web',
    internalPort: 20_000,
    proxy: { responseTimeoutMs: 5_000, idleTimeoutMs: 5_000, maxBodyBytes: null, drainMs: 1_000 },
    stable: 'blue',
    edge: plainEdge,
    candidateWeight: 0,
    endpoints: { blue: [{ id: 'a', host: '127.0.0.1', port: 1 }], green: [] },
    releases: { blue: 'rel_1', green: 'rel_2' },
    ...changes,
    public: changes.public === null ? null : route,
  } as unknown as RouteTableEntry;
}
