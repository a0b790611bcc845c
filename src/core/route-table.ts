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

export const LOOPBACK = '127.0.0.1';

export const plainEdge: RouteEdge = { headers: {}, compress: false, rateLimits: [], hidden: [], maintenance: null };

/** Everything a router needs to know about one service; replaced as a whole, never patched. */
export interface RouteTableEntry {
  readonly service: string;
  readonly public: PublicRoute | null;
  /** Port of the service's internal address; requests there may carry `x-veza-arm`. */
  readonly internalPort: number;
  /** Address of this machine that the internal address is on: the one that instances reach it at. Absent: 127.0.0.1. */
  readonly internalHost?: string;
  readonly proxy: ProxyLimits;
  readonly edge: RouteEdge;
  /** Which slot is stable. */
  readonly stable: Slot;
  /** Share of requests for the slot that is not stable, 0 to 100; stable has the rest. */
  readonly candidateWeight: number;
  /** Copies of this share (percent) of the safe requests that stable answers go to the candidate; absent: none. */
  readonly mirror?: { readonly share: number; readonly shapes: boolean };
  /** Its requests come from a router in front, which has said where they are from; nothing is added to that. Absent: no. */
  readonly relayed?: boolean;
  /** Ready instances only. */
  readonly endpoints: Readonly<Record<Slot, readonly Endpoint[]>>;
  /** Releases for headers, logs and metrics. */
  readonly releases: Readonly<Record<Slot, string | null>>;
}

/** Where the service's internal address is. */
export const internalHostOf = (entry: Pick<RouteTableEntry, 'internalHost'>): string => entry.internalHost ?? LOOPBACK;

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
