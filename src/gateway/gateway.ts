import { randomBytes } from 'node:crypto';
import type { Server } from 'node:net';
import type { DrainProgress, RouteInForce } from '../core/route-table.ts';
import type { CurrentSecond, TrafficSecond } from '../core/traffic.ts';
import type { ClientRequest } from './client-request.ts';
import type { ClientStream } from './client-stream.ts';
import type { CertificateBook, DataPlane, Listener } from './data-plane.ts';
import { drain } from './drain.ts';
import type { AccessRecord } from './edge/access-log.ts';
import type { EdgePolicyParts } from './edge/edge-policy.ts';
import type { RateLimiter } from './edge/rate-limiter.ts';
import { hostMatcher } from './edge/redirect.ts';
import type { EndReason, Flight } from './flight.ts';
import { ListenerHost } from './listener-host.ts';
import type { GatewayLimits } from './limits.ts';
import type { Log } from './log.ts';
import { buildMatcher, type Matcher } from './matcher.ts';
import { routeRequest, type Entrance, type RoutingContext } from './route-request.ts';
import { SecondClock } from './second-clock.ts';
import { progressOf, ServiceState, type ServiceContext } from './service-state.ts';
import type { StickyCookie } from './sticky-cookie.ts';

/** Milliseconds between two looks at deadlines. */
const sweepMs = 250;
/** Milliseconds without anything in flight after which a stop takes it that no request is on its way. */
const quietMs = 500;
/** Milliseconds after the end of lingering until what is left is cut. */
const afterLingerMs = 10_000;

const idEnds = Array.from({ length: 0x1000 }, (_, low) => low.toString(16).padStart(3, '0'));

export interface GatewayOptions {
  readonly limits: GatewayLimits;
  readonly cookie: StickyCookie;
  readonly log: Log;
  /** Null without TLS. */
  readonly certificates: CertificateBook | null;
  readonly minTlsVersion: 'TLSv1.2' | 'TLSv1.3';
  /** Null when none is kept. */
  readonly accessLog: { record(record: AccessRecord): void } | null;
  readonly rateLimiter: RateLimiter;
  /** UTC milliseconds. */
  readonly wall: () => number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Carries traffic: the table in force, connections of clients and of instances, and what is in flight between them. */
export class Gateway implements DataPlane, RoutingContext, ServiceContext {
  readonly limits: GatewayLimits;
  readonly cookie: StickyCookie;
  readonly edge: EdgePolicyParts;
  readonly accessLog: GatewayOptions['accessLog'];
  challenges: Readonly<Record<string, string>> = {};
  readonly #options: GatewayOptions;
  readonly #clock: SecondClock;
  readonly #sweeper: NodeJS.Timeout;
  readonly #services = new Map<string, ServiceState>();
  readonly #listeners = new Map<string, ListenerHost>();
  /** Listeners that accept nothing more and still have connections. */
  readonly #left = new Set<ListenerHost>();
  #matcher: Matcher = buildMatcher([]);
  #tableLost = false;
  #isOurs: (host: string) => boolean = () => false;
  #closing = false;
  #telling = false;
  /** Ids of requests: what nobody else has, then a number. Hexadecimal, so that the access log knows them for a machine's. */
  readonly #idPrefix = `a${randomBytes(8).toString('hex')}`;
  #nextId = 0;
  /** All of an id but its last three digits: they change far more often. */
  #idStem = '';
  #recent = 0;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.limits = options.limits;
    this.cookie = options.cookie;
    this.accessLog = options.accessLog;
    this.edge = { rateLimiter: options.rateLimiter, now: options.now };
    this.#clock = new SecondClock(options.wall, options.now);
    this.#sweeper = setInterval(() => this.#sweep(), sweepMs);
  }

  get closing(): boolean {
    return this.#closing;
  }

  now(): number {
    this.#recent = this.#options.now();
    return this.#recent;
  }

  recent(): number {
    return this.#recent;
  }

  wall(): number {
    return this.#options.wall();
  }

  random(): number {
    return this.#options.random();
  }

  second(): number {
    return this.#clock.now();
  }

  newRequestId(): string {
    const low = this.#nextId & 0xfff;
    if (low === 0) this.#idStem = `${this.#idPrefix}-${(this.#nextId / 0x1000).toString(16)}`;
    this.#nextId += 1;
    return this.#idStem + (idEnds[low] ?? '');
  }

  failed(error: unknown): void {
    this.#options.log('error', 'request-failed', {
      message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }

