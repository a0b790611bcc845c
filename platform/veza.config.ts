import { address, definePlatform, secret, type HealthDeclaration } from 'veza-deploy';

// The Veza platform, declared. What may stand here is explained line by line in the file in the root of the repository;
// here is said why it stands here. All five services are one package: one source, five builds.

const health: HealthDeclaration = {
  // Alone: has it started, must it be started again? A database that is away is no reason for either.
  startup: { path: '/livez', interval: '50ms', failures: 200 },
  liveness: { path: '/livez', interval: '5s', failures: 3 },
  // With what it needs; false from SIGTERM on.
  readiness: { path: '/readyz', interval: '500ms', failures: 2 },
  stableFor: '300ms',
};

/** What all five have in common. */
const service = (name: string) =>
  ({
    source: '.',
    build: { command: `node build.mjs ${name}`, output: `dist/${name}` },
    run: 'node main.js',
    instances: 2,
    health,
    metrics: '/metrics',
    securityHeaders: true,
    proxy: { drain: '2s', responseTimeout: '20s' },
    strategy: 'brisk',
  }) as const;

// Made up in development, set with `veza secrets set` elsewhere. Each is held by those alone who need it.
const keyRing = { KEY_RING: secret('key-ring') };
const internalKey = { INTERNAL_KEY: secret('internal-key') };
const mediaKey = { MEDIA_KEY: secret('media-key') };

export default definePlatform({
  name: 'veza',

  services: {
    // Who somebody is. Signs tokens; the others verify them by its JWKS.
    identity: {
      ...service('identity'),
      route: { paths: ['/auth', '/.well-known/jwks.json'] },
      // Passwords are costly to check, and cheap to guess for who may ask as often as he likes.
      rateLimits: [{ requests: 100, window: '1s', per: 'client', path: '/auth' }],
      resources: ['db'],
      environment: { ...keyRing, ...internalKey },
      gates: { smoke: ['/readyz', '/.well-known/jwks.json'], migrations: migrations('identity') },
    },

    // Rooms. WebSockets are closed with 1001 at the end of `drain`, and clients go on elsewhere without missing a message.
    chat: {
      ...service('chat'),
      route: { paths: ['/chat'] },
      dependencies: ['identity'],
      resources: ['db'],
      // Names it asks api for, which comes after it and depends on it, with the person's own token.
      environment: { ...keyRing, ...internalKey, API_URL: address('api') },
      gates: { smoke: ['/readyz'], migrations: migrations('chat') },
    },

    // Audio, for who has a signed URL. It needs no database and nobody's name.
    stream: {
      ...service('stream'),
      route: { paths: ['/media'] },
      // Audio is compressed already, and ranges are of the bytes as they are.
      compress: false,
      resources: ['storage'],
      environment: mediaKey,
      gates: { smoke: ['/readyz'] },
    },

    // Everything else: profiles, tracks, playlists, history, search, discovery; export and erasure over all services.
    api: {
      ...service('api'),
      route: { paths: ['/api'] },
      proxy: { drain: '2s', responseTimeout: '20s', maxBody: '64MB' },
      dependencies: ['identity', 'chat', 'stream'],
      resources: ['db', 'storage'],
      environment: { ...keyRing, ...internalKey, ...mediaKey, LEDGER_KEY: secret('ledger-key') },
      gates: { smoke: ['/readyz'], migrations: migrations('api') },
    },

    // The pages. Assets of earlier releases stay in its folder, so that a page that is open finds what it names.
    web: {
      ...service('web'),
      route: { paths: ['/'] },
      dependencies: ['api'],
      data: 'shared',
      gates: { smoke: ['/readyz', { path: '/', body: '<title>Veza</title>' }] },
    },
  },

  resources: {
    // One database, a schema for each service that has tables.
    db: { kind: 'postgres', mode: 'embedded', database: 'veza' },
    // Embedded: a folder. Elsewhere S3, by a URL from the secret store.
    storage: { kind: 'storage' },
  },

  strategies: {
    // What a person watching wants: the phases of production, in seconds.
    brisk: {
      kind: 'canary',
      steps: [5, 25, 50],
      hold: '3s',
      watch: '5s',
      keepWarm: '5s',
      // A machine that builds, serves and plays the users at once is slower than one that serves.
      limits: { minSuccess: '99%', maxP99: '3s', minRequests: 20 },
      deadlines: { starting: '15s' },
    },
    careful: { kind: 'canary', steps: [1, 5, 25, 50], hold: '2m', watch: '10m', keepWarm: '1h', analysis: 'careful' },
  },

  environments: {
    development: {
      target: { kind: 'process', listen: '127.0.0.1:8080', ports: '21000-21399' },
      // In production nothing passes without traffic; so here.
      gates: { idle: 'pause' },
    },
    staging: {
      target: { kind: 'process', listen: '127.0.0.1:8081', ports: '21400-21799' },
    },
    production: {
      target: { kind: 'process', listen: '127.0.0.1:8082', ports: '21800-22199', accessLog: true },
      overrides: {
        identity: { strategy: 'careful', rateLimits: [{ requests: 10, window: '1s', per: 'client', path: '/auth' }] },
        chat: { strategy: 'careful' },
        stream: { strategy: 'careful' },
        api: { strategy: 'careful', instances: 3 },
        web: { strategy: 'careful' },
      },
      // The very bytes that staging has seen, and nothing else.
      gates: { requires: 'staging' },
    },
  },
});

function migrations(schema: string) {
  return { resource: 'db', directory: 'migrations', schema };
}
