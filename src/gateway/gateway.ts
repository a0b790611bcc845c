import type { Server, ServerResponse } from 'node:http';
import type { RouteInForce, WriteStamp } from '../core/route-table.ts';
import type { CurrentSecond, TrafficSecond } from '../core/traffic.ts';
import type { EndReason, Flight } from './flight.ts';
import type { GatewayLimits } from './limits.ts';
import { closeListener, openListener, stopListening } from './listener.ts';
import type { Log } from './log.ts';
import { routeRequest, type RoutingContext } from './route-request.ts';
import type { ExchangeContext } from './routed-request.ts';
import { SecondClock } from './second-clock.ts';
import { ServiceState } from './service-state.ts';
import type { StickyCookie } from './sticky-cookie.ts';
import { emptyTable, putRoute, removeRoute, type RouteTable } from './table.ts';
import type { TableFile } from './table-file.ts';

/** Milliseconds between two looks at deadlines. */
const sweepMs = 250;
/** Milliseconds between two attempts to open an internal port that was taken. */
const reopenMs = 2_000;

export interface GatewayOptions {
  readonly limits: GatewayLimits;
  readonly tableFile: TableFile;
  readonly cookie: StickyCookie;
  readonly log: Log;
  /** UTC milliseconds. */
  readonly wall: () => number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export type WriteResult =
  | { readonly kind: 'in-force'; readonly inForce: RouteInForce; readonly persisted: boolean }
  | { readonly kind: 'stale'; readonly inForce: WriteStamp }
  | { readonly kind: 'port-unavailable'; readonly message: string };

export type RemoveResult =
  | { readonly kind: 'removed'; readonly persisted: boolean }
  | { readonly kind: 'stale'; readonly inForce: WriteStamp };

interface InternalListener {
  readonly port: number;
  readonly server: Server;
}

/** The data plane: the table in force, the listeners, and what is in flight. */
export class Gateway implements RoutingContext, ExchangeContext {
  readonly limits: GatewayLimits;
  readonly cookie: StickyCookie;
  readonly log: Log;
  readonly now: () => number;
  readonly random: () => number;
  readonly #tableFile: TableFile;
  readonly #clock: SecondClock;
  #table: RouteTable = emptyTable;
  #persisted = true;
  readonly #services = new Map<string, ServiceState>();
  readonly #internal = new Map<string, InternalListener>();
  readonly #portWarnings = new Map<string, string>();
  #public: Server | null = null;
  #closing = false;
  /** Writes one after another: opening a port takes time, and stamps must be compared with what is really in force. */
  #writes: Promise<unknown> = Promise.resolve();
  readonly #sweeper: NodeJS.Timeout;
  readonly #reopener: NodeJS.Timeout;
  readonly #warnings: string[] = [];
  /** Answers that clients have not taken yet. */
  readonly #lingering = new Set<ServerResponse>();

  constructor(options: GatewayOptions) {
    this.limits = options.limits;
    this.cookie = options.cookie;
    this.log = options.log;
    this.now = options.now;
    this.random = options.random;
    this.#tableFile = options.tableFile;
    this.#clock = new SecondClock(options.wall, options.now);
    this.#sweeper = setInterval(() => this.#sweep(), sweepMs);
    this.#reopener = setInterval(() => void this.#inTurn(() => this.#openMissing()), reopenMs);
  }

  get closing(): boolean {
    return this.#closing;
  }

  get persisted(): boolean {
    return this.#persisted;
  }

  get warnings(): readonly string[] {
    const disk = this.#tableFile.failure;
    return [
      ...this.#warnings,
      ...this.#portWarnings.values(),
      ...(disk === null ? [] : [`The table cannot be written to disk: ${disk}`]),
    ];
  }

  second(): number {
    return this.#clock.now();
  }