  match(host: string, path: string): ServiceState | null {
    const entry = this.#matcher.match(host, path);
    return entry === null ? null : (this.#services.get(entry.service) ?? null);
  }

  service(name: string): ServiceState | null {
    return this.#services.get(name) ?? null;
  }

  isOurs(host: string): boolean {
    return this.#isOurs(host) || this.#options.certificates?.names(host) === true;
  }

  get tableLost(): boolean {
    return this.#tableLost;
  }

  apply(routes: readonly RouteInForce[], lost = false): void {
    const now = this.now();
    this.#tableLost = lost;
    const entries = routes.map(({ entry }) => entry);
    const kept = new Set<string>();
    for (const route of routes) {
      kept.add(route.entry.service);
      this.#state(route.entry.service).apply(route, now);
    }
    for (const [name, service] of this.#services) if (!kept.has(name)) service.apply(null, now);
    this.#matcher = buildMatcher(entries);
    this.#isOurs = hostMatcher(entries.flatMap((entry) => entry.public?.hosts ?? []));
  }

  listen(listener: Listener, socket: Server): void {
    this.unlisten(listener.name);
    const entrance: Entrance =
      listener.kind === 'internal'
        ? { side: 'internal', service: listener.service, hsts: null }
        : listener.kind === 'public'
          ? { side: 'public', redirectToPort: listener.redirectToPort, hsts: null }
          : { side: 'public', redirectToPort: null, hsts: listener.hsts };
    const route = (request: ClientRequest, stream: ClientStream): void => routeRequest(this, entrance, request, stream);
    const host = new ListenerHost(this, socket, route);
    if (listener.kind === 'public-tls') {
      const { certificates, minTlsVersion } = this.#options;
      if (certificates === null) throw new Error('A listener for TLS needs certificates.');
      host.acceptTls(certificates, minTlsVersion, listener.http2);
    } else {
      host.accept();
    }
    this.#listeners.set(listener.name, host);
  }

  unlisten(name: string): void {
    const host = this.#listeners.get(name);
    if (host === undefined) return;
    this.#listeners.delete(name);
    this.#left.add(host);
    host.unlisten();
    host.leave();
  }

  setChallenges(answers: Readonly<Record<string, string>>): void {
    this.challenges = answers;
  }

  progress(instances: ReadonlySet<string> | null): DrainProgress {
    let inFlight = 0;
    let streams = 0;
    for (const service of this.#services.values()) {
      const progress = progressOf(instances === null ? service.upstreams : service.upstreamsOf(instances));
      inFlight += progress.inFlight;
      streams += progress.streams;
    }
    return { inFlight, streams };
  }

  async drain(
    service: string,
    instances: ReadonlySet<string>,
    drainMs: number,
    signal: AbortSignal,
  ): Promise<DrainProgress> {
    const state = this.#services.get(service);
    return state === undefined ? { inFlight: 0, streams: 0 } : drain(state, instances, drainMs, signal);
  }

  async retire(lingerMs: number): Promise<void> {
    this.#leave();
    const now = this.now();
    const tellAt = now + lingerMs;
    await this.#emptied(now + lingerMs + afterLingerMs, (at) => {
      if (at >= tellAt) this.#telling = true;
      return this.#connections() === 0;
    });
    this.#end();
  }

  async stop(drainMs: number): Promise<{ readonly left: number }> {
    this.#leave();
    this.#telling = true;
    this.#tellStreams('shutdown');
    const now = this.now();
    let quietSince = now;
    await this.#emptied(now + drainMs, (at) => {
      // A while for requests that are on their way over kept connections; their answers close them.
      if (this.#busy()) quietSince = at;
      return at - quietSince >= Math.min(quietMs, drainMs);
    });
    return { left: this.#end() };
  }

  takeClosed(): readonly TrafficSecond[] {
    this.#tick();
    const closed: TrafficSecond[] = [];
    for (const service of this.#services.values()) {
      for (const second of service.counters.since(service.takenSecond)) {
        closed.push(second);
        service.takenSecond = second.second;
      }
    }
    return closed;
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

  load(): { inFlight: number; streams: number; queued: number; connections: number } {
    let queued = 0;
    for (const { admission } of this.#services.values()) queued += admission.queued;
    return { ...this.progress(null), queued, connections: this.#connections() };
  }

  queues(): Readonly<Record<string, number>> {
    const queues: Record<string, number> = {};
    for (const [name, { admission }] of this.#services) if (admission.queued > 0) queues[name] = admission.queued;
    return queues;
  }

  /** Bytes of answers that are held for clients. */
  bufferedBytes(): number {
    let bytes = 0;
    for (const host of this.#hosts()) bytes += host.bufferedBytes;
    return bytes;
  }

  *#hosts(): Iterable<ListenerHost> {
    yield* this.#listeners.values();
    yield* this.#left;
  }

  *#flights(): Iterable<Flight> {
    for (const service of this.#services.values()) {
      for (const upstream of service.upstreams) yield* upstream.flights();
    }
  }

  #connections(): number {
    let connections = 0;
    for (const host of this.#hosts()) connections += host.connections;
    return connections;
  }

  /** Whether a request is in flight or waits, or an answer is on its way out. */
  #busy(): boolean {
    const { inFlight, streams, queued } = this.load();
    if (inFlight + streams + queued > 0) return true;
    for (const host of this.#hosts()) if (host.busy) return true;
    return false;
  }

  /** Accepts nothing more; what is kept ends behind its next answer. */
  #leave(): void {
    this.#closing = true;
    for (const host of this.#listeners.values()) {
      host.unlisten();
      host.leave();
    }
  }

  /** Waits until something holds, or until a time. */
  async #emptied(until: number, holds: (now: number) => boolean): Promise<void> {
    for (let now = this.now(); now < until && !holds(now); now = this.now()) {
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  /** Cuts what is left. @returns how many requests and streams that were */
  #end(): number {
    const left = [...this.#flights()];
    for (const flight of left) flight.reset();
    for (const host of this.#hosts()) host.destroy();
    for (const service of this.#services.values()) service.apply(null, this.now());
    clearInterval(this.#sweeper);
    return left.length;
  }

  #tellStreams(reason: EndReason): void {
    for (const flight of this.#flights()) if (flight.isStream) flight.tell(reason);
  }

  #state(name: string): ServiceState {
    let state = this.#services.get(name);
    if (state === undefined) {
      state = new ServiceState(name, this);
      this.#services.set(name, state);
    }
    return state;
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
    for (const host of this.#hosts()) host.sweep(now);
    for (const host of this.#left) if (host.connections === 0) this.#left.delete(host);
    this.#tick();
    // Also streams that came through while the gateway was already stopping.
    if (this.#telling) this.#tellStreams('shutdown');
  }
}
