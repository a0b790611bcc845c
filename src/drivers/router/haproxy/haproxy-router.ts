import { orderOf } from '../../../core/fencing.ts';
import type { GatewaySettings } from '../../../core/gateway-settings.ts';
import type { CurrentSecond, TrafficSecond } from '../../../core/traffic.ts';
import { HaproxyRefusedError, HaproxyStartError, StaleRouterWriteError } from '../../../errors.ts';
import { freePort } from '../../../system/free-port.ts';
import type { DrainProgress, RouteInForce, RouteTableEntry, Router, WriteStamp } from '../router.ts';
import {
  configurationFor,
  ensureKey,
  readOrNull,
  writeCertificates,
  writeCompanions,
  writeConfiguration,
  type Configuration,
} from './configuration.ts';
import { drainServers, streamsOf } from './drain.ts';
import { underLock } from './file-lock.ts';
import { makeFolders, stateFiles, type StateFiles } from './haproxy-files.ts';
import {
  checkInstalled,
  findHaproxy,
  infoOf,
  reloadHaproxy,
  startHaproxy,
  workersOf,
  type RunningHaproxy,
} from './haproxy-process.ts';
import { releaseSockets } from './held-sockets.ts';
import { LeavingStreams, type StreamsGateway } from './leaving-streams.ts';
import { RequestLog } from './request-log.ts';
import { MirroredSeconds } from './mirrored-seconds.ts';
import { checkPorts, prepare } from './new-structure.ts';
import { applyRoute, compareRoutes, deleteIdleServers, sayReading } from './runtime.ts';
import { loadTable, saveTable, type Table } from './table-store.ts';

export { stopHaproxy } from './haproxy-process.ts';

/** Milliseconds between two looks at HAProxy. */
const watchMs = 250;
/** Looks between two comparisons of what HAProxy does with what it should. */
const looksPerComparison = 4;
/** Letters of a service, so that its sockets have names that fit. */
const longestService = 36;

/** What was found and put right without being asked. */
export interface HaproxyEvent {
  readonly kind: 'restarted' | 'repaired' | 'warning' | 'failed';
  readonly message: string;
}

export interface HaproxyPlace {
  /** Absolute path of the state folder. */
  readonly stateDir: string;
  /** Port 0 takes a free one, and keeps the one that a running HAProxy has. */
  readonly settings: GatewaySettings;
  /**
   * Carries WebSockets, event streams and uploads of unknown length on loopback: the built-in gateway, with a state folder
   * and an internal port for each service of its own. The caller opens and closes it.
   */
  readonly streams: StreamsGateway;
  readonly onEvent?: (event: HaproxyEvent) => void;
  /** The program; default `haproxy`. */
  readonly program?: string;
}

export interface HaproxyRouter extends Router {
  /** Address that users reach. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Process id of HAProxy's master. */
  readonly pid: number;
  /** Process id of the process that takes new connections; null while there is none. */
  worker(signal: AbortSignal): Promise<number | null>;
  current(service: string, signal: AbortSignal): Promise<CurrentSecond | null>;
  /** What a person must know: a table set aside, room that cannot be given back. */
  warnings(signal: AbortSignal): Promise<readonly string[]>;
}

/**
 * HAProxy as router: connects to the one of a state folder and starts it first if none is running. While the router is
 * open, an HAProxy that dies is started again at once with the last table, and what is changed behind its back (its
 * configuration, its servers, its arms) is put right. One that was told to stop (`stopHaproxy`) stays down. `close`
 * leaves it running.
 *
 * @throws HaproxyMissingError, HaproxyRefusedError, HaproxyStartError
 */
