import type { DrainProgress, RouteInForce, RouteTableEntry, WriteStamp } from '../../core/route-table.ts';
import type { CurrentSecond, TrafficSecond } from '../../core/traffic.ts';

export type { DrainProgress, RouteInForce, RouteTableEntry, WriteStamp } from '../../core/route-table.ts';

/** What befell a router without being asked for, for people. */
export interface RouterEvent {
  /** `restarted`: it had died; `repaired`: somebody else had changed it; `failed`: it cannot be brought back, or put right. */
  readonly kind: 'restarted' | 'repaired' | 'warning' | 'failed';
  readonly message: string;
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
  /**
   * The second that is not over, so that a window need not wait for its end; null when the service is not known or the
   * second is not observed. A router that counts in whole seconds only has no such method.
   */
  current?(service: string, signal: AbortSignal): Promise<CurrentSecond | null>;
  close(): Promise<void>;
}
