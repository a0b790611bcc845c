import type { Duplex } from 'node:stream';
import type { CertificateHealth, GatewayHealth } from '../../core/gateway-control.ts';
import { controlProtocol } from '../../core/gateway-control.ts';
import type { GatewaySettings } from '../../core/gateway-settings.ts';
import { internalHostOf, type DrainProgress, type RouteInForce, type WriteStamp } from '../../core/route-table.ts';
import type { CurrentSecond, TrafficSecond } from '../../core/traffic.ts';
import type { DayKey } from '../edge/day-key.ts';
import type { Log } from '../log.ts';
import { putRoute, removeRoute, storedTable, type RouteTable } from '../table.ts';
import type { TableFile } from '../table-file.ts';
import type { CertificateBundle } from '../tls/certificate-bundle.ts';
import { addCurrent, MergedCounts, type MergedState } from './merged-counts.ts';
import type { Assignment, FromWorker } from './messages.ts';
import type { Sockets } from './sockets.ts';
import { Workers, type OfferedSocket } from './workers.ts';

/** Milliseconds between two attempts to open an internal port that was taken. */
const reopenMs = 2_000;
/** Milliseconds that workers of the supervisor before have to come. */
const returnMs = 5_000;
/** Milliseconds for workers to say what they count. */
const currentMs = 1_000;

export type WriteResult =
  | { readonly kind: 'in-force'; readonly inForce: RouteInForce; readonly persisted: boolean }
  | { readonly kind: 'stale'; readonly inForce: WriteStamp }
  | { readonly kind: 'port-unavailable'; readonly message: string };

export type RemoveResult =
  | { readonly kind: 'removed'; readonly persisted: boolean }
  | { readonly kind: 'stale'; readonly inForce: WriteStamp };

export interface SupervisorOptions {
  readonly generation: number;
  readonly version: string;
  readonly stateDir: string;
  /** Where it listens now, and where it will be found. */
  readonly connectTo: string;
  readonly home: string;
  /** With the ports that were taken. */
  readonly settings: GatewaySettings;
  readonly limits: Readonly<Record<string, number>>;
  readonly table: RouteTable;
  readonly tableFile: TableFile;
  readonly sockets: Sockets;
  readonly cookieKey: string;
  readonly ticketKeys: string;
  readonly dayKey: DayKey;
  readonly workers: number;
  /** Milliseconds that workers of a supervisor that died get to report before seconds are closed. */
  readonly holdCountsMs: number;
  readonly log: Log;
  /** UTC milliseconds. */
  readonly wall: () => number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Processes have come or gone. */
  readonly onChange: (pids: readonly number[]) => void;
}

