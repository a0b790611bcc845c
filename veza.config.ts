// The declaration of a platform, annotated: what may stand here, and what it means. It runs the platform of
// `make demo` (web → api → worker, with PostgreSQL). Everything that is left out has a default; docs/declaration.md has
// the whole list. `veza validate` checks this file and reports all mistakes at once.
import { definePlatform, secret } from 'veza-deploy';

export default definePlatform({
  // Lower-case letters, digits and hyphens, as for every name in this file.
  name: 'demo',

  // Deployable parts. Each becomes releases of its own; instances of one release form a slot, blue or green.
  services: {
    web: {
      // Folder of the source, relative to this file. Builds run in a clean copy of what is committed there.
      source: 'examples/demo/services/web',
      // How the artifact comes out of the source. A text is split at blanks and quotes as a shell would do; there is no
      // shell, so no pipes, variables or `&&`. Several commands: `commands: ['npm ci', 'npm run build']`. `output` is the
      // folder that becomes the artifact: `.` is all of it, which is the default.
      build: { command: 'npm ci --omit=dev --no-audit --no-fund', output: '.' },
      // The program of an instance. It gets PORT and HOST to listen on, what `environment` declares, and nothing else.
      run: 'node server.ts',
      // Running copies in a slot.
      instances: 2,
      // How an instance is known to be well. `health: '/ready'` is the short form. Three probes have three meanings:
      health: {
        // Has it started at all? 200ms × 150: it has 30 seconds. Until then the others do not count.
        startup: { path: '/health', interval: '200ms', failures: 150 },
        // May it get traffic now? While this fails it gets none, and goes on running.
        readiness: { path: '/ready', interval: '500ms', failures: 2 },
        // Must it be restarted? Check the instance alone here, never its database: a restart heals no database.
        liveness: { path: '/health', interval: '10s', failures: 3 },
        // Ready without a break for this long before it counts.
        stableFor: '500ms',
      },
      // What users reach. A service without a route is reached by other services only, at its internal address.
      route: {
        // Without `hosts` every host is answered: hosts: ['shop.example.com', '*.shop.example.com'].
        // Path prefixes; the longest match wins, so /api goes to the api.
        paths: ['/'],
        // During a canary a user stays with the release that answered first (a signed cookie).
        sticky: true,
        // A request with this header goes to the candidate while there is one: for your own tests.
        canaryHeader: { name: 'canary', value: 'true' },
      },
      // A usual set of headers for browsers (docs/edge.md). `headers: { 'x-frame-options': 'DENY' }` changes or adds one.
      securityHeaders: true,
      // Answers that gain by it are compressed by the gateway; this is the default.
      compress: true,
      // Services that this one calls. It finds each of them at an address in its environment (here: API_URL), and in a
      // train they are deployed before it.
      dependencies: ['api'],
      // A name from `strategies` below, or the built-in `canary` (the default), `blue-green`, `rolling`.
      strategy: 'brisk',
      // Checks between phases. Smoke tests see the candidate before any user does; a path must answer 200.
      gates: { smoke: ['/ready'] },
    },

    api: {
      source: 'examples/demo/services/api',
      build: 'npm ci --omit=dev --no-audit --no-fund',
      run: 'node server.ts',
      health: {
        path: '/ready',
        startup: { path: '/health', interval: '200ms', failures: 150 },
        readiness: { interval: '500ms', failures: 2 },
        stableFor: '500ms',
      },
      route: { paths: ['/api'] },
      // How much users may ask for: a request above is answered with 429. `per: 'route'` is one allowance for all.
      rateLimits: [{ requests: 10_000, window: '1s', per: 'client', path: '/api' }],
      // Users do not reach /metrics, /health, /healthz, /livez, /readyz and the paths of the probes, except for these.
      expose: [],
      dependencies: ['worker'],
      // Resources that this one uses. PostgreSQL is found at DATABASE_URL.
      resources: ['db'],
      // Variables of an instance. Numbers and booleans become text. A secret is a reference to the secret store
      // (SESSION_KEY: secret('session-key')): values of secrets never stand in this file, and `veza validate` refuses
      // variables that look as if they did.
      environment: { LOG_LEVEL: 'info' },
      // What the router grants the service.
      proxy: {
        responseTimeout: '10s',
        idleTimeout: '5m',
        maxBody: '20MB',
        // Requests in flight get this long when an instance is taken out; streams are told at the end of it.
        drain: '10s',
      },
      // How an instance is stopped: SIGTERM, then so much time, then SIGKILL.
      stop: { grace: '10s' },
      // What becomes of an instance that exits: restarted with a growing delay; too often, and it is a crash loop.
      restart: { backoff: '500ms', maxBackoff: '10s', crashLoopAfter: 3, window: '2m' },
      // A second port for metrics, in METRICS_PORT, where no user gets at any path: `metrics: '/metrics'`. Null: none.
      metrics: null,
      // Upper bounds of an instance, where the machine can hold them (`veza doctor` says whether it can). "512MB" counts
      // in thousands, "512MiB" in 1024s.
      limits: { memory: '512MiB', cpus: 1 },
      strategy: 'brisk',
      gates: {
        // A request or a command may be checked, too.
        smoke: ['/ready', { path: '/health', status: 200, timeout: '5s' }],
        // Run once before the candidate starts. Stable still runs then, so they may add and move, and not take away: that is
        // for `veza migrations contract`, later. `schema: 'api'` would keep them apart from those of other services.
        migrations: { resource: 'db', directory: 'migrations' },
      },
    },

    worker: {
      source: 'examples/demo/services/worker',
      run: 'node server.ts',
      health: {
        path: '/ready',
        startup: { path: '/health', interval: '200ms', failures: 150 },
        readiness: { interval: '500ms', failures: 2 },
        stableFor: '500ms',
      },
      strategy: 'brisk',
      gates: { smoke: ['/ready'] },
    },
  },

  // Backing services: attached to the platform, never part of a release. `embedded` is started by `veza up`.
  resources: {
    db: { kind: 'postgres', mode: 'embedded', database: 'demo' },
  },

  // Ways to bring a release to users.
  strategies: {
    // What a person watching wants: the same phases as in production, in seconds.
    brisk: {
      kind: 'canary',
      // Weights of the candidate. 100 % less `holdback` follows the last one by itself.
      steps: [5, 25, 50],
      hold: '5s',
      // Share that stays on stable through the watch window, to compare with.
      holdback: '5%',
      // After the switch: how long the old slot can still take everything back by itself.
      watch: '10s',
      // After the commit: how long a rollback is one write of the router.
      keepWarm: '30s',
      // Broken, a release is taken back whatever the comparison says. These are the defaults but for the count.
      limits: { minSuccess: '99%', maxP99: '500ms', minRequests: 50 },
      // How sure the comparison of both releases must be: `careful`, `balanced` (the default) or `fast`.
      analysis: 'fast',
      // A newer release that arrives meanwhile: `supersede` (the default), `queue` or `refuse`.
      onNew: 'supersede',
    },
    // What production wants. A step may have a time of its own, and every phase has a deadline.
    careful: {
      kind: 'canary',
      // Before any user is on the candidate it gets copies of requests that cannot change anything; answers are compared.
      steps: [{ mirror: '1m', share: '20%' }, { weight: 1, hold: '5m' }, 5, 25, 50],
      // The word's numbers, but for what is said here; and what is compared besides errors and latency.
      analysis: {
        level: 'careful',
        bake: '2m',
        metrics: { 'bad requests': { from: 'client-errors', weight: '5%' } },
      },
      hold: '2m',
      watch: '10m',
      keepWarm: '1h',
      deadlines: { starting: '5m', paused: '8h' },
    },
    // The built-in names can be given other values, too; this is what `rolling` means here.
    rolling: { kind: 'rolling', batch: '50%', hold: '10s' },
  },

  // Where the platform runs. Without this section: `development` on this machine.
  environments: {
    development: {
      // Processes of this machine behind the built-in gateway. `listen` is where users come in (":8080" is every
      // interface), `ports` is where instances and internal addresses get theirs.
      target: { kind: 'process', listen: '127.0.0.1:8080', ports: '42000-42999' },
    },

    staging: {
      target: { kind: 'process', listen: '127.0.0.1:8081', ports: '43000-43999' },
      // What differs here. Objects are merged, everything else is replaced. `source` and `build` cannot differ: one
      // artifact goes through all environments.
      overrides: {
        api: { environment: { LOG_LEVEL: 'debug' } },
      },
    },

    production: {
      target: {
        kind: 'process',
        listen: '127.0.0.1:8082',
        ports: '44000-44999',
        // Where users come in over TLS. A real one has certificates from `{ kind: 'files' }` or `{ kind: 'acme' }`.
        https: { listen: '127.0.0.1:8443', certificates: [{ kind: 'development' }] },
        // A line a request, without personal data.
        accessLog: true,
      },
      overrides: {
        web: { instances: 3, strategy: 'careful' },
        api: { instances: 3, strategy: 'careful' },
        worker: { strategy: 'careful' },
      },
      // A resource may be another one here, reached by a URL from the secret store.
      resources: {
        db: { kind: 'postgres', mode: 'external', url: secret('database-url') },
      },
      gates: {
        // The same artifact must have succeeded there first. This is the default for production.
        requires: 'staging',
        // A person must approve: `veza approve`.
        approval: true,
        // Releases of uncommitted changes are refused; only `development` takes them by default.
        allowDirty: false,
        // A step whose time passes without traffic proves nothing: wait for a person.
        idle: 'pause',
      },
    },
  },
});