  linger(response: ServerResponse): void {
    this.#lingering.add(response);
    response.once('close', () => this.#lingering.delete(response));
  }

  match(host: string, path: string): ServiceState | null {
    const entry = this.#table.matcher.match(host, path);
    return entry === null ? null : (this.#services.get(entry.service) ?? null);
  }

  service(name: string): ServiceState | null {
    return this.#services.get(name) ?? null;
  }

  /**
   * Serves what the table on disk says, then listens for users. Internal ports that are taken are reported and tried
   * again; a taken public port rejects with the system's error.
   *
   * @returns the port that is listened on
   */
  async start(listen: { readonly host: string; readonly port: number }): Promise<number> {
    const { table, warning } = await this.#tableFile.load(new Date());
    if (warning !== null) {
      this.#warnings.push(warning);
      this.log('error', 'table-set-aside', { message: warning });
    }
    this.#table = table;
    for (const route of table.routes.values()) this.#state(route.entry.service).apply(route, this.now());
    await this.#openMissing();
    const opened = await openListener(this.limits, this.#onError, listen, (...request) =>
      routeRequest(this, { side: 'public', service: null }, ...request),
    );
    this.#public = opened.server;
    return opened.port;
  }

  /** Puts a route in force, unless its stamp is older; resolves when it is in force and on disk (or cannot be). */
  async write(route: RouteInForce): Promise<WriteResult> {
    const { service, internalPort } = route.entry;
    const result = await this.#inTurn(async (): Promise<WriteResult | RouteInForce> => {
      const change = putRoute(this.#table, route);
      if (change.kind === 'stale') return change;
      if (change.kind === 'unchanged') return this.#table.routes.get(service) ?? route;
      const before = this.#internal.get(service);
      if (before?.port !== internalPort) {
        try {
          await this.#openInternal(service, internalPort);
        } catch (error) {
          const why = error instanceof Error ? error.message : String(error);
          return {
            kind: 'port-unavailable',
            message: `Cannot listen on internal port ${internalPort} of ${service}: ${why}`,
          };
        }
      }
      this.#table = change.table;
      this.#state(service).apply(route, this.now());
      if (before !== undefined && before.port !== internalPort) closeListener(before.server);
      return route;
    });
    if ('kind' in result) return result;
    return { kind: 'in-force', inForce: result, persisted: await this.#save() };
  }

  async remove(stamp: WriteStamp, service: string): Promise<RemoveResult> {
    const stale = await this.#inTurn(async () => {
      const change = removeRoute(this.#table, stamp, service);
      if (change.kind === 'stale') return change.inForce;
      if (change.kind === 'unchanged') return null;
      this.#table = change.table;
      this.#services.get(service)?.apply(null, this.now());
      this.#portWarnings.delete(service);
      const listener = this.#internal.get(service);
      this.#internal.delete(service);
      if (listener !== undefined) closeListener(listener.server);
      return null;
    });
    if (stale !== null) return { kind: 'stale', inForce: stale };
    return { kind: 'removed', persisted: await this.#save() };
  }

  observe(): readonly RouteInForce[] {
    return [...this.#table.routes.values()];
  }

  traffic(service: string, afterSecond: number): readonly TrafficSecond[] {
    return this.#services.get(service)?.counters.since(afterSecond) ?? [];
  }

  /** The second that is not over; null for a service that is not known. */
  current(service: string): CurrentSecond | null {
    const state = this.#services.get(service);
    if (state === undefined) return null;
    this.#tick();
    const { second, passedMs } = this.#clock.read();
    const soFar = state.counters.current(second, state.waiting(this.now()));
    return soFar === null ? null : { soFar, passedMs };
  }

  *flights(): Iterable<Flight> {
    for (const service of this.#services.values()) {
      for (const upstream of service.upstreams) yield* upstream.flights;
    }
  }

  /**
   * Stops: no new connections, streams are told to come back, requests in flight are answered. Resolves when nothing is
   * in flight or the time is over; what is left is reset.
   *
   * @param drainMs milliseconds
   */
  async stop(drainMs: number): Promise<{ readonly left: number }> {
    this.#closing = true;
    const until = this.now() + drainMs;
    const servers = [this.#public, ...[...this.#internal.values()].map(({ server }) => server)].filter(
      (server) => server !== null,
    );
    for (const server of servers) stopListening(server);
    this.#tellStreams('shutdown');
    const idleSince = { at: this.now() };
    while (this.now() < until) {
      const left = [...this.flights()].length + this.#lingering.size;
      // A while for requests that are on their way over kept connections; their answers close them.
      if (left > 0) idleSince.at = this.now();
      else if (this.now() - idleSince.at >= Math.min(500, drainMs)) break;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    const left = [...this.flights()];
    for (const flight of left) flight.reset();
    for (const server of servers) server.closeAllConnections();
    clearInterval(this.#sweeper);
    clearInterval(this.#reopener);
    await this.#writes;
    return { left: left.length };
  }

  #tellStreams(reason: EndReason): void {
    for (const flight of this.flights()) if (flight.isStream) flight.tell(reason);
  }

  async #save(): Promise<boolean> {
    this.#persisted = await this.#tableFile.save(this.#table);
    if (!this.#persisted) this.log('error', 'table-not-saved', { message: this.#tableFile.failure });
    return this.#persisted;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#writes.then(work);
    this.#writes = turn.catch(() => {});
    return turn;
  }

  #state(name: string): ServiceState {
    let state = this.#services.get(name);
    if (state === undefined) {
      state = new ServiceState(name, this.limits, this.random);
      this.#services.set(name, state);
    }
    return state;
  }

  async #openInternal(service: string, port: number): Promise<void> {
    const { server } = await openListener(this.limits, this.#onError, { host: '127.0.0.1', port }, (...request) =>
      routeRequest(this, { side: 'internal', service }, ...request),
    );
    this.#internal.set(service, { port, server });
  }

  /** Internal ports of the table that are not open: after a start, when something else had them. */
  async #openMissing(): Promise<void> {
    if (this.#closing) return;
    for (const { entry } of this.#table.routes.values()) {
      if (this.#internal.has(entry.service)) continue;
      try {
        await this.#openInternal(entry.service, entry.internalPort);
        this.#portWarnings.delete(entry.service);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        const message = `Internal port ${entry.internalPort} of ${entry.service} cannot be opened: ${why}`;
        if (this.#portWarnings.get(entry.service) !== message) this.log('error', 'internal-port', { message });
        this.#portWarnings.set(entry.service, message);
      }
    }
  }

  /** Closes what is over, in all services alike. */
  #tick(): void {
    const now = this.now();
    const observed = this.#clock.tick();
    if (observed.length === 0) return;
    const second = this.#clock.now();
    for (const service of this.#services.values()) service.counters.advance(observed, second, service.waiting(now));
  }

  #sweep(): void {
    const now = this.now();
    for (const service of this.#services.values()) service.sweep(now);
    this.#tick();
    // Streams that came through while the gateway was already stopping.
    if (this.#closing) this.#tellStreams('shutdown');
  }

  readonly #onError = (error: unknown): void => {
    this.log('error', 'request-failed', {
      message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  };
}
