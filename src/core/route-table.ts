import type { Slot } from './slot.ts';
import type { ProxyLimits, PublicRoute } from './spec/platform.ts';

// What a router needs to know. In core, because the gateway's own process and the drivers speak of it.

export interface Endpoint {
  /** Id of the instance. */
  readonly id: string;
  readonly host: string;
  readonly port: number;
}

export interface RateLimit {
  readonly requestsPerSecond: number;
  /** Requests that may come at once. */
  readonly burst: number;
  /** Each client has its own allowance, or all share one. */
  readonly per: 'client' | 'route';
  /** Path prefix it holds for, by whole segments; `/` is all. */
  readonly path: string;
}

/** What the router does for a service at the edge, besides passing requests on. Public listeners only. */
export interface RouteEdge {
  /** Headers that every answer gets unless the instance has set them. */
  readonly headers: Readonly<Record<string, string>>;
  /** Compresses answers that gain by it, when the client can read it and the instance has not. */
  readonly compress: boolean;
  readonly rateLimits: readonly RateLimit[];
  /** Path prefixes by whole segments that users cannot reach (guide 13.3): answered with 404. */
  readonly hidden: readonly string[];
  /** Answered with 503 and this page instead of reaching an instance; null: open. */
  readonly maintenance: { readonly retryAfterSeconds: number; readonly html: string | null } | null;
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
