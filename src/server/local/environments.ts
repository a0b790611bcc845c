import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment, Platform } from '../../core/spec/platform.ts';
import type { ResourceDriver } from '../../drivers/resource/resource.ts';
import { createResourceDriver } from '../../drivers/resource/registry.ts';
import type { RouterEvent } from '../../drivers/router/router.ts';
import { NoMigrationsError } from '../../errors.ts';
import type { ImageShelf } from './image-shelf.ts';
import { createSecrets } from '../../drivers/secrets/registry.ts';
import { resolveSecret } from '../../drivers/secrets/resolve.ts';
import type { Secrets } from '../../drivers/secrets/secrets.ts';
import type { EnvironmentParts } from '../../engine/environment.ts';
import { createConfiguration, resource } from './configuration.ts';
import type { MigrationDesk } from './migration-desk.ts';
import type { MigrationProgressBook } from './migration-progress.ts';
import { openRuntime } from './environment-runtime.ts';
import { openRouter, type EnvironmentGateway } from './environment-router.ts';
import type { PortBook } from './port-book.ts';
import { keepResource } from './resource-keeper.ts';
import { keepPrometheusTargets, prometheusTargetsFile } from './prometheus-targets.ts';
import { notAsDeclared, type RouterEdge } from './router-edge.ts';
import { smokeTests } from './smoke-tests.ts';

/** An environment with its drivers, and what only the control plane needs of them. */
export interface OpenEnvironment {
  readonly parts: EnvironmentParts;
  readonly secrets: Secrets;
  readonly resources: ReadonlyMap<string, ResourceDriver>;
  /** What users of the environment meet. */
  readonly edge: RouterEdge;
  /** What to do when that is not as declared any more, in words; null when it is. */
  readonly outdated: string | null;
  readonly gateway: EnvironmentGateway;
  /** What a person must know about the router. */
  readonly routerWarnings: (signal: AbortSignal) => Promise<readonly string[]>;
  /** Stops supervising; everything goes on running. */
  close(): Promise<void>;
  /** Stops the router and the resources. */
  stop(signal: AbortSignal): Promise<void>;
}

export interface OpenOptions {
  readonly name: string;
  /** The declaration as it is now; it may change while the environment is open. */
  readonly platform: () => Platform;
  readonly stateDir: string;
  readonly ports: PortBook;
  /** For targets that run containers. */
  readonly images: ImageShelf;
  readonly log: (line: string) => void;
  /** Told what befalls the router without being asked for. */
  readonly onRouterEvent: (event: RouterEvent) => void;
  readonly migrations: Pick<MigrationDesk, 'check' | 'applied'>;
  readonly progress: MigrationProgressBook;
  /** Path of the metrics of a release in this environment; null when it has none. */
  readonly metricsPath: (release: string) => string | null;
}

/** Share of the declared ports that is kept for internal addresses and resources; instances get the rest. */
const FIXED_SHARE = 5;
const MOST_FIXED = 256;