/** Keeps table, listening sockets and counts of a gateway, and its workers at work. Carries no traffic itself. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #workers: Workers;
  readonly #since: number;
  #table: RouteTable;
  #counts: MergedCounts;
  #persisted = true;
  #certificates: readonly CertificateBundle[] = [];
  #challenges: Readonly<Record<string, string>> = {};
  readonly #warnings: string[] = [];
  readonly #portWarnings = new Map<string, string>();
  #certificateHealth: () => readonly CertificateHealth[] = () => [];
  /** Writes one after another: stamps must be compared with what is really in force. */
  #writes: Promise<unknown> = Promise.resolve();
  #reopener: NodeJS.Timeout | null = null;
  #arrived: Promise<void> = Promise.resolve();
  #ended = false;
  #hasLeft = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#table = options.table;
    this.#since = options.wall();
    this.#counts = new MergedCounts(options.holdCountsMs > 0 ? options.now() + options.holdCountsMs : -Infinity);
    this.#workers = new Workers({
      ...options,
      count: options.workers,
      assignment: () => this.assignment,
      sockets: () => options.sockets,
      counts: () => this.#counts,
      onChange: () => options.onChange(this.pids),
    });
  }

  /** What workers must know, as it is now. */
  get assignment(): Assignment {
    return {
      settings: this.#options.settings,
      limits: this.#options.limits,
      table: storedTable(this.#table),
      certificates: this.#certificates,
      challenges: this.#challenges,
    };
  }

  get settings(): GatewaySettings {
    return this.#options.settings;
  }

  get generation(): number {
    return this.#options.generation;
  }

  get pids(): readonly number[] {
    return this.#workers.pids;
  }

  /** Of all workers, retired ones too. */
  get allPids(): readonly number[] {
    return this.#workers.allPids;
  }

  get sockets(): Sockets {
    return this.#options.sockets;
  }

  warn(message: string): void {
    this.#warnings.push(message);
  }

  /** @param health asked whenever somebody wants to know how the certificates are */
  askCertificates(health: () => readonly CertificateHealth[]): void {
    this.#certificateHealth = health;
  }

  get warnings(): readonly string[] {
    const disk = this.#options.tableFile.failure;
    return [
      ...this.#warnings,
      ...this.#portWarnings.values(),
      ...this.#certificateHealth().flatMap(({ warning }) => (warning === null ? [] : [warning])),
      ...(disk === null ? [] : [`The table cannot be written to disk: ${disk}`]),
    ];
  }

  /**
   * Opens internal addresses and starts the workers; resolves when all accept connections. Internal ports that are taken
   * are reported and tried again.
   *
   * @throws Error when a worker does not start
   */
  async start(): Promise<void> {
    await this.#openMissing(false);
    await this.#workers.start();
    this.#reopener = setInterval(() => void this.inTurn(() => this.#openMissing(true)), reopenMs);
  }

  /** A worker has connected. */
  welcome(hello: Extract<FromWorker, { readonly kind: 'hello' }>, stream: Duplex): void {
    if (this.#ended) stream.destroy();
    else this.#workers.welcome(hello, stream);
  }

  /**
   * Puts a route in force, unless its stamp is older; resolves when every worker follows it and it is on disk (or cannot
   * be).
   */
  async write(route: RouteInForce): Promise<WriteResult> {
    const { service } = route.entry;
    const result = await this.inTurn(async (): Promise<WriteResult | RouteInForce> => {
      const change = putRoute(this.#table, route);
      if (change.kind === 'stale') return change;
      if (change.kind === 'unchanged') return this.#table.routes.get(service) ?? route;
      let opened: OfferedSocket | null = null;
      try {
        opened = await this.#openFor(route);
      } catch (error) {
        const message = `Cannot listen on internal port ${route.entry.internalPort} of ${service}: ${messageOf(error)}`;
        return { kind: 'port-unavailable', message };
      }
      this.#table = change.table;
      await this.#workers.follow({ kind: 'table', table: storedTable(change.table) });
      this.#portWarnings.delete(service);
      opened?.socket.handle.close();
      return route;
    });
    if ('kind' in result) return result;
    return { kind: 'in-force', inForce: result, persisted: await this.#save() };
  }

  async remove(stamp: WriteStamp, service: string): Promise<RemoveResult> {
    const stale = await this.inTurn(async () => {
      const change = removeRoute(this.#table, stamp, service);
      if (change.kind === 'stale') return change.inForce;
      if (change.kind === 'unchanged') return null;
      this.#table = change.table;
      await this.#workers.follow({ kind: 'table', table: storedTable(change.table) });
      this.#portWarnings.delete(service);
      const socket = this.#options.sockets.internal(service);
      if (socket !== null) await this.#close(socket);
      return null;
    });
    if (stale !== null) return { kind: 'stale', inForce: stale };
    return { kind: 'removed', persisted: await this.#save() };
  }

  /** What is in force; waits for a write that is under way. */
  observe(): Promise<readonly RouteInForce[]> {
    return this.inTurn(async () => [...this.#table.routes.values()]);
  }

  inTable(service: string, instances: ReadonlySet<string>): boolean {
    const endpoints = this.#table.routes.get(service)?.entry.endpoints;
    return [...(endpoints?.blue ?? []), ...(endpoints?.green ?? [])].some(({ id }) => instances.has(id));
  }

  /** Drains the instances in every worker, retired ones too. @returns what was left in all of them */
  async drain(
    service: string,
    instances: readonly string[],
    drainMs: number,
    signal: AbortSignal,
  ): Promise<DrainProgress> {
    await this.#arrived;
    const answers = await this.#workers.collect({ kind: 'drain', service, instances, drainMs }, null, signal);
    const left = answers.filter((answer): answer is DrainProgress => answer !== null && 'streams' in answer);
    return {
      inFlight: left.reduce((sum, { inFlight }) => sum + inFlight, 0),
      streams: left.reduce((sum, { streams }) => sum + streams, 0),
    };
  }

  traffic(service: string, afterSecond: number): readonly TrafficSecond[] {
    return this.#counts.since(service, afterSecond);
  }

  /** The second that is not over; null for a service that is not known. */
  async current(service: string): Promise<CurrentSecond | null> {
    const answers = await this.#workers.collect({ kind: 'current', service }, currentMs);
    return addCurrent(answers.filter((answer): answer is CurrentSecond => answer !== null && 'soFar' in answer));
  }

  async health(): Promise<GatewayHealth> {
    const { settings, limits, generation, version } = this.#options;
    const workers = await this.#workers.health();
    const loads = workers.flatMap(({ load }) => (load === null ? [] : [load]));
    const queues: Record<string, number> = {};
    for (const load of loads)
      for (const [service, count] of Object.entries(load.queues)) queues[service] = (queues[service] ?? 0) + count;
    return {
      kind: 'health',
      protocol: controlProtocol,
      pid: process.pid,
      version,
      generation,
      since: this.#since,
      listen: settings.http,
      https: settings.https === null ? null : { host: settings.https.host, port: settings.https.port },
      settings,
      limits,
      workers,
      queues,
      queued: loads.reduce((sum, { queued }) => sum + queued, 0),
      certificates: this.#certificateHealth(),
      services: this.#table.routes.size,
      inFlight: loads.reduce((sum, { inFlight }) => sum + inFlight, 0),
      streams: loads.reduce((sum, { streams }) => sum + streams, 0),
      persisted: this.#persisted,
      warnings: this.warnings,
    };
  }

  setCertificates(certificates: readonly CertificateBundle[]): void {
    this.#certificates = certificates;
    void this.#tellAll('certificates', this.#workers.follow({ kind: 'certificates', certificates }, 'own'));
  }

  /** Resolves when every worker answers so. */
  async setChallenges(challenges: Readonly<Record<string, string>>): Promise<void> {
    this.#challenges = challenges;
    await this.#tellAll('challenges', this.#workers.follow({ kind: 'challenges', challenges }));
  }

  async #tellAll(what: string, told: Promise<void>): Promise<void> {
    await told.catch((error: unknown) => this.#options.log('error', `${what}-refused`, { message: messageOf(error) }));
  }

  /** Another supervisor is in charge: what this one says is not true any more. */
  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  /** Runs alone: no write begins before it has ended. @throws Error when another supervisor is in charge by then */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#writes.then(() => {
      if (this.#hasLeft) throw new Error('another supervisor is in charge');
      return work();
    });
    this.#writes = turn.catch(() => {});
    return turn;
  }

  /** What has been counted, for the next supervisor; nothing that workers report is taken from here on. */
  freezeCounts(): MergedState {
    this.#workers.holdReports();
    return this.#counts.state();
  }

  /** The next supervisor has not come to be. */
  thawCounts(): void {
    this.#workers.releaseReports();
  }

  /** Goes on from what another supervisor has counted. */
  giveCounts(state: MergedState): void {
    this.#counts = this.#counts.after(state, this.#options.now());
    // Whoever has not come by then has died meanwhile.
    const { now } = this.#options;
    setTimeout(() => this.#counts.keepOnly(this.#workers.ids, now()), returnMs).unref();
  }

  /**
   * Workers of the supervisor before are on their way. Until they are here (or have turned out to be gone) nothing is
   * written or drained: it would not reach what they carry.
   *
   * @param pids process ids
   */
  expect(pids: readonly number[]): void {
    this.#arrived = this.inTurn(() => this.#workers.arrival(pids));
  }

  /** Another supervisor is in charge, or still is: workers are left to it. */
  leave(): void {
    this.#hasLeft = true;
    this.#end();
    this.#workers.leaveAll();
  }

  /** @param drainMs milliseconds for requests in flight */
  async stop(drainMs: number): Promise<void> {
    // Workers of the one before are to be stopped too; without anybody they would start another supervisor.
    await this.#arrived.catch(() => {});
    this.#end();
    const stopped = this.#workers.stop(drainMs);
    // With the workers' own copies closed, new connections are refused from here on.
    this.#options.sockets.closeAll();
    await stopped;
    await this.#writes;
  }

  #end(): void {
    this.#ended = true;
    if (this.#reopener !== null) clearInterval(this.#reopener);
  }

  async #save(): Promise<boolean> {
    this.#persisted = await this.#options.tableFile.save(this.#table);
    if (!this.#persisted) this.#options.log('error', 'table-not-saved', { message: this.#options.tableFile.failure });
    return this.#persisted;
  }

  /**
   * Lets every worker listen where the route wants it.
   *
   * @returns the socket that is not wanted any more
   */
  async #openFor(route: RouteInForce): Promise<OfferedSocket | null> {
    const { sockets } = this.#options;
    const before = sockets.internal(route.entry.service);
    if (before?.socket.port === route.entry.internalPort && before.socket.host === internalHostOf(route.entry))
      return null;
    const opened = await sockets.openInternal(route);
    sockets.offer(opened);
    try {
      await this.#workers.listen(opened);
    } catch (error) {
      if (before === null) sockets.withdraw(opened.listener.name);
      else {
        sockets.offer(before);
        await this.#workers.listen(before);
      }
      opened.socket.handle.close();
      throw error;
    }
    return before;
  }

  async #close({ listener, socket }: OfferedSocket): Promise<void> {
    this.#options.sockets.withdraw(listener.name);
    await this.#tellAll('unlisten', this.#workers.follow({ kind: 'unlisten', name: listener.name }, 'own'));
    socket.handle.close();
  }

  /** Internal addresses of the table that are not open: after a start, when something else had them. */
  async #openMissing(running: boolean): Promise<void> {
    const { sockets, log } = this.#options;
    for (const route of this.#table.routes.values()) {
      const { service, internalPort } = route.entry;
      if (this.#ended || sockets.has(service)) continue;
      try {
        if (running) await this.#openFor(route);
        else sockets.offer(await sockets.openInternal(route));
        this.#portWarnings.delete(service);
      } catch (error) {
        const message = `Internal port ${internalPort} of ${service} cannot be opened: ${messageOf(error)}`;
        if (this.#portWarnings.get(service) !== message) log('error', 'internal-port', { message });
        this.#portWarnings.set(service, message);
      }
    }
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
