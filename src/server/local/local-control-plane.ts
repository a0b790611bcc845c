import { VERSION } from '../../api/version.ts';
import type { DeploymentView, ReleaseView, StatusView } from '../../api/schemas.ts';
import type { ArtifactStore } from '../../build/artifact-store.ts';
import type { Claims } from '../../build/claims.ts';
import type { ReleaseCatalog } from '../../build/release-catalog.ts';
import type { Release, ReleaseId } from '../../core/release/release.ts';
import { isFinal, type DeploymentState } from '../../core/rollout/state.ts';
import type { Environment, Platform } from '../../core/spec/platform.ts';
import type { Name } from '../../core/units/quantities.ts';
import type { RunningEngine } from '../../engine/start.ts';
import { NotRoutedError, OperationRefusedError, UnknownNameError } from '../../errors.ts';
import type { Journal } from '../../store/journal.ts';
import type { ControlPlane } from '../control-plane.ts';
import { buildServices } from './builds.ts';
import { again, deploy, rollback, type DeployParts } from './deploys.ts';
import { foundGateway, gatewayView, renewCertificates, routerWarnings, soon, upgradeGateway } from './gateway-view.ts';
import { deploymentView } from './deployment-view.ts';
import type { OpenEnvironment } from './environments.ts';
import { doctor } from './doctor.ts';
import { eventView } from './event-view.ts';
import { defaultEnvironment, findEnvironment, findService } from '../../spec/find-declared.ts';
import { forecast } from './forecast.ts';
import { evidenceOf } from './evidence.ts';
import { explainDeployment } from './explanation.ts';
import { pinImage, pushImages, verifyPushed } from './image-pushes.ts';
import { scanImages } from './image-scans.ts';
import type { ImageShelf } from './image-shelf.ts';
import type { MaintenanceBook } from './maintenance-book.ts';
import type { MigrationDesk } from './migration-desk.ts';
import { migrationVerbs } from './migration-verbs.ts';
import type { MigrationProgressBook } from './migration-progress.ts';
import { mergeStreams } from '../../system/merge-streams.ts';
import type { Notice } from './notice.ts';
import { runOneOff } from './one-off.ts';
import { secretViews } from './secret-views.ts';
import { targetInForce } from './router-edge.ts';
import { startUrl, type StartAt } from './start-url.ts';
import { maintenanceView, serviceStatus } from './status-view.ts';
import { removeService, undeclaredServices } from './removal.ts';
import type { ReleaseShelf } from './release-shelf.ts';
import { releaseView } from './release-view.ts';

export interface LocalParts {
  readonly projectDir: string;
  readonly stateDir: string;
  readonly startedAt: number;
  readonly journal: Journal;
  readonly store: ArtifactStore;
  readonly catalog: ReleaseCatalog;
  readonly claims: Claims;
  readonly shelf: ReleaseShelf;
  readonly images: ImageShelf;
  readonly running: RunningEngine;
  /** Damaged files that were set aside since the start, in words. */
  readonly setAside: readonly string[];
  readonly maintenance: MaintenanceBook;
  readonly migrations: MigrationDesk;
  readonly progress: MigrationProgressBook;
  /** Given on every change of a deployment. */
  readonly changes: Notice;
  /** The declaration as it was last read. */
  readonly platform: () => Platform;
  /** Reads it again if its file has changed; a declaration with mistakes changes nothing. */
  readonly refresh: () => Promise<void>;
  /** Reads it again. @throws ConfigInvalidError */
  readonly reload: (signal: AbortSignal) => Promise<Platform>;
  /** An environment with its drivers, started if need be. */
  readonly open: (name: string, signal: AbortSignal) => Promise<OpenEnvironment>;
  /** The declared environments that are to be open: the default one, and those in which something is deployed. */
  readonly inUse: () => readonly string[];
  readonly opened: () => ReadonlyMap<string, OpenEnvironment>;
  /** Stops everything of an environment, instances first. Returns how many there were a service. */
  readonly stop: (name: string, signal: AbortSignal) => Promise<ReadonlyMap<string, number>>;
  /** UTC milliseconds at which a deployment was requested. */
  readonly startedAtOf: (deployment: string) => number;
  readonly collect: (signal: AbortSignal) => Promise<void>;
}

