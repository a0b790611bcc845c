import { stat } from 'node:fs/promises';
import { ArtifactStore } from '../build/artifact-store.ts';
import { Claims } from '../build/claims.ts';
import { collect } from '../build/collect.ts';
import { openReleaseCatalog } from '../build/sqlite-release-catalog.ts';
import type { ReleaseId } from '../core/release/release.ts';
import type { Ledger } from '../core/rollout/ledger.ts';
import type { Platform } from '../core/spec/platform.ts';
import type { RouterEvent } from '../drivers/router/router.ts';
import { systemClock } from '../engine/clock.ts';
import { recover } from '../engine/recover.ts';
import { startEngine } from '../engine/start.ts';
import { StoreUnavailableError } from '../errors.ts';
import { loadConfig } from '../spec/load-config.ts';
import type { Journal } from '../store/journal.ts';
import { openSqliteEvidence } from '../store/sqlite-evidence-store.ts';
import { openSqliteJournal } from '../store/sqlite-journal.ts';
import { acquireStateLock } from '../store/state-lock.ts';
import type { ControlPlane } from './control-plane.ts';
import { openEnvironment, type OpenEnvironment } from './local/environments.ts';
import { ALARM, ROUTER_EVENT, type JournaledRouterEvent } from './local/event-view.ts';
import { isUnavailable } from './local/is-unavailable.ts';
import { imagesOf } from './local/image-shelf.ts';
import { defaultEnvironment } from '../spec/find-declared.ts';
import { LocalControlPlane } from './local/local-control-plane.ts';
import { MAINTENANCE, MaintenanceBook, type MaintenanceDecision } from './local/maintenance-book.ts';
import { MIGRATIONS, MigrationBook, type MigrationEntry } from './local/migration-book.ts';
import { MigrationDesk } from './local/migration-desk.ts';
import { MigrationProgressBook } from './local/migration-progress.ts';
import { Notice } from './local/notice.ts';
import { PORT_ASSIGNED, PortBook, type PortAssignment } from './local/port-book.ts';
import { ReleaseShelf } from './local/release-shelf.ts';

export interface ComposeOptions {
  /** Folder of `veza.config.ts`, absolute. */
  readonly projectDir: string;
  /** Folder of journal, releases, instances and sockets, absolute. */
  readonly stateDir: string;
  /** One line for the log and for the person who waits for `veza up`. */
  readonly log: (line: string) => void;
  /** For tests that watch or disturb what is journaled. */
  readonly wrapJournal?: (journal: Journal) => Journal;
}

export interface ComposedControlPlane {
  readonly controlPlane: ControlPlane;
  /** Ends timers, watchers and leases; instances and gateways go on. */
  close(): Promise<void>;
}

/** Releases of each service that are kept whatever is deployed. */
const KEEP_NEWEST = 5;
const never = new AbortController().signal;

/**
 * Puts the engine, the store and the drivers together for one project, and goes on where the journal ends.
 *
 * @throws StateDirectoryHeldError when another control plane works on the state folder; the errors of `loadConfig`,
 *   of the journal, and of drivers of environments in which something is deployed
 */