export async function createHaproxyRouter(
  place: HaproxyPlace,
  signal: AbortSignal = AbortSignal.timeout(30_000),
): Promise<HaproxyRouter> {
  const program = place.program ?? 'haproxy';
  await checkInstalled(program, signal);
  if (place.settings.accessLog !== null) {
    throw new HaproxyRefusedError(
      'unsupported',
      'The router haproxy writes no access log: leave `accessLog` out, or use the router gateway.',
    );
  }
  const files = stateFiles(place.stateDir);
  await makeFolders(files);
  const connection = await underLock(files.lock, signal, () => HaproxyConnection.open(place, program, files, signal));
  connection.watch();
  return connection;
}

class HaproxyConnection implements HaproxyRouter {
  readonly #place: HaproxyPlace;
  readonly #program: string;
  readonly #files: StateFiles;
  readonly #settings: GatewaySettings;
  readonly #warnings: string[] = [];
  readonly #closed = new AbortController();
  #running: RunningHaproxy;
  #log: RequestLog;
  #stopped = false;
  #timer: NodeJS.Timeout | null = null;
  #look: Promise<void> = Promise.resolve();
  #looks = 0;
  readonly #leaving = new LeavingStreams();
  /** By service that is mirrored, or was. */
  readonly #mirrored = new Map<string, MirroredSeconds>();
  #telling: Promise<void> | null = null;
  #said = '';

  private constructor(
    place: HaproxyPlace,
    program: string,
    files: StateFiles,
    running: RunningHaproxy,
    log: RequestLog,
  ) {
    this.#place = place;
    this.#program = program;
    this.#files = files;
    this.#running = running;
    this.#settings = withPort(place.settings, running.listen.port);
    this.#log = log;
  }

  static async open(
    place: HaproxyPlace,
    program: string,
    files: StateFiles,
    signal: AbortSignal,
  ): Promise<HaproxyConnection> {
    await ensureKey(files.key);
    const { table, warning } = await loadTable(files.table);
    const found = await findHaproxy(files);
    const { host, port: wanted } = place.settings.http;
    const port = wanted === 0 ? (found.running?.listen.port ?? (await freePort(host, 0))) : wanted;
    const settings = withPort(place.settings, port);
    const configuration = configurationFor(files, settings, table, await writeCertificates(files, settings));
    await prepare(program, files, configuration, table, signal);
    await writeConfiguration(files, configuration, table);
    const exit = { seen: (): void => {} };
    const running = found.running ?? (await startHaproxy(program, files, settings, () => exit.seen(), signal));
    const info = await infoOf(files, signal);
    if (info?.structure !== configuration.structure) await reloadHaproxy(files, signal);
    const now = Date.now();
    const log = await RequestLog.open(files, nameOf(running), now);
    for (const service of table.routes.keys()) log.observe(service, now);
    const connection = new HaproxyConnection(place, program, files, running, log);
    exit.seen = () => connection.#lookNow();
    for (const route of table.routes.values()) connection.#follow(route);
    for (const route of table.routes.values()) await applyRoute(files, route, signal);
    if (warning !== null) {
      connection.#warnings.push(warning);
      connection.#say('warning', warning);
    }
    return connection;
  }

  get listen(): { readonly host: string; readonly port: number } {
    return this.#settings.http;
  }

  get pid(): number {
    return this.#running.pid;
  }

