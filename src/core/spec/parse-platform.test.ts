import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { settingsOf } from '../analysis/settings.ts';
import { parsePlatform } from './parse-platform.ts';
import type { Environment, Platform, Service } from './platform.ts';
import { changed, RIGHT } from './testing/wrong-config.ts';

const MINIMAL = { name: 'shop', services: { api: { source: './api/', run: 'node server.js' } } };

function platformOf(input: unknown): Platform {
  const result = parsePlatform(input);
  if (!result.ok) throw new Error(result.mistakes.map(({ message }) => message).join('\n'));
  return result.platform;
}

function environmentOf(input: unknown, name: string): Environment {
  const environment = platformOf(input).environments[name];
  if (environment === undefined) throw new Error(`no environment ${name}`);
  return environment;
}

function serviceOf(change: unknown, environment = 'development', name = 'api'): Service {
  const service = environmentOf(changed(MINIMAL, change), environment).services[name];
  if (service === undefined) throw new Error(`no service ${name}`);
  return service;
}

const strategy = (written: unknown, instances = 2): Service['strategy'] =>
  serviceOf({ services: { api: { strategy: written, instances } } }).strategy;

describe('defaults', () => {
  test('a service that says nothing more than it must', () => {
    expect(serviceOf({})).toEqual({
      name: 'api',
      source: 'api',
      build: { commands: [], output: '.' },
      run: ['node', 'server.js'],
      instances: 2,
      health: {
        startup: { check: { kind: 'tcp' }, intervalMs: 200, timeoutMs: 2_000, failures: 300 },
        readiness: { check: { kind: 'tcp' }, intervalMs: 1_000, timeoutMs: 2_000, failures: 3 },
        liveness: null,
        stableForMs: 1_000,
      },
      stop: { graceMs: 10_000 },
      restart: { backoffMs: 500, maxBackoffMs: 30_000, crashLoopAfter: 3, windowMs: 120_000 },
      route: null,
      proxy: { responseTimeoutMs: 30_000, idleTimeoutMs: 300_000, maxBodyBytes: 100_000_000, drainMs: 30_000 },
      edge: {
        headers: {},
        compress: true,
        rateLimits: [],
        hidden: ['/metrics', '/health', '/healthz', '/livez', '/readyz'],
      },
      dependencies: [],
      resources: [],
      metrics: null,
      limits: { memory: null, cpus: null },
      environment: {},
      data: null,
      strategy: {
        kind: 'canary',
        steps: [
          { weight: 5, holdMs: 60_000 },
          { weight: 25, holdMs: 60_000 },
          { weight: 50, holdMs: 60_000 },
        ],
        mirror: null,
        holdback: 5,
        watchMs: 300_000,
        keepWarmMs: 600_000,
        minCandidates: 1,
        onNew: 'supersede',
        limits: { minSuccessPercent: 99, maxP99Ms: 500, minRequests: 100 },
        analysis: { ...settingsOf('balanced'), horizonSeconds: 2_340, sources: {}, journeys: [] },
        deadlines: {
          preparingMs: 600_000,
          migratingMs: 600_000,
          startingMs: 600_000,
          checkingMs: 300_000,
          steppingMs: 1_800_000,
          switchedMs: 60_000,
          revertingMs: 300_000,
          retiringMs: 1_200_000,
          pausedMs: 14_400_000,
        },
      },
      gates: { smoke: [], migrations: null },
    });
  });

  test('blue-green has no steps and no holdback', () => {
    expect(strategy('blue-green')).toMatchObject({ kind: 'blue-green', steps: [], holdback: 0, watchMs: 300_000 });
  });

  test.each([
    [1, undefined, []],
    [2, undefined, [50]],
    [3, undefined, [33, 66]],
    [4, undefined, [25, 50, 75]],
    [8, undefined, [25, 50, 75]],
    [5, 2, [40, 80]],
    [4, '50%', [50]],
    [4, '100%', []],
  ])('rolling over %d instances in batches of %s steps through %j', (instances, batch, weights) => {
    const { steps, holdback } = strategy({ kind: 'rolling', ...(batch === undefined ? {} : { batch }) }, instances);
    expect(steps.map(({ weight }) => weight)).toEqual(weights);
    expect(holdback).toBe(0);
  });

  test('a weight of rolling never needs more instances than its batches have replaced', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 100 }), (instances, batch) => {
        fc.pre(batch <= instances);
        const { steps } = strategy({ kind: 'rolling', batch }, instances);
        for (const [index, { weight }] of steps.entries()) {
          expect(Math.ceil((weight * instances) / 100)).toBeLessThanOrEqual(batch * (index + 1));
          expect(weight).toBeLessThan(100);
        }
      }),
    );
  });

  test('without environments there is development on this machine', () => {
    expect(Object.keys(platformOf(MINIMAL).environments)).toEqual(['development']);
    expect(environmentOf(MINIMAL, 'development')).toMatchObject({
      target: { kind: 'process', listen: { host: '127.0.0.1', port: 8_080 }, ports: { from: 42_000, to: 42_999 } },
      gates: { requires: null, approval: false, allowDirty: true, idle: 'proceed' },
    });
  });

  test('environments get addresses and ports of their own, in the order in which they are declared', () => {
    const { environments } = platformOf({ ...MINIMAL, environments: { development: {}, staging: {}, production: {} } });
    expect(
      Object.values(environments).map(({ target }) => [target.listen.port, target.ports.from, target.ports.to]),
    ).toEqual([
      [8_080, 42_000, 42_999],
      [8_081, 43_000, 43_999],
      [8_082, 44_000, 44_999],
    ]);
  });

  test('production requires staging when there is one, and takes no uncommitted changes', () => {
    const input = { ...MINIMAL, environments: { staging: {}, production: {} } };
    expect(environmentOf(input, 'production').gates).toEqual({
      requires: 'staging',
      approval: false,
      allowDirty: false,
      idle: 'pause',
    });
    expect(environmentOf(input, 'staging').gates).toEqual({
      requires: null,
      approval: false,
      allowDirty: false,
      idle: 'proceed',
    });
  });

  test('an environment that a person approves waits a day for it', () => {
    const input = { environments: { live: { gates: { approval: true } } } };
    expect(serviceOf(input, 'live').strategy.deadlines.preparingMs).toBe(86_400_000);
  });

  test('an embedded database has the name of its resource', () => {
    const { resources } = environmentOf({ ...MINIMAL, resources: { 'main-db': { kind: 'postgres' } } }, 'development');
    expect(resources).toEqual({
      'main-db': { kind: 'postgres', name: 'main-db', mode: 'embedded', database: 'main_db' },
    });
  });

  test('storage without a URL is a folder here; Redis is external', () => {
    const cache = { kind: 'redis', url: { secret: 'redis-url' } };
    const { resources } = environmentOf(
      { ...MINIMAL, resources: { media: { kind: 'storage' }, cache } },
      'development',
    );
    expect(resources).toEqual({
      media: { kind: 'storage', name: 'media', mode: 'embedded' },
      cache: { kind: 'redis', name: 'cache', mode: 'external', url: { secret: 'redis-url' } },
    });
  });

  test('migrations without a resource change the only database among them', () => {
    const { services } = environmentOf(
      {
        name: 'shop',
        services: {
          api: { source: 'api', run: 'x', resources: ['media', 'db'], gates: { migrations: { directory: 'm' } } },
        },
        resources: { media: { kind: 'storage' }, db: { kind: 'postgres' } },
      },
      'development',
    );
    expect(services['api']?.gates.migrations?.resource).toBe('db');
  });

  test('a resource with a URL is external', () => {
    const declared = { kind: 'postgres', url: { secret: 'database-url' } };
    const { resources } = environmentOf({ ...MINIMAL, resources: { db: declared } }, 'development');
    expect(resources['db']).toEqual({
      kind: 'postgres',
      name: 'db',
      mode: 'external',
      url: { secret: 'database-url' },
    });
  });
});

