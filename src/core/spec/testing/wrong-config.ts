/** One fault in an otherwise right declaration, and the one mistake that must be reported for it. */
export interface WrongConfig {
  readonly name: string;
  /** Put on top of {@link RIGHT}: objects are merged, everything else is replaced, `REMOVE` takes a key away. */
  readonly change: unknown;
  readonly path: string;
  /** Part of what the mistake says was expected. */
  readonly expected: string;
  readonly got: string;
  readonly suggestion: string | null;
}

export const REMOVE = Symbol('remove');

/** A declaration without mistakes that uses most of what there is. */
export const RIGHT = {
  name: 'shop',
  services: {
    web: {
      source: 'web',
      run: 'node server.js',
      dependencies: ['api'],
      route: { paths: ['/'] },
      strategy: 'blue-green',
    },
    api: {
      source: 'services/api',
      build: { commands: ['npm ci', 'npm run build'], output: 'dist' },
      run: ['node', 'main.js'],
      instances: 3,
      health: { path: '/health', readiness: { interval: '1s' } },
      route: { hosts: ['api.example.com'], paths: ['/v1'] },
      resources: ['db'],
      environment: { LOG_LEVEL: 'info', SESSION_KEY: { secret: 'session-key' } },
      strategy: 'careful',
      gates: { smoke: ['/health'], migrations: { resource: 'db', directory: 'migrations' } },
    },
  },
  resources: { db: { kind: 'postgres' } },
  strategies: { careful: { kind: 'canary', steps: [1, 10, 50], holdback: '5%', watch: '10m' } },
  environments: {
    staging: { target: { kind: 'process', listen: ':8081', ports: '43000-43099' } },
    production: {
      target: { kind: 'process', listen: ':8082', ports: '44000-44099' },
      overrides: { api: { instances: 5 } },
      gates: { requires: 'staging' },
    },
  },
};

/** Puts a change on top of a declaration. */
export function changed(base: unknown, change: unknown): unknown {
  if (!isObject(base) || !isObject(change)) return change;
  const result = new Map<string, unknown>(Object.entries(base));
  for (const [key, value] of Object.entries(change)) {
    if (value === REMOVE) result.delete(key);
    else result.set(key, changed(result.get(key), value));
  }
  return Object.fromEntries([...result].filter(([, value]) => value !== REMOVE));
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