  async worker(signal: AbortSignal): Promise<number | null> {
    return (await workersOf(this.#files, signal)).current;
  }

  async write(stamp: WriteStamp, entry: RouteTableEntry, signal: AbortSignal): Promise<RouteInForce> {
    const { service } = entry;
    if (!/^[A-Za-z0-9_-]+$/.test(service) || service.length > longestService) {
      throw new HaproxyRefusedError(
        'unsupported',
        `The router haproxy takes services of at most ${longestService} letters, digits, - and _, not "${service}".`,
      );
    }
    return this.#inTurn(signal, async () => {
      const { table } = await loadTable(this.#files.table);
      const order = orderOf(table, service, stamp, 'put');
      if (order.kind === 'stale') throw new StaleRouterWriteError(service, order.inForce);
      const present = table.routes.get(service);
      const again = order.kind === 'same' && present !== undefined;
      const route: RouteInForce = again ? present : { stamp, entry };
      const next: Table = again
        ? table
        : {
            routes: new Map(table.routes).set(service, route),
            removed: new Map([...table.removed].filter(([name]) => name !== service)),
            relayPorts: {
              ...table.relayPorts,
              [service]: table.relayPorts[service] ?? (await freePort('127.0.0.1', 0)),
            },
          };
      await this.#put(table, next, route, signal);
      this.#log.observe(service, Date.now());
      this.#follow(route);
      return route;
    });
  }

  /** Copies are counted by the gateway that carries streams. */
  #follow({ entry }: RouteInForce): void {
    const mirrored = entry.mirror !== undefined;
    let seconds = this.#mirrored.get(entry.service);
    if (seconds === undefined) {
      if (!mirrored) return;
      seconds = new MirroredSeconds();
      this.#mirrored.set(entry.service, seconds);
    }
    seconds.apply(mirrored, Math.floor(Date.now() / 1000));
  }

