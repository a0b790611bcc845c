import type { Release, ReleaseId } from '../core/release/release.ts';
import { settingsOf } from '../core/analysis/settings.ts';
import type { Analysis, Environment, Mirroring, PhaseDeadlines, Service, Strategy } from '../core/spec/platform.ts';
import type { Digest, DurationMs, HostPattern, Name, Percent, Port } from '../core/units/quantities.ts';
import type { Random } from './random.ts';

/** What instances of a release do, once they run. */
export interface Behaviour {
  readonly startMs: number;
  readonly start: 'well' | 'never-ready' | 'exits';
  /** Dies so long after it got ready; null: never by itself. */
  readonly diesAfterMs: number | null;
  /** Share of requests that it answers with an error. */
  readonly errors: number;
  readonly latencyMs: number;
  /** In-flight requests take at most so long. */
  readonly longestRequestMs: number;
  readonly stopMs: number;
  readonly smoke: 'passes' | 'fails' | 'hangs';
  readonly migration: 'works' | 'fails' | 'hangs';
  readonly artifact: 'intact' | 'changed';
}

export interface SimulatedRelease {
  readonly release: Release;
  readonly behaviour: Behaviour;
}

export interface SimulatedPlatform {
  readonly environments: readonly Environment[];
  readonly services: readonly string[];
  /** Releases of each service, oldest first; the first is always good. */
  readonly releases: ReadonlyMap<string, readonly SimulatedRelease[]>;
  readonly byId: ReadonlyMap<string, SimulatedRelease>;
}

const ms = (value: number): DurationMs => value as DurationMs;

/** All waits are short, so that a run of minutes sees every deadline pass. */
const deadlines = (random: Random): PhaseDeadlines => ({
  preparingMs: ms(20_000),
  migratingMs: ms(25_000),
  startingMs: ms(random.int(20_000, 30_000)),
  checkingMs: ms(20_000),
  steppingMs: ms(25_000),
  switchedMs: ms(20_000),
  revertingMs: ms(random.int(10_000, 20_000)),
  retiringMs: ms(random.int(15_000, 25_000)),
  pausedMs: ms(random.int(30_000, 60_000)),
});

function strategy(random: Random): Strategy {
  const kind = random.pick<Strategy['kind']>(['canary', 'canary', 'blue-green', 'rolling']);
  const step = (weight: number) => ({ weight: weight as Percent, holdMs: ms(random.int(1_000, 6_000)) });
  const weights = { canary: [5, 25, 50], rolling: [50, 100], 'blue-green': [] }[kind];
  const compared = random.fork('analysis');
  return {
    kind,
    steps: weights.map(step),
    mirror: kind === 'canary' ? mirroring(compared) : null,
    holdback: (kind === 'rolling' ? 0 : random.pick([0, 5])) as Percent,
    watchMs: ms(random.int(2_000, 8_000)),
    keepWarmMs: ms(random.pick([0, 2_000, 10_000])),
    minCandidates: random.int(1, 2),
    onNew: random.pick<Strategy['onNew']>(['supersede', 'supersede', 'queue', 'refuse']),
    limits: { minSuccessPercent: 99 as Percent, maxP99Ms: ms(500), minRequests: random.pick([20, 50]) },
    analysis: analysis(compared),
    deadlines: deadlines(random),
  };
}

const mirroring = (random: Random): Mirroring | null =>
  random.chance(0.4)
    ? {
        share: random.pick([10, 100]) as Percent,
        holdMs: ms(random.int(1_000, 6_000)),
        shapes: random.chance(0.5),
      }
    : null;

const analysis = (random: Random): Analysis => ({
  ...settingsOf(random.pick(ANALYSIS_WORDS_TRIED)),
  bakeSeconds: random.int(0, 4),
  horizonSeconds: 600,
  sources: {},
  journeys: [],
});

const ANALYSIS_WORDS_TRIED = ['careful', 'balanced', 'fast'] as const;

