import { join } from 'node:path';
import type { MigrationsView } from '../../api/migration-schemas.ts';
import {
  decideContract,
  decideUndo,
  missingContracts,
  usesMigration,
  type Holding,
} from '../../core/migrations/decide.ts';
import { holders, type Holder } from '../../core/migrations/holders.ts';
import { migrationFile, sameMigration, type MigrationId } from '../../core/migrations/kinds.ts';
import { deferredInWords, keptInWords } from '../../core/migrations/words.ts';
import type { Release, ReleaseId } from '../../core/release/release.ts';
import type { Ledger } from '../../core/rollout/ledger.ts';
import type { DeploymentKind } from '../../core/rollout/plan.ts';
import type { Environment, MigrationsGate, Platform, Service } from '../../core/spec/platform.ts';
import { listMigrations } from '../../drivers/resource/migration-folder.ts';
import type { MigrationProgress, MigrationRunner, MigrationState } from '../../drivers/resource/migrations.ts';
import type { ResourceDriver } from '../../drivers/resource/resource.ts';
import {
  ContractRefusedError,
  MigrationUndoneError,
  NoMigrationsError,
  NotDeployedError,
  OldFormGoneError,
  UndoRefusedError,
} from '../../errors.ts';
import type { MigrationBook, MigrationEntry, MigrationPlace } from './migration-book.ts';
import { migrationProgressInWords, migrationsView } from './migrations-view.ts';

/** The releases that are known, with their artifacts. */
export interface DeskReleases {
  has(id: string): boolean;
  /** @throws ReleaseNotFoundError */
  get(id: ReleaseId): Release;
  unpack(release: Release, signal: AbortSignal): Promise<string>;
}

export interface DeskParts {
  readonly ledger: Ledger;
  readonly releases: DeskReleases;
  readonly book: MigrationBook;
  readonly platform: () => Platform;
  /** Open environments, with the drivers of their resources. */
  readonly opened: () => ReadonlyMap<
    string,
    { readonly resources: ReadonlyMap<string, Pick<ResourceDriver, 'migrations'>> }
  >;
}

/** A service's migrations in an environment, and everybody who is on the same schema of the same database. */
interface Scene {
  readonly service: string;
  readonly release: Release;
  readonly directory: string;
  readonly place: MigrationPlace;
  /** `place`, and what else leads to the same schema. */
  readonly places: readonly MigrationPlace[];
  readonly runner: MigrationRunner;
  readonly state: MigrationState;
  /** Migrations of the live release. */
  readonly folder: readonly MigrationId[];
}

type OnProgress = (progress: { readonly text: string }) => void;

const NONE = { add: [], remove: [] } as const;

/** What people and deployments ask about the migrations of services: how they stand, contracts, and taking back. */
export class MigrationDesk {
  readonly #parts: DeskParts;
  /** Files of releases, by environment and release: they never change. */
  readonly #files = new Map<string, readonly MigrationId[] | null>();

  constructor(parts: DeskParts) {
    this.#parts = parts;
  }

  /**
   * Could the release run on the database as it is? Answered from the journal.
   *
   * @throws OldFormGoneError, MigrationUndoneError
   */
  async check(environment: string, service: Service, release: Release, kind: DeploymentKind, signal: AbortSignal) {
    const { migrations } = service.gates;
    const resources = migrations === null ? service.resources : [migrations.resource];
    for (const resource of resources) {
      const places = this.#placesOf(environment, service.name, resource, migrations);
      for (const place of places) {
        const { contracts, undone } = this.#parts.book.standing(place);
        if (contracts.length === 0 && undone.length === 0) continue;
        const files = await this.#readFiles(environment, release.id, signal);
        const missing = missingContracts({ files }, contracts);
        if (missing.length > 0)
          throw new OldFormGoneError(service.name, environment, release.id, missing.map(migrationFile));
        const lost = kind === 'rollback' ? undone.filter((one) => usesMigration({ files }, one)) : [];
        if (lost.length > 0)
          throw new MigrationUndoneError(service.name, environment, release.id, lost.map(migrationFile));
      }
    }
  }