  async remove(stamp: WriteStamp, service: string, signal: AbortSignal): Promise<void> {
    await this.#inTurn(signal, async () => {
      const { table } = await loadTable(this.#files.table);
      const order = orderOf(table, service, stamp, 'remove');
      if (order.kind === 'stale') throw new StaleRouterWriteError(service, order.inForce);
      if (order.kind === 'newer') {
        const routes = new Map(table.routes);
        routes.delete(service);
        const relayPorts = Object.fromEntries(Object.entries(table.relayPorts).filter(([name]) => name !== service));
        const next: Table = { routes, removed: new Map(table.removed).set(service, stamp), relayPorts };
        await this.#put(table, next, null, signal);
      }
      await this.#place.streams.remove(stamp, service, signal);
      this.#mirrored.delete(service);
    });
  }

  /** Puts a table in force, and on disk before that; on failure the one before is on disk again. */
  async #put(before: Table, next: Table, changed: RouteInForce | null, signal: AbortSignal): Promise<void> {
    const configuration = await this.#configuration(next);
    const info = await infoOf(this.#files, signal);
    const structural = info?.structure !== configuration.structure;
    if (structural) {
      await prepare(this.#program, this.#files, configuration, next, signal);
      await checkPorts(before, next);
    }
    if (changed !== null) await this.#writeStreams(changed, next, signal);
    await this.#store(next, configuration);
    try {
      if (structural) await reloadHaproxy(this.#files, signal);
      else if (changed !== null) {
        const { arms } = await applyRoute(this.#files, changed, signal);
        if (arms.kind === 'stale') throw new StaleRouterWriteError(changed.entry.service, arms.inForce);
      }
    } catch (error) {
      await this.#store(before, await this.#configuration(before));
      throw error;
    }
  }

  /** The gateway that carries streams gets the same route, without users and with a port of its own. */
  async #writeStreams({ stamp, entry }: RouteInForce, { relayPorts }: Table, signal: AbortSignal): Promise<void> {
    const internalPort = relayPorts[entry.service];
    if (internalPort === undefined) return;
    // HAProxy has chosen what is copied: that, and nothing else, comes here.
    const { mirror } = entry;
    const copied = mirror === undefined ? {} : { mirror: { ...mirror, share: mirror.share > 0 ? 100 : 0 } };
    const { internalHost: _notForHaproxy, ...rest } = entry;
    await this.#place.streams.write(stamp, { ...rest, ...copied, public: null, internalPort, relayed: true }, signal);
  }

  async #store(table: Table, configuration: Configuration): Promise<void> {
    await saveTable(this.#files.table, table);
    await writeCompanions(this.#files, table);
    await writeConfiguration(this.#files, configuration, table);
  }

  async #configuration(table: Table): Promise<Configuration> {
    return configurationFor(this.#files, this.#settings, table, await writeCertificates(this.#files, this.#settings));
  }

  async observe(signal: AbortSignal): Promise<readonly RouteInForce[]> {
    signal.throwIfAborted();
    const { table } = await loadTable(this.#files.table);
    return [...table.routes.values()];
  }

  async drain(
    service: string,
    instances: readonly string[],
    drainMs: number,
    signal: AbortSignal,
  ): Promise<DrainProgress> {
    const { table } = await loadTable(this.#files.table);
    const endpoints = table.routes.get(service)?.entry.endpoints;
    const inTable = new Set([...(endpoints?.blue ?? []), ...(endpoints?.green ?? [])].map(({ id }) => id));
    if (instances.some((id) => inTable.has(id))) {
      throw new HaproxyRefusedError(
        'still-in-table',
        `Instances of ${service} are drained only after they left the table.`,
      );
    }
    const [requests, streams] = await Promise.all([
      drainServers(this.#files, service, instances, drainMs, signal),
      this.#place.streams.drain(service, instances, drainMs, signal),
    ]);
    return { inFlight: requests + streams.inFlight, streams: streams.streams };
  }

  async traffic(service: string, afterSecond: number, signal: AbortSignal): Promise<readonly TrafficSecond[]> {
    signal.throwIfAborted();
    await this.#log.catchUp(Date.now());
    const mirrored = this.#mirrored.get(service);
    if (mirrored === undefined) return this.#log.traffic(service, afterSecond);
    // All of them: which may be given does not depend on who asks.
    const closed = this.#log.traffic(service, Number.NEGATIVE_INFINITY);
    const joined = await mirrored.join(closed, Math.floor(Date.now() / 1000), (after) =>
      this.#place.streams.traffic(service, after, signal),
    );
    return joined.filter(({ second }) => second > afterSecond);
  }

  async current(service: string, signal: AbortSignal): Promise<CurrentSecond | null> {
    signal.throwIfAborted();
    await this.#log.catchUp(Date.now());
    const current = this.#log.current(service, Date.now());
    if (current === null || !this.#mirrored.has(service)) return current;
    const copies = (await this.#place.streams.current?.(service, signal).catch(() => null))?.soFar;
    if (copies?.mirror === undefined || copies.second !== current.soFar.second) return current;
    return { ...current, soFar: { ...current.soFar, mirror: copies.mirror } };
  }

  async warnings(signal: AbortSignal): Promise<readonly string[]> {
    signal.throwIfAborted();
    return [...this.#warnings, ...(this.#log.failure === null ? [] : [this.#log.failure])];
  }

  /** Work under the lock, on an HAProxy that runs. */
  #inTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return underLock(this.#files.lock, signal, async () => {
      await this.#ensureRunning(signal);
      return work();
    });
  }

  /** Under the lock: starts HAProxy when it has died. */
  async #ensureRunning(signal: AbortSignal): Promise<void> {
    const { running, told } = await findHaproxy(this.#files);
    if (running !== null) {
      if (nameOf(running) !== nameOf(this.#running)) this.#log.restarted(nameOf(running), Date.now());
      this.#running = running;
      return;
    }
    if (!told) {
      this.#stopped = true;
      releaseSockets(this.#files.folder);
      throw new HaproxyStartError('it was told to stop', this.#files.log);
    }
    const { table } = await loadTable(this.#files.table);
    const configuration = await this.#configuration(table);
    await writeCompanions(this.#files, table);
    await writeConfiguration(this.#files, configuration, table);
    const exited = (): void => this.#lookNow();
    this.#running = await startHaproxy(this.#program, this.#files, this.#settings, exited, signal);
    this.#log.restarted(nameOf(this.#running), Date.now());
    this.#say('restarted', 'HAProxy had died and was started again with the last table.');
  }

  watch(): void {
    this.#timer = setTimeout(() => {
      this.#look = this.#lookAndSay();
    }, watchMs);
    this.#timer.unref();
  }

  /** HAProxy has ended: its clients are waiting. */
  #lookNow(): void {
    if (this.#timer === null || this.#closed.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#look = this.#look.then(() => {
      if (this.#timer !== null) clearTimeout(this.#timer);
      return this.#closed.signal.aborted || this.#stopped ? undefined : this.#lookAndSay();
    });
  }

  async #lookAndSay(): Promise<void> {
    try {
      await this.#lookOnce();
    } catch (error) {
      if (this.#closed.signal.aborted) return;
      this.#say('failed', error instanceof Error ? error.message : String(error));
    }
    if (!this.#closed.signal.aborted && !this.#stopped) this.watch();
  }

  async #lookOnce(): Promise<void> {
    const { signal } = this.#closed;
    await this.#log.catchUp(Date.now());
    const { running } = await findHaproxy(this.#files);
    this.#looks += 1;
    if (running !== null && this.#looks % looksPerComparison !== 0) return;
    // While it does not answer nothing is written, either.
    if (running !== null) await sayReading(this.#files, signal).catch(() => {});
    await this.#inTurn(signal, () => this.#compare(signal)).catch((error: unknown) => {
      // Told to stop: that is no news.
      if (!this.#stopped) throw error;
    });
    // Beside the looks, since it takes a second or two.
    this.#telling ??= this.#tellStreams().finally(() => {
      this.#telling = null;
    });
  }

  /** Streams through processes that were replaced come back before HAProxy cuts them. */
  async #tellStreams(): Promise<void> {
    const { signal } = this.#closed;
    try {
      const { leaving } = await workersOf(this.#files, signal);
      const count = (pid: number): Promise<number> => streamsOf(this.#files, pid, signal);
      await this.#leaving.look(leaving, Date.now(), count, this.#place.streams, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#say('failed', error instanceof Error ? error.message : String(error));
    }
  }

  /** Under the lock: finds what was changed behind our back, and puts it right. */
  async #compare(signal: AbortSignal): Promise<void> {
    const { table } = await loadTable(this.#files.table);
    const routes = [...table.routes.values()];
    const configuration = await this.#configuration(table);
    const edited = (await readOrNull(this.#files.config)) !== configuration.text;
    const info = await infoOf(this.#files, signal);
    const other = info?.structure !== configuration.structure;
    if (edited || other) {
      await writeCompanions(this.#files, table);
      await writeConfiguration(this.#files, configuration, table);
      await reloadHaproxy(this.#files, signal);
      this.#say(
        'repaired',
        edited
          ? `${this.#files.config} was changed by somebody else; it was written and loaded again.`
          : 'HAProxy ran an older configuration, or with older certificates; it has loaded those in force.',
      );
    }
    const differences = await compareRoutes(this.#files, routes, signal);
    for (const route of differences.length === 0 ? [] : routes) {
      const { arms } = await applyRoute(this.#files, route, signal);
      if (arms.kind === 'ok') continue;
      // Only a process of its own can make HAProxy forget a stamp that nobody was given.
      await reloadHaproxy(this.#files, signal);
      break;
    }
    if (differences.length > 0) {
      this.#say('repaired', `HAProxy was changed by somebody else and put right: ${differences.join('; ')}.`);
    }
    await deleteIdleServers(this.#files, routes, signal);
  }

  /** The same failure is said once, until something else is. */
  #say(kind: HaproxyEvent['kind'], message: string): void {
    if (kind === 'failed' && this.#said === message) return;
    this.#said = message;
    this.#place.onEvent?.({ kind, message });
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort(new Error('the router is closed'));
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#look;
    await this.#telling;
    // Nobody would start HAProxy again: better refused than waiting.
    releaseSockets(this.#files.folder);
    await this.#log.close(Date.now());
  }
}

const nameOf = ({ pid, started }: RunningHaproxy): string => `${pid}.${started}`;

const withPort = (settings: GatewaySettings, port: number): GatewaySettings => ({
  ...settings,
  http: { host: settings.http.host, port },
});