function service(name: string, before: readonly string[], random: Random): Service {
  const probe = { check: { kind: 'tcp' as const }, intervalMs: ms(1_000), timeoutMs: ms(500), failures: 15 };
  return {
    name: name as Name,
    source: name,
    build: { commands: [], output: '.' },
    run: ['node', 'server.js'],
    instances: random.int(1, 3),
    health: { startup: probe, readiness: probe, liveness: null, stableForMs: ms(0) },
    stop: { graceMs: ms(2_000) },
    restart: { backoffMs: ms(200), maxBackoffMs: ms(5_000), crashLoopAfter: 3, windowMs: ms(30_000) },
    route: {
      hosts: [`${name}.test` as HostPattern],
      paths: ['/'],
      sticky: false,
      canaryHeader: random.chance(0.5) ? { name: 'canary', value: 'true' } : null,
    },
    proxy: { responseTimeoutMs: ms(10_000), idleTimeoutMs: ms(10_000), maxBodyBytes: null, drainMs: ms(4_000) },
    dependencies: before.filter(() => random.chance(0.5)) as Name[],
    resources: [],
    limits: { memory: null, cpus: null },
    environment: {},
    data: null,
    strategy: strategy(random),
    gates: {
      smoke: random.chance(0.7)
        ? [
            {
              kind: 'http',
              name: 'answers',
              method: 'GET',
              path: '/',
              expectStatus: 200,
              expectBody: null,
              timeoutMs: ms(5_000),
            },
          ]
        : [],
      migrations: random.chance(0.4) ? { resource: 'db' as Name, directory: 'migrations' } : null,
    },
  };
}

const GOOD: Behaviour = {
  startMs: 900,
  start: 'well',
  diesAfterMs: null,
  errors: 0,
  latencyMs: 20,
  longestRequestMs: 2_500,
  stopMs: 300,
  smoke: 'passes',
  migration: 'works',
  artifact: 'intact',
};

/** @param latencyMs of the service's good releases: one that is slower than the one before is not good */
function behaviour(random: Random, isBad: boolean, latencyMs: number): Behaviour {
  const good: Behaviour = {
    ...GOOD,
    startMs: random.int(100, 3_000),
    latencyMs,
    longestRequestMs: random.int(100, 3_500),
    stopMs: random.int(10, 1_800),
  };
  if (!isBad) return good;
  return random.pick<Behaviour>([
    { ...good, start: 'never-ready' },
    { ...good, start: 'exits' },
    { ...good, diesAfterMs: random.int(500, 20_000) },
    { ...good, errors: random.pick([0.03, 0.2, 1]) },
    { ...good, latencyMs: 900 },
    { ...good, smoke: random.pick(['fails', 'hangs']) },
    { ...good, migration: random.pick(['fails', 'hangs']) },
    { ...good, artifact: 'changed' },
  ]);
}

/** A small platform, as the seed wants it. */
export function platformOf(random: Random, badRelease: number): SimulatedPlatform {
  const services = ['db-proxy', 'api', 'web'].slice(0, random.pick([1, 1, 2, 3]));
  const names = random.chance(0.25) ? ['staging', 'production'] : ['production'];
  const idle = random.pick<'pause' | 'proceed'>(['pause', 'proceed']);
  const approval = random.chance(0.15);
  const releases = new Map<string, SimulatedRelease[]>();
  const byId = new Map<string, SimulatedRelease>();
  const latest = new Map<string, Service>();
  for (const [index, name] of services.entries()) {
    const base = service(name, services.slice(0, index), random);
    latest.set(name, base);
    const versions: SimulatedRelease[] = [];
    const latencyMs = random.int(5, 80);
    for (let version = 1; version <= 5; version += 1) {
      const declared = random.chance(0.2) ? { ...base, instances: random.int(1, 3) } : base;
      const isBad = version > 1 && random.chance(badRelease);
      const release: Release = {
        id: `rel_${name}-${version}` as ReleaseId,
        service: name as Name,
        artifact: `sha256:${name}-${version}` as Digest,
        artifactBytes: 1,
        configuration: 'sha256:configuration' as Digest,
        config: Object.fromEntries(names.map((environment) => [environment, declared])),
        source: 'sha256:source' as Digest,
        commit: 'c0ffee',
        subject: `version ${version}`,
        dirty: false,
        builder: 'simulator',
        builtAt: 0,
      };
      const simulated = { release, behaviour: behaviour(random, isBad, latencyMs) };
      versions.push(simulated);
      byId.set(release.id, simulated);
    }
    releases.set(name, versions);
  }
  const environments = names.map((name): Environment => ({
    name: name as Name,
    target: {
      kind: 'process',
      listen: { host: '127.0.0.1', port: 8080 as Port },
      ports: { from: 1 as Port, to: 2 as Port },
      router: 'gateway',
      edge: { workers: null, https: null, accessLog: null, lingerMs: 0 },
    },
    services: Object.fromEntries(latest),
    resources: {},
    gates: {
      requires: name === 'production' && names.length > 1 ? ('staging' as Name) : null,
      approval: name === 'production' && approval,
      allowDirty: false,
      idle,
    },
  }));
  return { environments, services, releases, byId };
}
