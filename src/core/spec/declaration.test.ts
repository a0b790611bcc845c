import { describe, expect, expectTypeOf, test } from 'vitest';
import type { z } from 'zod';
import {
  definePlatform,
  secret,
  type EnvironmentDeclaration,
  type PlatformDeclaration,
  type ResourceDeclaration,
  type ServiceDeclaration,
  type ServiceOverride,
  type StrategyDeclaration,
} from './declaration.ts';
import { parsePlatform } from './parse-platform.ts';
import type { environmentSchema, platformSchema, resourceSchema } from './schema.ts';
import type { overrideSchema, serviceSchema } from './schema-service.ts';
import type { strategySchema } from './schema-strategy.ts';

// Most of this file is checked by the compiler: a line below `@ts-expect-error` must not compile, all others must.

type Frozen<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? number extends T['length']
      ? readonly Frozen<Item>[]
      : Readonly<T>
    : { readonly [Key in keyof T]: Frozen<T[Key]> };

describe('what TypeScript accepts', () => {
  test('is what the schemas take, type by type', () => {
    expectTypeOf<Frozen<z.input<typeof serviceSchema>>>().toEqualTypeOf<Frozen<ServiceDeclaration>>();
    expectTypeOf<Frozen<z.input<typeof overrideSchema>>>().toEqualTypeOf<Frozen<ServiceOverride>>();
    expectTypeOf<Frozen<z.input<typeof strategySchema>>>().toEqualTypeOf<Frozen<StrategyDeclaration>>();
    expectTypeOf<Frozen<z.input<typeof resourceSchema>>>().toEqualTypeOf<Frozen<ResourceDeclaration>>();
    expectTypeOf<z.input<typeof environmentSchema>>().toExtend<EnvironmentDeclaration>();
    expectTypeOf<z.input<typeof platformSchema>>().toExtend<PlatformDeclaration>();
    expectTypeOf<keyof z.input<typeof environmentSchema>>().toEqualTypeOf<keyof EnvironmentDeclaration>();
    expectTypeOf<keyof z.input<typeof platformSchema>>().toEqualTypeOf<keyof PlatformDeclaration>();
  });

  test('a whole platform, which parses as well', () => {
    const platform = definePlatform({
      name: 'shop',
      services: {
        web: { source: 'web', run: 'node server.js', dependencies: ['api'], strategy: 'careful' },
        api: {
          source: 'api',
          run: ['node', 'server.js'],
          resources: ['db'],
          health: { path: '/health', liveness: null },
          environment: { KEY: secret('key'), LIMIT: 3 },
          strategy: { kind: 'rolling', batch: '25%' },
        },
      },
      resources: { db: { kind: 'postgres' } },
      strategies: { careful: { kind: 'canary', steps: [1, '5%', { weight: 50, hold: '1m' }] } },
      environments: {
        staging: {},
        production: {
          overrides: { web: { instances: 4, strategy: 'blue-green' } },
          resources: { db: { kind: 'postgres', url: secret('database-url') } },
          gates: { requires: 'staging' },
        },
      },
    });
    expect(parsePlatform(platform)).toMatchObject({ ok: true });
  });

  test('what the gateway does at the edge', () => {
    const platform = definePlatform({
      name: 'shop',
      services: {
        web: {
          source: 'web',
          run: 'node server.js',
          route: { hosts: ['shop.example.com'] },
          securityHeaders: true,
          headers: { 'x-frame-options': 'DENY', 'referrer-policy': null },
          compress: false,
          rateLimits: [{ requests: 5, window: '1m', per: 'client', path: '/login' }],
          expose: ['/health'],
        },
      },
      environments: {
        live: {
          target: {
            kind: 'process',
            listen: ':80',
            https: {
              listen: ':443',
              hsts: { maxAge: '365d' },
              certificates: [{ kind: 'acme', email: 'a@example.com' }],
            },
            workers: 2,
            accessLog: { addresses: 'hashed' },
            linger: '10m',
            router: 'gateway',
          },
        },
      },
    });
    expect(parsePlatform(platform)).toMatchObject({ ok: true, warnings: [] });
  });

  test('the smallest platform', () => {
    const platform = definePlatform({ name: 'shop', services: { api: { source: '.', run: 'x' } } });
    expect(parsePlatform(platform)).toMatchObject({ ok: true });
  });
});

describe('what TypeScript marks', () => {
  const api = { source: '.', run: 'x' } as const;

  test('names that do not exist', () => {
    definePlatform({
      name: 'shop',
      services: {
        // @ts-expect-error there is no service `apii`
        web: { ...api, dependencies: ['apii'] },
        // @ts-expect-error there is no resource `db`
        mail: { ...api, resources: ['db'] },
        // @ts-expect-error there is no strategy `carefull`
        shop: { ...api, strategy: 'carefull' },
        api,
      },
      strategies: { careful: { kind: 'canary' } },
      environments: {
        // @ts-expect-error there is no environment `stagging`
        production: { gates: { requires: 'stagging' } },
        staging: {
          overrides: {
            // @ts-expect-error there is no service `apii`
            apii: { instances: 1 },
          },
        },
      },
    });
    // The compiler is the judge here; at run time all of it is found, too.
    expect.assertions(0);
  });

  test('keys that do not exist, and values of another form', () => {
    definePlatform({
      name: 'shop',
      services: {
        api: {
          source: '.',
          run: 'x',
          // @ts-expect-error a duration has a unit
          stop: { grace: 30 },
          // @ts-expect-error a path starts with a slash
          health: 'health',
          // @ts-expect-error a size has a unit of ours
          limits: { memory: '512Mi' },
        },
        // @ts-expect-error a service has no `replicas`
        web: { source: '.', run: 'x', replicas: 3 },
        // @ts-expect-error a service has a `source`
        mail: { run: 'x' },
      },
      // @ts-expect-error blue-green has no steps
      strategies: { swap: { kind: 'blue-green', steps: [1] } },
    });
    expect.assertions(0);
  });
});
