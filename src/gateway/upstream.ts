import type { Endpoint } from '../core/route-table.ts';
import type { Flight } from './flight.ts';
import { InstanceConnection, type ConnectionOwner, type InstanceUser } from './http1/instance-connection.ts';
import type { GatewayLimits } from './limits.ts';
import { OutlierWatch } from './outlier.ts';

/** What all connections to instances share. */
export interface UpstreamContext {
  readonly limits: GatewayLimits;
  /** Milliseconds, monotonic. */
  now(): number;
  /** The same as it was when it was asked for last. */
  recent(): number;
  failed(error: unknown): void;
}

/**
 * Instances close idle connections when they like, and a request that is on its way at that moment is lost. Well-known
 * servers wait 5 s or more (Node 5 s, Go none, gunicorn 2 s), so the gateway closes after 2 s, or a second before the
 * instance's own `Keep-Alive: timeout`. A request that must not be sent twice goes out only on a connection that was
 * opened for it or was in use less than 300 ms ago: nobody closes that early, so the race cannot happen.
 */
const idleMs = 2_000;
const recentMs = 300;
/** Milliseconds for which an endpoint that refused a connection is only used when there is no other. */
const suspectMs = 1_000;

/** One instance as the gateway sees it: its idle connections, what is in flight to it, whether it takes connections. */
export class Upstream implements ConnectionOwner {
  readonly endpoint: Endpoint;
  readonly limits: GatewayLimits;
  readonly watch = new OutlierWatch();
  /** False once the instance has left the table: nothing new goes there. */
  inTable = true;
  readonly #context: UpstreamContext;
  /** The one used last is the last. */
  #idle: InstanceConnection[] = [];
  #suspectUntil = Number.NEGATIVE_INFINITY;
  readonly #idleWaiters: (() => void)[] = [];
  #first: Flight | null = null;
  #inFlight = 0;

  constructor(endpoint: Endpoint, context: UpstreamContext) {
    this.endpoint = endpoint;
    this.limits = context.limits;
    this.#context = context;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** What is in flight. A flight may end while it is looked at. */
  *flights(): Iterable<Flight> {
    for (let flight = this.#first; flight !== null;) {
      const next: Flight | null = flight.following;
      yield flight;
      flight = next;
    }
  }

  /** Lets all that is in flight look at its deadlines; a plain loop, because there may be ten thousand. */
  sweepFlights(now: number): void {
    for (let flight = this.#first; flight !== null;) {
      const next: Flight | null = flight.following;
      flight.sweep(now);
      flight = next;
    }
  }

  join(flight: Flight): void {
    const first = this.#first;
    flight.previous = null;
    flight.following = first;
    if (first !== null) first.previous = flight;
    this.#first = flight;
    this.#inFlight += 1;
  }

  /** Only for flights that have joined, once. */
  leave(flight: Flight): void {
    const { previous, following } = flight;
    if (previous === null) this.#first = following;
    else previous.following = following;
    if (following !== null) following.previous = previous;
    flight.previous = null;
    flight.following = null;
    this.#inFlight -= 1;
    if (this.#inFlight === 0 && this.#idleWaiters.length > 0) {
      for (const resolve of this.#idleWaiters.splice(0)) resolve();
    }
  }

  /** Resolves once nothing is in flight. */
  idle(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Whether another endpoint is preferred now. */
  suspect(now: number): boolean {
    return this.#suspectUntil > now || this.watch.ejected(now);
  }

  refused(now: number): void {
    this.#suspectUntil = now + suspectMs;
  }

  /** It took a connection. */
  accepted(): void {
    this.#suspectUntil = Number.NEGATIVE_INFINITY;
  }

  /**
   * The idle connection used last, if it is fresh enough; the longest idle ones then time out by themselves.
   *
   * @param repeatable the request may be sent again when it gets lost
   */
  takeIdle(repeatable: boolean, now: number): InstanceConnection | null {
    const idle = this.#idle;
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      const idleFor = now - connection.lastUsedAt;
      if (!connection.usable || idleFor > connection.idleMs) {
        connection.discard();
        continue;
      }
      if (!repeatable && idleFor > recentMs) {
        idle.push(connection);
        return null;
      }
      connection.reused = true;
      return connection;
    }
    return null;
  }

  /** Opens a connection. The user hears `connected` or, when nothing could be sent, `broken`. */
  connect(user: InstanceUser): InstanceConnection {
    return new InstanceConnection(this.endpoint, this, user);
  }

  released(connection: InstanceConnection, keepAlive: string | null): void {
    connection.lastUsedAt = this.#context.recent();
    connection.idleMs = keepAlive === null ? idleMs : idleTimeOf(keepAlive);
    if (!this.inTable || connection.idleMs <= 0 || this.#idle.length >= this.limits.maxIdlePerEndpoint) {
      connection.discard();
    } else {
      this.#idle.push(connection);
    }
  }

  gone(connection: InstanceConnection): void {
    if (this.#idle.length === 0) return;
    const at = this.#idle.lastIndexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
  }

  failed(error: unknown): void {
    this.#context.failed(error);
  }

  /** Closes connections that were idle for too long; all of them once the instance has left the table. */
  sweepIdle(now: number): void {
    if (this.#idle.length === 0) return;
    const all = this.#idle;
    this.#idle = [];
    for (const connection of all) {
      const fresh = this.inTable && now - connection.lastUsedAt <= connection.idleMs && connection.usable;
      if (fresh) this.#idle.push(connection);
      else connection.discard();
    }
  }
}

/** Milliseconds a connection may be idle, from a `Keep-Alive: timeout=5` header (seconds), less one second. */
function idleTimeOf(keepAlive: string): number {
  const seconds = /(?:^|[,\s])timeout=(\d+)/i.exec(keepAlive)?.[1];
  return seconds === undefined ? idleMs : Math.min(idleMs, Number(seconds) * 1_000 - 1_000);
}