describe('short forms', () => {
  test('health as a path is the path of startup and readiness, and restarts nothing', () => {
    const { health } = serviceOf({ services: { api: { health: '/health' } } });
    expect(health.startup.check).toEqual({ kind: 'http', path: '/health' });
    expect(health.readiness.check).toEqual({ kind: 'http', path: '/health' });
    expect(health.liveness).toBeNull();
  });

  test('a probe may have a path of its own, or only a connection', () => {
    const declared = { path: '/ready', startup: { tcp: true }, liveness: { path: '/alive' } };
    const { health } = serviceOf({ services: { api: { health: declared } } });
    expect(health.startup.check).toEqual({ kind: 'tcp' });
    expect(health.readiness.check).toEqual({ kind: 'http', path: '/ready' });
    expect(health.liveness?.check).toEqual({ kind: 'http', path: '/alive' });
  });

  test('build as a text is one command, as a list of words too', () => {
    expect(serviceOf({ services: { api: { build: 'npm ci' } } }).build).toEqual({
      commands: [['npm', 'ci']],
      output: '.',
    });
    expect(serviceOf({ services: { api: { build: ['make', 'all'] } } }).build).toEqual({
      commands: [['make', 'all']],
      output: '.',
    });
  });

  test('variables become text, secrets stay references', () => {
    const environment = { LIMIT: 300, DEBUG: false, NAME: 'x', KEY: { secret: 'key' } };
    expect(serviceOf({ services: { api: { environment } } }).environment).toEqual({
      LIMIT: '300',
      DEBUG: 'false',
      NAME: 'x',
      KEY: { secret: 'key' },
    });
  });

  test('smoke checks say their own names', () => {
    const smoke = ['/health', { path: '/orders', method: 'POST', status: 201 }, { command: 'node smoke.js --fast' }];
    expect(serviceOf({ services: { api: { gates: { smoke } } } }).gates.smoke).toEqual([
      {
        kind: 'http',
        name: 'GET /health',
        method: 'GET',
        path: '/health',
        expectStatus: 200,
        expectBody: null,
        timeoutMs: 10_000,
      },
      {
        kind: 'http',
        name: 'POST /orders',
        method: 'POST',
        path: '/orders',
        expectStatus: 201,
        expectBody: null,
        timeoutMs: 10_000,
      },
      { kind: 'command', name: 'node smoke.js --fast', command: ['node', 'smoke.js', '--fast'], timeoutMs: 60_000 },
    ]);
  });

  test('migrations change the only resource there is', () => {
    const input = {
      services: { api: { resources: ['db'], gates: { migrations: { directory: './migrations' } } } },
      resources: { db: { kind: 'postgres' } },
    };
    expect(serviceOf(input).gates.migrations).toEqual({ resource: 'db', directory: 'migrations', schema: null });
  });

  test('migrations may have a schema, and an instance a second port for its metrics', () => {
    const migrations = { directory: 'migrations', schema: 'api' };
    const input = {
      services: {
        api: { resources: ['db'], run: 'server {METRICS_PORT}', metrics: '/metrics', gates: { migrations } },
      },
      resources: { db: { kind: 'postgres' } },
    };
    expect(serviceOf(input)).toMatchObject({
      gates: { migrations: { resource: 'db', directory: 'migrations', schema: 'api' } },
      metrics: { path: '/metrics' },
    });
  });
});

