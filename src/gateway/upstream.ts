import net from 'node:net';
import { Client } from 'undici';
import type { Endpoint } from '../core/route-table.ts';
import type { Flight } from './flight.ts';
import type { GatewayLimits } from './limits.ts';

/** An open connection to an instance, used for one request at a time. */
export interface Connection {
  readonly client: Client;
  readonly socket: net.Socket;
  /** It has carried a request before. */
  reused: boolean;
  /** Monotonic milliseconds of the end of its last request. */
  lastUsedAt: number;
  /** Milliseconds it may stay idle. */
  idleMs: number;
}

/** How fresh a connection must be: see `takeIdle`. */
export type Freshness = 'any' | 'recent';

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
export class Upstream {
  readonly endpoint: Endpoint;
  readonly flights = new Set<Flight>();
  /** False once the instance has left the table: nothing new goes there. */
  inTable = true;
  readonly #limits: GatewayLimits;
  readonly #origin: string;
  #idle: Connection[] = [];
  #suspectUntil = Number.NEGATIVE_INFINITY;
  readonly #idleWaiters: (() => void)[] = [];

  constructor(endpoint: Endpoint, limits: GatewayLimits) {
    this.endpoint = endpoint;
    this.#limits = limits;
    this.#origin = `http://${endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port}`;
  }

  join(flight: Flight): void {
    this.flights.add(flight);
  }

  leave(flight: Flight): void {
    if (!this.flights.delete(flight) || this.flights.size > 0) return;
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  /** Resolves once nothing is in flight. */
  idle(): Promise<void> {
    if (this.flights.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Monotonic milliseconds until which another endpoint is preferred. */
  get suspectUntil(): number {
    return this.#suspectUntil;
  }

  refused(now: number): void {
    this.#suspectUntil = now + suspectMs;
  }

  /** The idle connection used last, if one is fresh enough; the longest idle ones then time out by themselves. */
  takeIdle(freshness: Freshness, now: number): Connection | null {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      const idleFor = now - connection.lastUsedAt;
      if (connection.socket.destroyed || connection.socket.readableEnded || idleFor > connection.idleMs) {
        discard(connection);
        continue;
      }
      if (freshness === 'recent' && idleFor > recentMs) {
        this.#idle.push(connection);
        return null;
      }
      connection.reused = true;
      return connection;
    }
    return null;
  }

  /**
   * Opens a connection. Nothing has been sent when it fails, so the request may go elsewhere.
   *
   * @param done called once, with the connection or with why there is none
   */
  connect(now: number, done: (connection: Connection | null, reason: string) => void): void {
    const { host, port } = this.endpoint;
    const socket = net.connect({ host, port, noDelay: true, allowHalfOpen: true, keepAlive: true });
    const timer = setTimeout(() => socket.destroy(new Error('timed out')), this.#limits.connectTimeoutMs);
    const failed = (error: Error): void => {
      clearTimeout(timer);
      done(null, error.message);
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', failed);
      this.#suspectUntil = Number.NEGATIVE_INFINITY;
      done(this.#adopt(socket, now), '');
    });
  }

  #adopt(socket: net.Socket, now: number): Connection {
    let given = false;
    const client = new Client(this.#origin, {
      pipelining: 1,
      allowH2: false,
      maxHeaderSize: this.#limits.maxHeaderBytes,
      // Deadlines of a request are the gateway's; the client only closes what lies idle.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: idleMs,
      keepAliveMaxTimeout: idleMs,
      keepAliveTimeoutThreshold: 1_000,
      connect: (_options, callback) => {
        // One client is one connection: when that has gone, the request must learn it, not wait for another.
        if (given || socket.destroyed) {
          callback(new Error('the instance closed the connection'), null);
          return;
        }
        given = true;
        // Not at once: the client is in the middle of its own turn and would not look at its queue again.
        queueMicrotask(() => callback(null, socket));
      },
    });
    client.on('connectionError', noop);
    // Between two owners the socket has no listener; an error then must not end the process.
    socket.on('error', noop);
    return { client, socket, reused: false, lastUsedAt: now, idleMs };
  }

  /**
   * Takes a connection back after a complete answer. Call it a tick later: whether the connection goes on is decided
   * after the end of the answer is reported.
   *
   * @param keepAlive the answer's `Keep-Alive` header, or null
   */
  release(connection: Connection, keepAlive: string | null, now: number): void {
    connection.lastUsedAt = now;
    connection.idleMs = idleTimeOf(keepAlive);
    const usable = this.inTable && !connection.socket.destroyed && connection.idleMs > 0;
    if (!usable || this.#idle.length >= this.#limits.maxIdlePerEndpoint) discard(connection);
    else this.#idle.push(connection);
  }

  /** Closes connections that were idle for too long; all of them once the instance has left the table. */
  sweepIdle(now: number): void {
    if (this.#idle.length === 0) return;
    const kept: Connection[] = [];
    for (const connection of this.#idle) {
      const fresh = this.inTable && now - connection.lastUsedAt <= connection.idleMs && !connection.socket.destroyed;
      if (fresh) kept.push(connection);
      else discard(connection);
    }
    this.#idle = kept;
  }
}

const noop = (): void => {};

/** Milliseconds a connection may be idle, from a `Keep-Alive: timeout=5` header (seconds), less one second. */
function idleTimeOf(keepAlive: string | null): number {
  const seconds = keepAlive === null ? null : /(?:^|[,\s])timeout=(\d+)/i.exec(keepAlive)?.[1];
  return seconds === null || seconds === undefined ? idleMs : Math.min(idleMs, Number(seconds) * 1_000 - 1_000);
}

export function discard(connection: Connection): void {
  connection.client.destroy().catch(noop);
  connection.socket.destroy();
}
