import type { Slot } from '../../core/slot.ts';
import type { ProxyLimits, PublicRoute } from '../../core/spec/platform.ts';
import type { TrafficSecond } from '../../core/traffic.ts';

export interface Endpoint {
  /** Id of the instance. */
  readonly id: string;
  readonly host: string;
  readonly port: number;
}

/** Everything a router needs to know about one service; replaced as a whole, never patched. */
export interface RouteTableEntry {
  readonly service: string;
  readonly public: PublicRoute | null;
  /** Loopback port of the service's internal address; requests there may carry `x-veza-arm`. */
  readonly internalPort: number;
  readonly proxy: ProxyLimits;
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

/** Shares traffic between slots. Writes are atomic per service and fenced by their stamp. */
export interface Router {
  /**
   * Puts an entry in force and resolves when every request from now on follows it. The same stamp twice is the same
   * write. Throws StaleRouterWriteError, with what is in force, when the stamp is older.
   */
  write(stamp: WriteStamp, entry: RouteTableEntry, signal: AbortSignal): Promise<RouteInForce>;
  /** Takes a service out of the table. Same fencing. */
  remove(stamp: WriteStamp, service: string, signal: AbortSignal): Promise<void>;
  observe(signal: AbortSignal): Promise<readonly RouteInForce[]>;
  /**
   * Waits until nothing is in flight to these instances of the service, which must be out of the table. After
   * `drainMs` long streams are told (WebSocket close 1001, event streams ended at an event boundary). Resolves when
   * idle, or with what is left after a further 5 s.
   */
  drain(service: string, instances: readonly string[], drainMs: number, signal: AbortSignal): Promise<DrainProgress>;
  /** Closed seconds after `afterSecond` (exclusive), oldest first; at least the last 15 minutes are kept. */
  traffic(service: string, afterSecond: number, signal: AbortSignal): Promise<readonly TrafficSecond[]>;
  close(): Promise<void>;
}