describe('overrides', () => {
  const input = (override: unknown): unknown => ({
    services: { api: BASE },
    environments: { live: { overrides: { api: override } } },
  });
  const BASE = {
    health: { path: '/health', readiness: { interval: '5s', failures: 2 }, liveness: { path: '/alive' } },
    proxy: { drain: '5s', idleTimeout: '1m' },
    route: { hosts: ['a.example.com'], paths: ['/a'] },
    environment: { A: '1', B: '2' },
    gates: { smoke: ['/health'] },
  };

  test('objects are merged', () => {
    const service = serviceOf(
      input({ health: { readiness: { interval: '1s' } }, proxy: { drain: '9s' }, environment: { B: '3', C: '4' } }),
      'live',
    );
    expect(service.health.readiness).toMatchObject({ check: { path: '/health' }, intervalMs: 1_000, failures: 2 });
    expect(service.health.liveness?.check).toEqual({ kind: 'http', path: '/alive' });
    expect(service.proxy).toMatchObject({ drainMs: 9_000, idleTimeoutMs: 60_000 });
    expect(service.environment).toEqual({ A: '1', B: '3', C: '4' });
  });

  test('lists, texts and numbers are replaced, null takes away', () => {
    const service = serviceOf(
      input({ instances: 7, route: null, health: { path: '/ok', liveness: null }, gates: { smoke: ['/ok'] } }),
      'live',
    );
    expect(service.instances).toBe(7);
    expect(service.route).toBeNull();
    expect(service.health).toMatchObject({ startup: { check: { path: '/ok' } }, liveness: null });
    expect(service.gates.smoke.map(({ name }) => name)).toEqual(['GET /ok']);
  });

  test('a strategy is replaced as a whole', () => {
    expect(serviceOf(input({ strategy: 'blue-green' }), 'live').strategy.kind).toBe('blue-green');
  });

  test('rolling counts the instances that the environment has', () => {
    const { steps } = serviceOf(input({ strategy: { kind: 'rolling', batch: 1 }, instances: 4 }), 'live').strategy;
    expect(steps.map(({ weight }) => weight)).toEqual([25, 50, 75]);
  });

  test('other environments keep what the service says', () => {
    const all = { ...MINIMAL, environments: { staging: {}, live: { overrides: { api: { instances: 9 } } } } };
    expect(environmentOf(all, 'staging').services['api']?.instances).toBe(2);
    expect(environmentOf(all, 'live').services['api']?.instances).toBe(9);
  });

  test('a mistake that an override makes is reported there, once', () => {
    const wrong = changed(RIGHT, {
      environments: { production: { overrides: { api: { strategy: { kind: 'rolling', batch: 9 } } } } },
    });
    const result = parsePlatform(wrong);
    expect(result.ok ? [] : result.mistakes.map(({ path }) => path)).toEqual([
      'environments.production.overrides.api.strategy.batch',
    ]);
  });
});

