import { formatCommand } from '../units/command.ts';
import type { Bytes, Command, DurationMs, Name } from '../units/quantities.ts';
import type { BuildRecipe, Health, Probe, PublicRoute, Service, SmokeCheck } from './platform.ts';
import { resolveEdge } from './resolve-edge.ts';
import { resolveStrategy } from './resolve-strategy.ts';
import type { DeclaredOverride, DeclaredService } from './schema-service.ts';
import { STRATEGY_KINDS, type DeclaredStrategy } from './schema-strategy.ts';

const ms = (value: number): DurationMs => value as DurationMs;

type Settings = Partial<DeclaredService>;
type DeclaredHealth = Exclude<DeclaredService['health'], string | undefined>;
type DeclaredProbe = Exclude<DeclaredHealth['startup'], undefined>;

/** Puts what an environment overrides on top of a service: objects are merged, everything else is replaced. */
export function applyOverride(base: Settings, override: Partial<DeclaredOverride>): Settings {
  const merged: Settings = merge<Settings>(base, override as Settings);
  if (override.health !== undefined) {
    merged.health = mergeHealth(healthOf(base.health), healthOf(override.health));
  }
  if (override.route && base.route) merged.route = merge(base.route, override.route);
  if (override.stop) merged.stop = merge(base.stop, override.stop);
  if (override.restart) merged.restart = merge(base.restart, override.restart);
  // Names of headers are the same in any case; the override's stands.
  if (override.headers) merged.headers = mergeHeaders(base.headers ?? {}, override.headers);
  if (override.proxy) merged.proxy = merge(base.proxy, override.proxy);
  if (override.limits) merged.limits = merge(base.limits, override.limits);
  if (override.gates) merged.gates = merge(base.gates, override.gates);
  // Through entries, so that a variable may have any name that an object can have.
  if (override.environment) {
    merged.environment = Object.fromEntries([
      ...Object.entries(base.environment ?? {}),
      ...Object.entries(override.environment),
    ]);
  }
  return merged;
}

type DeclaredHeaders = Exclude<DeclaredService['headers'], undefined>;

function mergeHeaders(base: DeclaredHeaders, override: DeclaredHeaders): DeclaredHeaders {
  const replaced = new Set(Object.keys(override).map((name) => name.toLowerCase()));
  return Object.fromEntries([
    ...Object.entries(base).filter(([name]) => !replaced.has(name.toLowerCase())),
    ...Object.entries(override),
  ]);
}

function mergeHealth(base: DeclaredHealth, override: DeclaredHealth): DeclaredHealth {
  return {
    ...merge(base, override),
    startup: mergeOptional(base.startup, override.startup),
    readiness: mergeOptional(base.readiness, override.readiness),
    liveness:
      override.liveness === null
        ? null
        : override.liveness === undefined
          ? base.liveness
          : merge(base.liveness ?? undefined, override.liveness),
  };
}

/** Finds the strategy that a service names, or null when there is none of that name. */
export function findStrategy(
  written: DeclaredService['strategy'],
  strategies: ReadonlyMap<string, DeclaredStrategy | null>,
): DeclaredStrategy | null {
  if (typeof written === 'object') return written;
  const name = written ?? 'canary';
  if (strategies.has(name)) return strategies.get(name) ?? null;
  const kind = STRATEGY_KINDS.find((known) => known === name);
  return kind === undefined ? null : { kind };
}

/** Fills in every default. What is missing although it is required was reported before and gets a placeholder here. */
export function resolveService(
  name: string,
  declared: Settings,
  strategies: ReadonlyMap<string, DeclaredStrategy | null>,
  isDatabase: (resource: string) => boolean,
  approval: boolean,
): Service {
  const instances = declared.instances ?? 2;
  const health = resolveHealth(declared.health);
  const route = declared.route ? resolveRoute(declared.route) : null;
  const resources = names(declared.resources);
  const databases = resources.filter(isDatabase);
  const migrations = declared.gates?.migrations;
  return {
    name: name as Name,
    source: declared.source ?? '.',
    build: resolveBuild(declared.build),
    run: declared.run ?? ['false'],
    instances,
    health,
    stop: { graceMs: declared.stop?.grace ?? ms(10_000) },
    restart: {
      backoffMs: declared.restart?.backoff ?? ms(500),
      maxBackoffMs: declared.restart?.maxBackoff ?? ms(30_000),
      crashLoopAfter: declared.restart?.crashLoopAfter ?? 3,
      windowMs: declared.restart?.window ?? ms(120_000),
    },
    route,
    proxy: {
      responseTimeoutMs: declared.proxy?.responseTimeout ?? ms(30_000),
      idleTimeoutMs: declared.proxy?.idleTimeout ?? ms(300_000),
      maxBodyBytes: declared.proxy?.maxBody === undefined ? (100_000_000 as Bytes) : declared.proxy.maxBody,
      drainMs: declared.proxy?.drain ?? ms(30_000),
    },
    edge: resolveEdge(declared, health, route),
    dependencies: names(declared.dependencies),
    resources,
    metrics: declared.metrics ? { path: declared.metrics } : null,
    limits: { memory: declared.limits?.memory ?? null, cpus: declared.limits?.cpus ?? null },
    environment: resolveVariables(declared.environment ?? {}),
    data: declared.data ?? null,
    strategy: resolveStrategy(findStrategy(declared.strategy, strategies) ?? { kind: 'canary' }, {
      instances,
      approval,
      startupMs: startupTime(health),
    }),
    gates: {
      smoke: (declared.gates?.smoke ?? []).map(resolveSmoke),
      migrations: migrations
        ? {
            directory: migrations.directory,
            resource: (migrations.resource ?? databases[0] ?? '') as Name,
            schema: migrations.schema ?? null,
          }
        : null,
    },
  };
}