/** Starts (or finds again) the router, the runtime and the resources of an environment. */
export async function openEnvironment(options: OpenOptions, signal: AbortSignal): Promise<OpenEnvironment> {
  const { name, ports, log } = options;
  let last: Environment | undefined;
  // Taken out of the declaration while it is open, it stays what it was until it is closed.
  const declared = (): Environment => {
    last = options.platform().environments[name] ?? last;
    if (last === undefined) throw new RangeError(`environment ${name} is not declared any more`);
    return last;
  };
  const folder = join(options.stateDir, 'environments', name);
  const { target } = declared();
  const size = target.ports.to - target.ports.from + 1;
  const fixed = Math.min(MOST_FIXED, Math.max(1, Math.floor(size / FIXED_SHARE)));
  const fixedRange = { from: target.ports.to - fixed + 1, to: target.ports.to };
  const secrets = createSecrets('embedded', {
    environment: name,
    directory: join(options.stateDir, 'secrets'),
    now: () => Date.now(),
  });
  // First, since it says where instances reach this machine: resources and routers listen there.
  const runtime = await openRuntime(target, {
    platform: options.platform().name,
    environment: name,
    folder,
    ports: { from: target.ports.from, to: Math.max(target.ports.from, target.ports.to - fixed) },
    images: options.images,
  });
  for (const limitation of await runtime.limitations()) log(`${name}: ${limitation}`);
  const resources = new Map<string, ResourceDriver>();
  for (const [key, wanted] of Object.entries(declared().resources)) {
    const driver = createResourceDriver(wanted, {
      environment: name,
      directory: join(folder, 'resources', key),
      cacheDirectory: join(options.stateDir, 'cache'),
      host: runtime.machine,
      port: await ports.assign(name, `resource/${key}`, fixedRange),
      secret: (wantedSecret) =>
        resolveSecret(secrets, {
          environment: name,
          neededBy: key,
          secret: wantedSecret,
          reference: `resources.${key}.url`,
        }),
    });
    log(`${name}: resource ${key} …`);
    await driver.start(signal);
    resources.set(key, driver);
  }
  const ensureAddress = async (service: string): Promise<void> => {
    await ports.assign(name, `service/${service}`, fixedRange);
  };
  for (const service of Object.keys(declared().services)) await ensureAddress(service);

  const leaveTargets = keepPrometheusTargets({
    file: prometheusTargetsFile(folder),
    environment: name,
    runtime,
    metricsPath: options.metricsPath,
    log,
  });
  const routing = await openRouter(
    () => declared().target,
    folder,
    { log: (line) => log(`${name}: ${line}`), onEvent: options.onRouterEvent },
    signal,
  );
  const internalPort = (service: string): number => {
    const port = ports.find(name, `service/${service}`);
    if (port === null) throw new RangeError(`${service} of ${name} has no internal address yet`);
    return port;
  };
  const configuration = createConfiguration({
    resources,
    machine: runtime.machine,
    internalPort,
    dataFolder: async (service) => {
      const dataFolder = join(folder, 'data', service);
      await mkdir(dataFolder, { recursive: true, mode: 0o700 });
      return dataFolder;
    },
    secret: (wantedSecret, service, variable) =>
      resolveSecret(secrets, {
        environment: name,
        neededBy: service,
        secret: wantedSecret,
        reference: `services.${service}.environment.${variable}`,
      }),
  });
  const keepers = [...resources]
    .filter(([key]) => declared().resources[key]?.mode === 'embedded')
    .map(([key, driver]) => keepResource({ name: `${name}: resource ${key}`, driver, log }));
  const outdated = (): string | null => notAsDeclared(name, declared().target, routing.edge);
  const leaveResources = async (): Promise<void> => void (await Promise.all(keepers.map((end) => end())));
  return {
    get edge() {
      return routing.edge;
    },
    get outdated() {
      return outdated();
    },
    gateway: routing.gateway,
    routerWarnings: async (abort) => {
      const text = outdated();
      return [...(text === null ? [] : [text]), ...(await routing.warnings(abort))];
    },
    secrets,
    resources,
    parts: {
      get declared() {
        return declared();
      },
      runtime,
      router: routing.router,
      configuration,
      internalPort,
      ensureAddress,
      smoke: smokeTests,
      migrations: {
        check: (service, release, kind, abort) => options.migrations.check(name, service, release, kind, abort),
        async apply(service, release, artifactDir, abort) {
          const { migrations } = service.gates;
          if (migrations === null) return [];
          const runner = resource({ resources }, migrations.resource).migrations;
          if (runner === null)
            throw new NoMigrationsError(service.name, name, `has no database ${migrations.resource} to migrate`);
          const progress = options.progress.follow(name, service.name);
          const request = {
            directory: join(artifactDir, migrations.directory),
            schema: migrations.schema ?? null,
            kinds: ['expand', 'migrate'],
            only: null,
            release: release.id,
          } as const;
          const report = await runner.apply(request, abort, progress.tell).finally(progress.end);
          options.migrations.applied(name, service, report.applied);
          return report.applied.map(({ file }) => file);
        },
      },
    },
    async close() {
      await leaveResources();
      await routing.close();
      await leaveTargets();
      await runtime.close();
    },
    async stop(abort) {
      await leaveResources();
      await leaveTargets();
      await routing.stop();
      for (const driver of resources.values()) await driver.stop(abort);
      await runtime.dismantle(abort);
      await runtime.close();
    },
  };
}