  /** A deployment has applied migrations; those that had been taken back are there again. */
  applied(environment: string, service: Service, migrations: readonly MigrationId[]): void {
    const gate = service.gates.migrations;
    if (gate === null) return;
    const place = placeOf(environment, gate);
    const again = this.#parts.book
      .standing(place)
      .undone.filter((one) => migrations.some((other) => sameMigration(one, other)));
    if (again.length === 0) return;
    this.#parts.book.decide({
      what: 'applied',
      environment,
      service: service.name,
      by: 'a deployment',
      places: [place],
      files: again.map(migrationFile),
      contracts: NONE,
      undone: { add: [], remove: again },
    });
  }

  /** How the migrations of services stand: of one, or of all that have some. */
  async views(
    environment: Environment,
    service: string | null,
    signal: AbortSignal,
  ): Promise<readonly MigrationsView[]> {
    const { ledger } = this.#parts;
    const names = service === null ? Object.keys(environment.services) : [service];
    const views: MigrationsView[] = [];
    for (const name of names) {
      if (service === null && (this.#gate(environment.name, name) ?? null) === null) continue;
      if (service === null && ledger.record(environment.name, name).live === null) continue;
      const scene = await this.#look(environment, name, 'system', signal);
      views.push(await this.#view(scene, signal));
    }
    return views;
  }

  /**
   * Runs the contract migrations of the live release that nobody needs the old form of; those that somebody does stay deferred.
   *
   * @throws ContractRefusedError when none can be run and one is deferred
   */
  async contract(
    environment: Environment,
    service: string,
    giveUpRollback: boolean,
    by: string,
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<MigrationsView> {
    const scene = await this.#look(environment, service, by, signal);
    const { folder, state, place } = scene;
    // From here to the journal's entry nothing is awaited: who asks for a deployment meanwhile is seen, or sees the entry.
    const holdings = await this.#holdings(scene, signal);
    const { run, deferred } = decideContract({ folder, applied: state.applied, holdings: holdings(), giveUpRollback });
    if (run.length === 0) {
      if (deferred.length === 0) return this.#view(scene, signal);
      const onlyRollback = deferred.every(
        ({ neededBy, after }) => after.length === 0 && neededBy.every(({ role }) => role === 'rollback'),
      );
      throw new ContractRefusedError(
        service,
        environment.name,
        deferred.map(deferredInWords),
        onlyRollback
          ? `Deploy another release first, or give that rollback up: \`veza migrations contract ${service} -e ${environment.name} --give-up-rollback\`.`
          : `\`veza migrations ${service} -e ${environment.name}\` shows what it waits for; run it again when that is over.`,
      );
    }
    const { book } = this.#parts;
    const entry = { environment: place.environment, service, by, places: scene.places, files: run.map(migrationFile) };
    book.decide({ ...entry, what: 'contract', contracts: { add: run, remove: [] }, undone: NONE });
    const { directory, runner, release } = scene;
    const request = { directory, schema: place.schema, kinds: ['contract'], only: run, release: release.id } as const;
    try {
      const { applied } = await runner.apply(request, signal, told(onProgress));
      const others = run.filter((one) => !applied.some((other) => sameMigration(one, other)));
      book.decide({ ...entry, what: 'contracted', contracts: { add: [], remove: others }, undone: NONE });
    } catch (error) {
      await this.#afterFailure(scene, entry);
      throw error;
    }
    return this.#view(await this.#look(environment, service, by, signal), signal);
  }

  /**
   * Takes migrations back, the last one first: what was applied last, or everything above a number.
   *
   * @throws UndoRefusedError when one of them is used by a release that can get traffic, or cannot be taken back
   */
  async undo(
    environment: Environment,
    service: string,
    to: number | null,
    by: string,
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<MigrationsView> {
    const scene = await this.#look(environment, service, by, signal);
    const { state, place, runner, places } = scene;
    const holdings = await this.#holdings(scene, signal);
    const { undo, kept } = decideUndo({ applied: state.applied, holdings: holdings(), to });
    if (kept.length > 0) {
      const hint = kept.some(({ usedBy }) => usedBy.length > 0)
        ? 'Bring users to a release that does without first (`veza rollback`), and wait until the other slot is stopped.'
        : 'Write a new migration that puts right what it did.';
      throw new UndoRefusedError(service, environment.name, kept.map(keptInWords), hint);
    }
    if (undo.length === 0) return this.#view(scene, signal);
    const { book } = this.#parts;
    const entry = { environment: place.environment, service, by, places, files: undo.map(migrationFile) };
    const migrations = undo.map(({ number, name, kind, checksum }) => ({ number, name, kind, checksum }));
    const moved = migrations.filter(({ kind }) => kind !== 'contract');
    book.decide({ ...entry, what: 'undo', contracts: NONE, undone: { add: moved, remove: [] } });
    try {
      const { undone } = await runner.undo({ schema: place.schema, migrations }, signal, told(onProgress));
      const back = migrations.filter(
        (one) => one.kind === 'contract' && undone.some((other) => sameMigration(one, other)),
      );
      book.decide({ ...entry, what: 'undone', contracts: { add: [], remove: back }, undone: NONE });
    } catch (error) {
      await this.#afterFailure(scene, entry);
      throw error;
    }
    return this.#view(await this.#look(environment, service, by, signal), signal);
  }

  /** Reads how the databases of an environment really stand; for its opening, after a crash in the middle of something. */
  async learn(environment: Environment, signal: AbortSignal): Promise<void> {
    for (const service of Object.keys(environment.services)) {
      if ((this.#gate(environment.name, service) ?? null) === null) continue;
      if (this.#parts.ledger.record(environment.name, service).live === null) continue;
      await this.#look(environment, service, 'system', signal);
    }
  }

  async #view(scene: Scene, signal: AbortSignal): Promise<MigrationsView> {
    const holdings = await this.#holdings(scene, signal);
    const { place, service, release, folder, state } = scene;
    const asked = { folder, applied: state.applied, holdings: holdings() };
    const { deferred, run } = decideContract({ ...asked, giveUpRollback: false });
    return migrationsView({ place, service, release: release.id, folder, state, run, deferred });
  }

  /** What came of what failed or was cancelled is for the database to say; when it is away, what was begun counts as done. */
  async #afterFailure(
    scene: Scene,
    entry: Pick<MigrationEntry, 'environment' | 'service' | 'by' | 'places'>,
  ): Promise<void> {
    try {
      const state = await scene.runner.state(scene.place.schema, AbortSignal.timeout(10_000));
      this.#correct({ ...entry, places: scene.places }, scene.place, state);
    } catch {
      // Looked at again by whoever asks next, and when the environment is opened.
    }
  }

  /** Puts the book right where the database says otherwise. */
  #correct(
    entry: Pick<MigrationEntry, 'environment' | 'service' | 'by' | 'places'>,
    place: MigrationPlace,
    { applied }: MigrationState,
  ): void {
    const known = this.#parts.book.standing(place);
    const among = (list: readonly MigrationId[], one: MigrationId): boolean =>
      list.some((other) => sameMigration(one, other));
    const inForce = applied.filter(({ kind }) => kind === 'contract');
    const ids = (list: readonly MigrationId[]): readonly MigrationId[] =>
      list.map(({ number, name, kind, checksum }) => ({ number, name, kind, checksum }));
    const contracts = {
      add: ids(inForce.filter((one) => !among(known.contracts, one))),
      remove: ids(known.contracts.filter((one) => !among(inForce, one))),
    };
    const undone = { add: [], remove: ids(known.undone.filter((one) => among(applied, one))) };
    if (contracts.add.length + contracts.remove.length + undone.remove.length === 0) return;
    const files = [...contracts.add, ...contracts.remove, ...undone.remove].map(migrationFile);
    this.#parts.book.decide({ ...entry, what: 'found', files, contracts, undone });
  }

  /** @throws NotDeployedError, NoMigrationsError, ResourceUnavailableError */
  async #look(environment: Environment, service: string, by: string, signal: AbortSignal): Promise<Scene> {
    const { name } = environment;
    const { ledger, releases } = this.#parts;
    const { live } = ledger.record(name, service);
    if (live === null) throw new NotDeployedError(service, name);
    const release = releases.get(live.release);
    const gate = release.config[name]?.gates.migrations ?? null;
    if (gate === null) throw new NoMigrationsError(service, name);
    const place = placeOf(name, gate);
    const runner = this.#runner(place);
    if (runner === null) throw new NoMigrationsError(service, name, `has no database ${gate.resource} to migrate`);
    const state = await runner.state(place.schema, signal);
    const places = await this.#samePlaces(place, state, signal);
    this.#correct({ environment: name, service, by, places }, place, state);
    const directory = join(await releases.unpack(release, signal), gate.directory);
    const folder = await listMigrations(directory);
    return { service, release, directory, place, places, runner, state, folder };
  }

  #runner({ environment, resource }: MigrationPlace): MigrationRunner | null {
    return this.#parts.opened().get(environment)?.resources.get(resource)?.migrations ?? null;
  }

  /** Every place that leads, or may lead, to the same schema of the same database. */
  async #samePlaces(
    place: MigrationPlace,
    state: MigrationState,
    signal: AbortSignal,
  ): Promise<readonly MigrationPlace[]> {
    const same: MigrationPlace[] = [place];
    for (const other of this.#sharing(place)) {
      if (other.environment === place.environment && other.resource === place.resource) continue;
      const runner = this.#runner(other);
      // One that is down cannot be asked: it counts, until it can be and says otherwise.
      const identity = runner === null ? null : await runner.state(other.schema, signal).catch(() => null);
      if (identity === null || identity.database === state.database) same.push(other);
    }
    return same;
  }

  /** Places that could be the same by their declaration: an embedded database is nobody else's. */
  #sharing(place: MigrationPlace): readonly MigrationPlace[] {
    const { environments } = this.#parts.platform();
    const isExternal = ({ environment, resource }: Pick<MigrationPlace, 'environment' | 'resource'>): boolean => {
      const declared = environments[environment]?.resources[resource];
      return declared !== undefined && 'mode' in declared && declared.mode === 'external';
    };
    if (!isExternal(place)) return [place];
    const others = Object.values(environments).flatMap(({ name, resources }) =>
      Object.keys(resources).map((resource) => ({ environment: name, resource, schema: place.schema })),
    );
    return [place, ...others.filter((other) => isExternal(other) && !samePlace(other, place))];
  }

  #placesOf(
    environment: string,
    service: string,
    resource: string,
    gate: MigrationsGate | null,
  ): readonly MigrationPlace[] {
    if (gate !== null) return [placeOf(environment, gate)];
    // A release from before its service had migrations: it may need the form that it found.
    const later = this.#gate(environment, service);
    return later === null || later === undefined || later.resource !== resource ? [] : [placeOf(environment, later)];
  }

  /** The migrations of a service as it is live; undefined when it is not. */
  #gate(environment: string, service: string): MigrationsGate | null | undefined {
    const { live } = this.#parts.ledger.record(environment, service);
    if (live === null || !this.#parts.releases.has(live.release)) return undefined;
    return this.#parts.releases.get(live.release).config[environment]?.gates.migrations ?? null;
  }

  /**
   * Reads the folders of everybody concerned. What is returned tells at once who is concerned then: to be asked without
   * awaiting anything before what follows from it is journaled.
   */
  async #holdings(scene: Scene, signal: AbortSignal): Promise<() => readonly Holding[]> {
    for (const holder of this.#concerned(scene)) {
      await this.#readFiles(holder.environment, holder.release, signal);
    }
    // Somebody new came meanwhile, whose folder was not read: nothing is known of it, so it counts as one who needs everything.
    return () =>
      this.#concerned(scene).map((holder) => ({
        ...holder,
        files: this.#files.get(`${holder.environment}/${holder.release}`) ?? null,
      }));
  }

  #concerned({ service, place, places }: Scene): readonly Holder[] {
    const { ledger, releases } = this.#parts;
    return holders(ledger.records(), ledger.active()).filter((holder) => {
      const near = places.filter(({ environment }) => environment === holder.environment);
      if (near.length === 0) return false;
      const config = releases.has(holder.release)
        ? releases.get(holder.release as ReleaseId).config[holder.environment]
        : undefined;
      // Of one that is gone nothing is known but whose it was.
      if (config === undefined) return holder.service === service;
      const gate = config.gates.migrations;
      if (gate === null)
        return (
          holder.service === service && near.some(({ resource }) => config.resources.some((name) => name === resource))
        );
      return near.some(({ resource }) => resource === gate.resource) && (gate.schema ?? null) === place.schema;
    });
  }

  /** Null: they cannot be read any more. */
  async #readFiles(environment: string, id: string, signal: AbortSignal): Promise<readonly MigrationId[] | null> {
    const key = `${environment}/${id}`;
    const known = this.#files.get(key);
    if (known !== undefined && known !== null) return known;
    const files = await this.#listFiles(environment, id, signal);
    this.#files.set(key, files);
    return files;
  }

  async #listFiles(environment: string, id: string, signal: AbortSignal): Promise<readonly MigrationId[] | null> {
    const { releases } = this.#parts;
    if (!releases.has(id)) return null;
    const release = releases.get(id as ReleaseId);
    const gate = release.config[environment]?.gates.migrations ?? null;
    if (gate === null) return [];
    try {
      return await listMigrations(join(await releases.unpack(release, signal), gate.directory));
    } catch {
      signal.throwIfAborted();
      return null;
    }
  }
}

const placeOf = (environment: string, { resource, schema }: MigrationsGate): MigrationPlace => ({
  environment,
  resource,
  schema: schema ?? null,
});

const samePlace = (a: MigrationPlace, b: MigrationPlace): boolean =>
  a.environment === b.environment && a.resource === b.resource && a.schema === b.schema;

const told =
  (onProgress: OnProgress) =>
  (progress: MigrationProgress): void =>
    onProgress({ text: migrationProgressInWords(progress) });
