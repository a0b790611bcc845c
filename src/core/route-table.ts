import type { RouteEdge } from './route-edge.ts';
import type { Slot } from './slot.ts';
import type { ProxyLimits, PublicRoute } from './spec/platform.ts';

// What a router needs to know. In core, because the gateway's own process and the drivers speak of it.

export interface Endpoint {
  /** Id of the instance. */
  readonly id: string;
  readonly host: string;
  readonly port: number;
}

export const plainEdge: RouteEdge = { headers: {}, compress: false, rateLimits: [], hidden: [], maintenance: null };

/** Everything a router needs to know about one service; replaced as a whole, never patched. */
export interface RouteTableEntry {
  readonly service: string;
  readonly public: PublicRoute | null;
  /** Loopback port of the service's internal address; requests there may carry `x-veza-arm`. */
  readonly internalPort: number;
  readonly proxy: ProxyLimits;
  readonly edge: RouteEdge;
  /** Which slot is stable. */
  readonly stable: Slot;
  /** Share of requests for the slot that is not stable, 0 to 100; stable has the rest. */
  readonly candidateWeight: number;
  /** Ready instances only. */
  readonly endpoints: Readonly<Record<Slot, readonly Endpoint[]>>;
  /** Releases for headers, logs and metrics. */
  readonly releases: Readonly<Record<Slot, string | null>>;
}

/** Order of router writes: epoch is the lease's fencing token, version counts writes of one holder. */
export interface WriteStamp {
  readonly epoch: number;
  readonly version: number;
}

export interface RouteInForce {
  readonly stamp: WriteStamp;
  readonly entry: RouteTableEntry;
}

export interface DrainProgress {
  readonly inFlight: number;
  readonly streams: number;
}

/** Below zero when `a` is older than `b`, zero when they are the same write, above zero when `a` is newer. */
export const compareStamps = (a: WriteStamp, b: WriteStamp): number => a.epoch - b.epoch || a.version - b.version;