export async function composeControlPlane(options: ComposeOptions): Promise<ComposedControlPlane> {
  const { projectDir, stateDir, log } = options;
  const startedAt = Date.now();
  let { file: configFile, platform } = await loadConfig({ from: projectDir, signal: never });
  let readAt = await changedAt(configFile);
  // Opened under the lock; its epochs count too, should the lock's own file have been lost.
  let written: Journal | null = null;
  const lock = acquireStateLock(stateDir, {
    startedAt,
    atLeast: () => {
      written = openSqliteJournal(stateDir);
      return written.head().epoch;
    },
  });
  const journal = (options.wrapJournal ?? ((same: Journal) => same))(written ?? openSqliteJournal(stateDir));
  const store = await ArtifactStore.open(`${stateDir}/store`);
  const catalog = openReleaseCatalog(stateDir);
  const claims = new Claims();
  const shelf = await ReleaseShelf.load(catalog, store);
  const images = imagesOf(
    stateDir,
    process.env['VEZA_OSV_API'],
    (artifact) => shelf.withArtifact(artifact),
    () => platform.images,
  );
  const changes = new Notice();
  const startTimes = new Map<string, number>();
  const ports = new PortBook((assignment) => running.engine.record(PORT_ASSIGNED, assignment, 'durable'));
  const maintenance = new MaintenanceBook((decision) => running.engine.record(MAINTENANCE, decision, 'durable'));
  const book = new MigrationBook((entry) => running.engine.record(MIGRATIONS, entry, 'durable'));
  const ledger = recover(journal, (entry) => {
    if (entry.kind === PORT_ASSIGNED) ports.restore(entry.body as unknown as PortAssignment);
    else if (entry.kind === MAINTENANCE) maintenance.restore(entry.body as unknown as MaintenanceDecision);
    else if (entry.kind === MIGRATIONS) book.restore(entry.body as unknown as MigrationEntry);
    else if (entry.kind === 'requested') startTimes.set(entry.stream, entry.time);
  });

  const closing = new AbortController();
  const setAside: string[] = [];
  const evidence = openSqliteEvidence(stateDir, (note) => {
    log(note);
    setAside.push(note);
  });
  const running = startEngine({
    journal,
    evidence,
    ledger,
    clock: systemClock,
    epoch: lock.epoch,
    releases: shelf,
    maintenance: (environment, service) => maintenance.find(environment, service)?.on ?? null,
    isUnavailable,
    onChange: (state) => {
      if (!startTimes.has(state.plan.id)) startTimes.set(state.plan.id, Date.now());
      changes.give();
    },
    onAlarm: (deployment, severity, message) => {
      log(`ALARM ${severity} ${deployment ?? ''} ${message}`);
      journalIfPossible(ALARM, { deployment, severity, message });
    },
    onWarning: (message) => log(`warning: ${message}`),
  });
  function journalIfPossible(kind: string, body: Readonly<Record<string, string | null>>): void {
    try {
      running.engine.record(kind, body, 'relaxed');
    } catch (error) {
      // It may be about the journal itself; then the log has it.
      if (!(error instanceof StoreUnavailableError)) throw error;
    }
  }
  const onRouterEvent = (environment: string, { kind, message }: RouterEvent): void => {
    log(`${environment}: router ${kind}: ${message}`);
    // Its table may be damaged, or older than what was in force: whatever befell its disk as well is put right at once.
    if (kind === 'restarted') running.routerRestarted(environment);
    journalIfPossible(ROUTER_EVENT, { environment, kind, message } satisfies JournaledRouterEvent);
  };

  const opened = new Map<string, OpenEnvironment>();
  const progress = new MigrationProgressBook(log, () => systemClock.now());
  const migrations = new MigrationDesk({
    ledger,
    releases: shelf,
    book,
    platform: () => platform,
    opened: () => opened,
  });
  const opening = new Map<string, Promise<OpenEnvironment>>();
  const open = async (name: string, signal: AbortSignal): Promise<OpenEnvironment> => {
    const under = opened.get(name) ?? opening.get(name);
    if (under !== undefined) return under;
    const mine = (async () => {
      const environment = await openEnvironment(
        {
          name,
          platform: () => platform,
          stateDir,
          ports,
          images,
          log,
          onRouterEvent: (event) => onRouterEvent(name, event),
          migrations,
          progress,
          metricsPath: (release) =>
            shelf.has(release) ? (shelf.get(release as ReleaseId).config[name]?.metrics?.path ?? null) : null,
        },
        signal,
      );
      opened.set(name, environment);
      await running.open(environment.parts, signal);
      // Behind the opening: a database that is away is no reason to be away as well.
      void migrations.learn(environment.parts.declared, closing.signal).catch((error: unknown) => {
        if (!closing.signal.aborted)
          log(`${name}: migrations: ${error instanceof Error ? error.message : String(error)}`);
      });
      return environment;
    })();
    opening.set(name, mine);
    try {
      return await mine;
    } finally {
      opening.delete(name);
    }
  };
  const leave = (name: string): OpenEnvironment | undefined => {
    running.leave(name);
    const environment = opened.get(name);
    opened.delete(name);
    return environment;
  };

  const inUse = (): readonly string[] =>
    [...new Set([defaultEnvironment(platform), ...environmentsInUse(ledger)])].filter(
      (name) => platform.environments[name] !== undefined,
    );
  for (const name of environmentsInUse(ledger)) {
    if (platform.environments[name] === undefined)
      log(`${name} is not declared any more; what runs there is left alone`);
  }
  for (const name of inUse()) await open(name, never);
  running.resume();

  const reload = async (signal: AbortSignal): Promise<Platform> => {
    const changed = await changedAt(configFile);
    ({ file: configFile, platform } = await loadConfig({ from: projectDir, signal }));
    readAt = changed;
    for (const { parts } of opened.values()) {
      for (const service of Object.keys(parts.declared.services)) await parts.ensureAddress(service);
    }
    return platform;
  };

  const controlPlane = new LocalControlPlane({
    projectDir,
    stateDir,
    startedAt,
    journal,
    store,
    catalog,
    claims,
    shelf,
    images,
    running,
    setAside,
    maintenance,
    migrations,
    progress,
    changes,
    platform: () => platform,
    refresh: async () => {
      const changed = await changedAt(configFile);
      if (changed === readAt) return;
      readAt = changed;
      try {
        await reload(never);
      } catch (error) {
        // Whoever builds is told; what is in force stays.
        log(`the changed declaration is not taken over: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
    reload,
    open,
    inUse,
    opened: () => opened,
    stop: async (name, signal) => {
      const environment = await open(name, signal);
      const statuses = await environment.parts.runtime.observe(signal);
      leave(name);
      const counts = new Map<string, number>();
      await Promise.all(
        statuses.map(async ({ ref, instances }) => {
          await environment.parts.runtime.remove(ref, signal);
          counts.set(ref.service, (counts.get(ref.service) ?? 0) + instances.length);
        }),
      );
      await environment.stop(signal);
      return counts;
    },
    startedAtOf: (id) => startTimes.get(id) ?? 0,
    collect: async (signal) => {
      const readInUse = async (): Promise<ReadonlySet<ReleaseId>> => releasesInUse(ledger);
      const { releases } = await collect({ catalog, store, claims, keepNewest: KEEP_NEWEST, readInUse, signal });
      for (const id of releases) shelf.remove(id);
    },
  });
  return {
    controlPlane,
    async close() {
      closing.abort(new Error('the control plane ends'));
      running.close();
      for (const name of opened.keys()) await leave(name)?.close();
      await catalog.close();
      evidence.close();
      journal.close();
      lock.release();
    },
  };
}

/** UTC milliseconds of a file's last change; null when it is not there. */
async function changedAt(file: string): Promise<number | null> {
  return (await stat(file).catch(() => null))?.mtimeMs ?? null;
}

function environmentsInUse(ledger: Ledger): ReadonlySet<string> {
  const names = new Set<string>(ledger.active().map((state) => state.plan.environment));
  for (const { environment, record } of ledger.records()) if (record.live !== null) names.add(environment);
  return names;
}

/** What must not be collected: live, warm, what a rollback would go to next, and what an active deployment names. */
function releasesInUse(ledger: Ledger): ReadonlySet<ReleaseId> {
  const ids = new Set<string>();
  for (const { record } of ledger.records()) {
    for (const id of record.history.slice(0, 2)) ids.add(id);
    if (record.warm !== null) ids.add(record.warm.release);
  }
  for (const state of ledger.active()) {
    for (const leg of state.plan.legs) {
      ids.add(leg.candidate.release);
      if (leg.stable !== null) ids.add(leg.stable.release);
    }
  }
  return ids as ReadonlySet<string> as ReadonlySet<ReleaseId>;
}