describe('warnings', () => {
  const warningsOf = (input: unknown): string[] => {
    const result = parsePlatform(input);
    if (!result.ok) throw new Error('mistakes');
    return result.warnings.map(({ path }) => path);
  };

  test('rolling over one instance', () => {
    const input = changed(MINIMAL, { services: { api: { strategy: 'rolling', instances: 1 } } });
    expect(warningsOf(input)).toEqual(['services.api.instances']);
  });

  test('a starting phase that ends before the startup probe gives up', () => {
    const strategy = { kind: 'canary', deadlines: { starting: '30s' } };
    const health = { startup: { interval: '1s', failures: 60 } };
    expect(warningsOf(changed(MINIMAL, { services: { api: { strategy, health } } }))).toEqual([
      'services.api.strategy.deadlines.starting',
    ]);
  });

  test('two environments that would want one address', () => {
    const target = { kind: 'process', listen: ':8080', ports: '42000-42999' };
    const input = { ...MINIMAL, environments: { staging: { target }, live: { target } } };
    expect(warningsOf(input)).toEqual(['environments.live.target.listen', 'environments.live.target.ports']);
  });

  test('production without anything before it', () => {
    expect(warningsOf({ ...MINIMAL, environments: { production: {} } })).toEqual([
      'environments.production.gates.requires',
    ]);
  });
});

describe('any input at all', () => {
  test('is answered, never thrown at: arbitrary values', () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
        (input) => {
          const result = parsePlatform(input);
          expect(result.ok || result.mistakes.length > 0).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('is answered, never thrown at: a right declaration with an arbitrary value anywhere in it', () => {
    const paths = pathsOf(RIGHT, []);
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.oneof(fc.jsonValue(), fc.constant(undefined)), (path, value) => {
        const result = parsePlatform(replaced(RIGHT, path, value));
        expect(result.ok || result.mistakes.length > 0).toBe(true);
        if (result.ok) return;
        for (const { message, expected, got } of result.mistakes) {
          expect(message).not.toMatch(/invalid input|undefined|\[object/i);
          expect(expected).not.toBe('');
          expect(got).not.toBe('');
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('names that objects have by themselves are names like others', () => {
    const result = parsePlatform({
      name: 'shop',
      services: {
        constructor: {
          source: '.',
          run: 'x',
          environment: JSON.parse('{"__proto__": "a", "toString": "b"}') as unknown,
        },
        web: { source: '.', run: 'x', dependencies: ['constructor', 'valueOf'] },
      },
    });
    expect(result.ok ? [] : result.mistakes.map(({ path }) => path)).toEqual(['services.web.dependencies[1]']);
  });
});

function pathsOf(value: unknown, path: readonly string[]): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, item]) => pathsOf(item, [...path, key]))];
}

function replaced(value: unknown, path: readonly string[], by: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return by;
  if (Array.isArray(value))
    return value.map((item: unknown, index) => (String(index) === key ? replaced(item, rest, by) : item));
  const entries = Object.entries(value as Record<string, unknown>);
  return Object.fromEntries(entries.map(([name, item]) => [name, name === key ? replaced(item, rest, by) : item]));
}