/** Time from the start of an instance until it counts as ready, at most, in milliseconds. */
export const startupTime = (health: Health): number =>
  health.startup.intervalMs * health.startup.failures + health.stableForMs;

function resolveBuild(build: DeclaredService['build']): BuildRecipe {
  if (build === undefined) return { commands: [], output: '.' };
  if (isCommand(build)) return { commands: [build], output: '.' };
  return {
    commands: build.commands ?? (build.command === undefined ? [] : [build.command]),
    output: build.output ?? '.',
  };
}

/** Names were checked to exist, and what exists has a valid name. */
const names = (list: readonly string[] | undefined): readonly Name[] => (list ?? []).map((name) => name as Name);

const isCommand = (build: Exclude<DeclaredService['build'], undefined>): build is Command => Array.isArray(build);

const healthOf = (health: DeclaredService['health']): DeclaredHealth =>
  typeof health === 'string' ? { path: health } : (health ?? {});

/** Fills in the defaults of the three probes. */
export function resolveHealth(declared: DeclaredService['health']): Health {
  const health = healthOf(declared);
  const probe = (own: DeclaredProbe | undefined, intervalMs: number, timeoutMs: number, failures: number): Probe => {
    const path = own?.tcp === true ? undefined : (own?.path ?? health.path);
    return {
      check: path === undefined ? { kind: 'tcp' } : { kind: 'http', path },
      intervalMs: own?.interval ?? ms(intervalMs),
      timeoutMs: own?.timeout ?? ms(timeoutMs),
      failures: own?.failures ?? failures,
    };
  };
  return {
    startup: probe(health.startup, 200, 2_000, 300),
    readiness: probe(health.readiness, 1_000, 2_000, 3),
    liveness: health.liveness ? probe(health.liveness, 10_000, 5_000, 3) : null,
    stableForMs: health.stableFor ?? ms(1_000),
  };
}

function resolveRoute(route: Exclude<DeclaredService['route'], null | undefined>): PublicRoute {
  return {
    hosts: route.hosts ?? [],
    paths: route.paths ?? ['/'],
    sticky: route.sticky ?? true,
    canaryHeader: route.canaryHeader === undefined ? { name: 'canary', value: 'true' } : route.canaryHeader,
  };
}

function resolveVariables(declared: Exclude<DeclaredService['environment'], undefined>): Service['environment'] {
  return Object.fromEntries(
    Object.entries(declared).map(([name, value]) => [name, typeof value === 'object' ? value : String(value)]),
  );
}

type DeclaredSmoke = Exclude<Exclude<DeclaredService['gates'], undefined>['smoke'], undefined>[number];

/** Fills in the defaults of one smoke check. */
export function resolveSmoke(declared: DeclaredSmoke): SmokeCheck {
  const check = typeof declared === 'string' ? { path: declared } : declared;
  if ('command' in check) {
    return {
      kind: 'command',
      name: check.name ?? formatCommand(check.command),
      command: check.command,
      timeoutMs: check.timeout ?? ms(60_000),
    };
  }
  const method = check.method ?? 'GET';
  return {
    kind: 'http',
    name: check.name ?? `${method} ${check.path}`,
    method,
    path: check.path,
    expectStatus: check.status ?? 200,
    expectBody: check.body ?? null,
    timeoutMs: check.timeout ?? ms(10_000),
  };
}

/** One level of merging: keys that the override leaves out, or sets to undefined, stay. */
const merge = <Value extends object>(base: Value | undefined, override: Partial<Value> | undefined): Value =>
  ({ ...base, ...(override === undefined ? {} : defined(override)) }) as Value;

const mergeOptional = <Value extends object>(base: Value | undefined, override: Value | undefined): Value | undefined =>
  base === undefined && override === undefined ? undefined : merge(base, override);

const defined = <Value extends object>(value: Value): Partial<Value> =>
  Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Partial<Value>;