const never = new AbortController().signal;

/** The control plane of one project on this machine: the API's methods over the engine. */
export class LocalControlPlane implements ControlPlane {
  readonly #parts: LocalParts;
  readonly #deploys: DeployParts;
  readonly migrations: ControlPlane['migrations'];
  readonly contractMigrations: ControlPlane['contractMigrations'];
  readonly undoMigrations: ControlPlane['undoMigrations'];

  constructor(parts: LocalParts) {
    this.#parts = parts;
    const { catalog, claims, running, shelf } = parts;
    this.#deploys = {
      ledger: running.ledger,
      engine: running.engine,
      catalog,
      claims,
      migrations: parts.migrations,
      release: (id) => (shelf.has(id) ? shelf.get(id as ReleaseId) : null),
      view: (state) => this.#view(state),
    };
    const verbs = migrationVerbs({
      desk: parts.migrations,
      changes: parts.changes,
      environment: async (name) => {
        await parts.refresh();
        const environment = this.#environment(name);
        await parts.open(environment.name, never);
        return environment;
      },
    });
    ({
      migrations: this.migrations,
      contractMigrations: this.contractMigrations,
      undoMigrations: this.undoMigrations,
    } = verbs);
  }

  info: ControlPlane['info'] = async () => {
    await this.#parts.refresh();
    const { parts, platform } = { parts: this.#parts, platform: this.#parts.platform() };
    return {
      version: VERSION,
      node: process.version,
      pid: process.pid,
      startedAt: parts.startedAt,
      platform: platform.name,
      projectDir: parts.projectDir,
      stateDir: parts.stateDir,
      defaultEnvironment: defaultEnvironment(this.#parts.platform()),
      environments: Object.values(platform.environments).map((environment) => ({
        name: environment.name,
        url: startUrl(this.#inForce(environment)),
        gatewayPid: parts.opened().get(environment.name)?.edge.pid ?? null,
        services: Object.keys(environment.services),
        resources: Object.keys(environment.resources),
        approval: environment.gates.approval,
      })),
    };
  };

  status: ControlPlane['status'] = async (name) => {
    await this.#parts.refresh();
    const { running, opened, platform } = this.#parts;
    const names = name === null ? Object.keys(platform().environments) : [this.#environment(name).name];
    const services: StatusView['services'][number][] = [];
    const resources: StatusView['resources'][number][] = [];
    const warnings: string[] = [];
    for (const key of names) {
      const environment = this.#environment(key);
      const open = opened().get(key);
      // An environment that nobody has opened or deployed to says nothing, unless it is asked for by name.
      const silent = open === undefined && name === null && key !== defaultEnvironment(this.#parts.platform());
      for (const service of [...Object.keys(environment.services), ...undeclaredServices(running, environment)]) {
        if (silent && running.ledger.record(key, service).live === null) continue;
        services.push(
          serviceStatus({
            environment: key,
            service,
            declared: environment.services[service] !== undefined,
            ledger: running.ledger,
            hands: running.isOpen(key) ? running.environment(key) : null,
            url: this.#url(environment, service),
            maintenance: this.#parts.maintenance.find(key, service),
          }),
        );
      }
      if (open !== undefined) warnings.push(...(await routerWarnings(key, open)));
      for (const [resource, driver] of open?.resources ?? []) {
        const { state, address } = await driver.status();
        resources.push({
          environment: key,
          name: resource,
          kind: environment.resources[resource]?.kind ?? '',
          state,
          address,
        });
      }
    }
    return { platform: platform().name, services, resources, notes: [...this.#notes(), ...warnings] };
  };

  gateway: ControlPlane['gateway'] = async (name) => {
    await this.#parts.refresh();
    const environment = this.#environment(name).name;
    const open = this.#parts.opened().get(environment);
    const gateway = open?.gateway ?? foundGateway(this.#parts.stateDir, environment);
    return gatewayView(environment, await gateway.health(soon()), open ?? null);
  };

  upgradeGateway: ControlPlane['upgradeGateway'] = async (name, onProgress) => {
    await this.#parts.refresh();
    const environment = this.#environment(name).name;
    const open = await this.#parts.open(environment, never);
    return upgradeGateway(environment, open, onProgress);
  };

  renewCertificates: ControlPlane['renewCertificates'] = async (name, host, onProgress) => {
    await this.#parts.refresh();
    const environment = this.#environment(name).name;
    const open = await this.#parts.open(environment, never);
    return renewCertificates(environment, open, host, onProgress);
  };

  deployments: ControlPlane['deployments'] = async (filter) => {
    const found = [...this.#parts.running.ledger.deployments()].toReversed().filter((state) => {
      if (filter.environment !== null && state.plan.environment !== filter.environment) return false;
      if (filter.active && isFinal(state.phase)) return false;
      return filter.service === null || state.plan.legs.some((leg) => leg.service === filter.service);
    });
    return found.slice(0, filter.limit).map((state) => this.#view(state));
  };

  deployment: ControlPlane['deployment'] = async (id) => this.#view(this.#find(id));

  forecast: ControlPlane['forecast'] = async (name, request, signal) => {
    await this.#parts.refresh();
    return forecast(this.#parts, this.#environment(name), request, signal);
  };

  evidence: ControlPlane['evidence'] = async (id) =>
    evidenceOf(this.#find(id), this.#parts.running.evidence, this.#parts.stateDir);

  explanation: ControlPlane['explanation'] = (id, signal) => explainDeployment(this.#find(id), this.#parts, signal);

  deploy: ControlPlane['deploy'] = async (request, by) => {
    await this.#parts.refresh();
    const environment = this.#environment(request.environment);
    await this.#parts.open(environment.name, never);
    return deploy(this.#deploys, environment, request, by);
  };

  rollback: ControlPlane['rollback'] = async (request, by) => {
    const environment = this.#environment(request.environment);
    await this.#parts.open(environment.name, never);
    return rollback(this.#deploys, environment, request, by);
  };

  operate: ControlPlane['operate'] = async (id, operation, by) => {
    const state = this.#find(id);
    if (operation.kind === 'retry' && (state.phase === 'reverted' || state.phase === 'refused')) {
      const environment = this.#environment(state.plan.environment);
      await this.#parts.open(environment.name, never);
      return (await again(this.#deploys, environment, state, by)) ?? this.#view(state);
    }
    if (!this.#parts.running.isOpen(state.plan.environment) && !isFinal(state.phase)) {
      await this.#parts.open(this.#environment(state.plan.environment).name, never);
    }
    const { refused, state: after } = this.#parts.running.engine.operate(state.plan.id, operation, by);
    if (refused !== null) {
      throw new OperationRefusedError(state.plan.id, operation.kind, state.phase, refused.why, refused.instead);
    }
    return this.#view(this.#parts.running.ledger.deployment(state.plan.id) ?? after);
  };

  removeService: ControlPlane['removeService'] = async ({ environment: name, service }, by, onProgress, signal) => {
    await this.#parts.refresh();
    const environment = this.#environment(name);
    const { running, changes, maintenance } = this.#parts;
    const instances = await removeService({ running, changes }, environment, service, by, onProgress, signal);
    // Whoever declares it again begins anew.
    if (maintenance.find(environment.name, service) !== null)
      maintenance.decide({ environment: environment.name, service, on: null, by, at: Date.now() });
    changes.give();
    return { environment: environment.name, service, instances };
  };

  releases: ControlPlane['releases'] = async (service) => {
    if (service !== null) findService(this.#environment(null), service);
    return (await this.#parts.catalog.list(service as Name | null)).map(({ release }) => this.#releaseView(release));
  };

  build: ControlPlane['build'] = async (request, _by, onProgress, signal) => {
    const { projectDir, store, catalog, claims, shelf } = this.#parts;
    const platform = await this.#parts.reload(signal);
    const environment = this.#environment(request.environment);
    const wanted = request.services.length === 0 ? Object.keys(environment.services) : request.services;
    const services = wanted.map((service) => findService(environment, service).name);
    const view = (release: Release): ReleaseView => this.#releaseView(release);
    const onRelease = (release: Release): void => shelf.add(release);
    const built = await buildServices(
      { projectDir, platform, store, catalog, claims, view, onRelease },
      services,
      request,
      onProgress,
      signal,
    );
    await this.#parts.collect(signal);
    return built;
  };

  async *events(...[afterSeq, filter, signal]: Parameters<ControlPlane['events']>) {
    const { journal, running, changes } = this.#parts;
    const deployment = filter.deployment === null ? null : this.#find(filter.deployment).plan.id;
    let seen = afterSeq;
    while (!signal.aborted) {
      for (const entry of journal.read(seen)) {
        seen = entry.seq;
        if (deployment !== null && entry.stream !== deployment) continue;
        const view = eventView(entry, (id) => running.ledger.deployment(id)?.plan ?? null);
        if (filter.environment === null || view.environment === filter.environment) yield view;
        if (signal.aborted) return;
      }
      if (!filter.follow) return;
      await changes.wait(500, signal);
    }
  }

  async *watch(...[id, signal]: Parameters<ControlPlane['watch']>) {
    const { plan } = this.#find(id);
    while (!signal.aborted) {
      const state = this.#find(plan.id);
      yield this.#view(state);
      if (isFinal(state.phase)) return;
      await this.#parts.changes.wait(1_000, signal);
    }
  }

  async *logs(...[filter, signal]: Parameters<ControlPlane['logs']>) {
    const environment = this.#environment(filter.environment);
    const { parts } = await this.#parts.open(environment.name, signal);
    const services = filter.services.length === 0 ? Object.keys(environment.services) : filter.services;
    const { tail, follow } = filter;
    const streams = services.map(async function* (service) {
      for await (const line of parts.runtime.logs({ environment: environment.name, service, tail, follow }, signal)) {
        yield { ...line, environment: environment.name, service };
      }
    });
    for (const service of services) findService(environment, service);
    yield* mergeStreams(streams);
  }

  run: ControlPlane['run'] = (request, _by, onOutput, signal) =>
    runOneOff(this.#parts, this.#environment(request.environment), request, onOutput, signal);

  scanImages: ControlPlane['scanImages'] = (request, onProgress, signal) =>
    scanImages(this.#parts, this.#environment(request.environment), request, onProgress, signal);

  pushImages: ControlPlane['pushImages'] = (request, onProgress, signal) => {
    const { stateDir } = this.#parts;
    return pushImages(this.#parts, stateDir, this.#environment(request.environment), request, onProgress, signal);
  };

  pinImage: ControlPlane['pinImage'] = (request, signal) => pinImage(request, signal);

  verifyImage: ControlPlane['verifyImage'] = (request, signal) => verifyPushed(this.#parts.stateDir, request, signal);

  maintenance: ControlPlane['maintenance'] = async (name, serviceName, request, by) => {
    await this.#parts.refresh();
    const environment = this.#environment(name);
    const service = findService(environment, serviceName);
    if (request.kind === 'on' && service.route === null) throw new NotRoutedError(service.name, environment.name);
    await this.#parts.open(environment.name, never);
    const { maintenance, running, changes } = this.#parts;
    const before = maintenance.find(environment.name, service.name);
    const on = request.kind === 'on' ? { retryAfterSeconds: request.retryAfterSeconds, html: request.html } : null;
    // What is open already needs no decision to open it.
    if (before !== null || on !== null) {
      maintenance.decide({ environment: environment.name, service: service.name, on, by, at: Date.now() });
      changes.give();
    }
    const { routes } = running.environment(environment.name);
    const inForce = await routes.sync(service.name).then(
      () => true,
      () => false,
    );
    if (!inForce) routes.refresh(service.name);
    const now = maintenance.find(environment.name, service.name);
    return {
      environment: environment.name,
      service: service.name,
      maintenance: now && maintenanceView(now),
      inForce,
    };
  };

  secrets: ControlPlane['secrets'] = async (name) => {
    await this.#parts.refresh();
    const environment = this.#environment(name);
    const { secrets } = await this.#parts.open(environment.name, never);
    return secretViews(environment, secrets);
  };

  setSecret: ControlPlane['setSecret'] = async (name, key, value) => {
    await this.#parts.refresh();
    const environment = this.#environment(name);
    const { secrets } = await this.#parts.open(environment.name, never);
    await secrets.set(key, value, {});
    const all = await this.secrets(environment.name);
    return (
      all.find((view) => view.name === key) ?? {
        environment: environment.name,
        name: key,
        setAt: Date.now(),
        usedBy: [],
      }
    );
  };

  doctor: ControlPlane['doctor'] = () => doctor(this.#parts);

  up: ControlPlane['up'] = async (request, onProgress) => {
    await this.#parts.refresh();
    const { opened, inUse, open } = this.#parts;
    const wanted = request.environment === null ? inUse() : [this.#environment(request.environment).name];
    const started = wanted.filter((name) => !opened().has(name));
    for (const name of started) {
      onProgress({ text: `starting ${name}` });
      await open(name, never);
    }
    return { started };
  };

  down: ControlPlane['down'] = async (request, _by, onProgress) => {
    const { opened } = this.#parts;
    const names = request.environment === null ? [...opened().keys()] : [this.#environment(request.environment).name];
    const stopped: { environment: string; service: string; instances: number }[] = [];
    if (!request.keepRunning) {
      for (const environment of names) {
        onProgress({ text: `stopping ${environment}` });
        for (const [service, instances] of await this.#parts.stop(environment, never)) {
          stopped.push({ environment, service, instances });
        }
      }
    }
    return { stopped, controlPlaneEnds: request.environment === null };
  };

  /** What is not as it should be, whatever the environment. */
  #notes(): readonly string[] {
    const { running, setAside } = this.#parts;
    return [...running.troubles(), ...setAside, ...running.analyst.allNotes()];
  }

  #view(state: DeploymentState): DeploymentView {
    const { running, shelf } = this.#parts;
    const { id, environment } = state.plan;
    const declared = this.#parts.platform().environments[environment];
    return deploymentView(state, {
      now: Date.now(),
      startedAt: this.#parts.startedAtOf(id),
      book: (leg) => running.analyst.book(id, leg),
      seen: (leg) => running.analyst.seen(id, leg),
      metricNotes: (leg) => running.analyst.notes(id, leg),
      storeTrouble: running.storeTrouble(),
      migrating: (service) => this.#parts.progress.find(environment, service),
      url: (service) => (declared === undefined ? null : this.#url(declared, service)),
      subject: (release) => (shelf.has(release) ? shelf.get(release as ReleaseId).subject : release),
    });
  }

  #releaseView(release: Release): ReleaseView {
    return releaseView(release, this.#parts.running.ledger);
  }

  #find(asked: string): DeploymentState {
    const { ledger } = this.#parts.running;
    const id =
      asked === 'latest' ? [...ledger.deployments()].at(-1)?.plan.id : /^\d+$/.test(asked) ? `dep_${asked}` : asked;
    const state = id === undefined ? null : ledger.deployment(id);
    if (state === null) {
      const known = [...ledger.deployments()].map(({ plan }) => plan.id).toReversed();
      throw new UnknownNameError('deployment', asked, known);
    }
    return state;
  }

  #environment(name: string | null): Environment {
    return findEnvironment(this.#parts.platform(), name);
  }

  /** What the live release of a service declares; null when there is none. */
  #liveConfig(environment: string, service: string) {
    const { running, shelf } = this.#parts;
    const { live } = running.ledger.record(environment, service);
    if (live === null || !shelf.has(live.release)) return null;
    return shelf.get(live.release).config[environment] ?? null;
  }

  /** Where users really are: what is declared since is taken by an upgrade of the gateway. */
  #inForce(environment: Environment): StartAt {
    const open = this.#parts.opened().get(environment.name);
    return open === undefined ? environment.target : targetInForce(open.edge);
  }

  #url(environment: Environment, service: string): string | null {
    const route = (environment.services[service] ?? this.#liveConfig(environment.name, service))?.route ?? null;
    if (route === null) return null;
    const [path = '/'] = route.paths;
    const host = route.hosts.find((pattern) => !pattern.startsWith('*'));
    return `${startUrl(this.#inForce(environment), host)}${path === '/' ? '' : path}`;
  }
}
