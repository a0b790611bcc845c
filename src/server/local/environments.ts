import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment, Platform } from '../../core/spec/platform.ts';
import type { ResourceDriver } from '../../drivers/resource/resource.ts';
import { createResourceDriver } from '../../drivers/resource/registry.ts';
import type { RouterEvent } from '../../drivers/router/router.ts';
import { runtimes } from '../../drivers/runtime/registry.ts';
import { createSecrets } from '../../drivers/secrets/registry.ts';
import { resolveSecret } from '../../drivers/secrets/resolve.ts';
import type { Secrets } from '../../drivers/secrets/secrets.ts';
import type { EnvironmentParts } from '../../engine/environment.ts';
import { createConfiguration, resource } from './configuration.ts';
import { openRouter, type EnvironmentGateway } from './environment-router.ts';
import type { PortBook } from './port-book.ts';
import { keepResource } from './resource-keeper.ts';
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
  readonly log: (line: string) => void;
  /** Told what befalls the router without being asked for. */
  readonly onRouterEvent: (event: RouterEvent) => void;
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
  const resources = new Map<string, ResourceDriver>();
  for (const [key, wanted] of Object.entries(declared().resources)) {
    const driver = createResourceDriver(wanted, {
      environment: name,
      directory: join(folder, 'resources', key),
      cacheDirectory: join(options.stateDir, 'cache'),
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

  const runtime = await runtimes[target.kind]({
    stateDir: join(folder, 'runtime'),
    ports: { from: target.ports.from, to: Math.max(target.ports.from, target.ports.to - fixed) },
  });
  for (const limitation of await runtime.limitations()) log(`${name}: ${limitation}`);
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
        async expand(service, release, artifactDir, abort) {
          const { migrations } = service.gates;
          if (migrations === null) return [];
          const report = await resource({ resources }, migrations.resource).migrate(
            { directory: join(artifactDir, migrations.directory), phase: 'expand', release: release.id },
            abort,
            (progress) =>
              log(
                `${name}: ${service.name}: migration ${progress.kind}${'file' in progress ? ` ${progress.file}` : ''}`,
              ),
          );
          return report.applied.map(({ file }) => file);
        },
      },
    },
    async close() {
      await leaveResources();
      await routing.close();
      await runtime.close();
    },
    async stop(abort) {
      await leaveResources();
      await runtime.close();
      await routing.stop();
      for (const driver of resources.values()) await driver.stop(abort);
    },
  };
}
