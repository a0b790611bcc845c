import { definePlatform, type HealthDeclaration } from 'veza-deploy';

// The platform of `make demo`, with times that a person can watch. The file in the root of the repository explains every
// line of such a declaration; this one is what a project of your own may start from.
const health: HealthDeclaration = {
  path: '/ready',
  startup: { path: '/health', interval: '100ms', failures: 70 },
  readiness: { path: '/ready', interval: '500ms', failures: 2 },
  stableFor: '300ms',
};

export default definePlatform({
  name: 'demo',

  services: {
    web: {
      source: 'services/web',
      build: 'npm ci --omit=dev --no-audit --no-fund --prefer-offline',
      run: 'node server.ts',
      instances: 2,
      health,
      route: { paths: ['/'], canaryHeader: { name: 'canary', value: 'true' } },
      dependencies: ['api'],
      proxy: { drain: '2s' },
      strategy: 'demo',
      gates: { smoke: ['/ready'] },
    },
    api: {
      source: 'services/api',
      build: 'npm ci --omit=dev --no-audit --no-fund --prefer-offline',
      run: 'node server.ts',
      instances: 2,
      health,
      route: { paths: ['/api'] },
      dependencies: ['worker'],
      resources: ['db'],
      proxy: { drain: '2s' },
      strategy: 'demo',
      gates: { smoke: ['/ready'], migrations: { resource: 'db', directory: 'migrations' } },
    },
    worker: {
      source: 'services/worker',
      run: 'node server.ts',
      instances: 2,
      health,
      proxy: { drain: '2s' },
      strategy: 'demo',
      gates: { smoke: ['/ready'] },
    },
  },

  resources: {
    db: { kind: 'postgres', mode: 'embedded', database: 'demo' },
  },

  strategies: {
    demo: {
      kind: 'canary',
      steps: [5, 25, 50],
      hold: '3s',
      watch: '5s',
      keepWarm: '5s',
      limits: { minSuccess: '99%', maxP99: '500ms', minRequests: 20 },
      deadlines: { starting: '8s' },
    },
  },

  environments: {
    development: {
      target: { kind: 'process', listen: '127.0.0.1:8080', ports: '21000-21399' },
      // In production nothing passes without traffic; so here.
      gates: { idle: 'pause' },
    },
  },
});
