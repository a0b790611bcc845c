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
    web: { source: 'web', run: 'node server.js', dependencies: ['api'], route: { paths: ['/'] }, strategy: 'blue-green' },
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

const api = (change: unknown): unknown => ({ services: { api: change } });
const careful = (change: unknown): unknown => ({ strategies: { careful: change } });
const production = (change: unknown): unknown => ({ environments: { production: change } });

const DURATION = 'a duration with its unit';
const FOLDER = 'a folder relative to this one';
const COMMAND = 'a program and its arguments';

export const WRONG_CONFIGS: readonly WrongConfig[] = [
  // The root
  { name: 'unknown section', change: { resource: {} }, path: 'resource', expected: 'one of the keys `name`, `services`', got: 'the unknown key `resource`', suggestion: 'resources' },
  { name: 'no name', change: { name: REMOVE }, path: 'name', expected: 'a name of lower-case letters', got: 'nothing', suggestion: null },
  { name: 'name with capitals and blanks', change: { name: 'My Shop' }, path: 'name', expected: 'a name of lower-case letters', got: '"My Shop"', suggestion: 'my-shop' },
  { name: 'no services', change: { services: REMOVE, environments: REMOVE }, path: 'services', expected: 'an object of services by name', got: 'nothing', suggestion: null },
  { name: 'services as a list', change: { services: ['api'], environments: REMOVE }, path: 'services', expected: 'an object of services by name', got: 'a list of 1', suggestion: null },
  { name: 'strategies as a text', change: { strategies: 'canary', services: { api: { strategy: 'canary' } } }, path: 'strategies', expected: 'an object of strategies by name', got: '"canary"', suggestion: null },
  // Names
  { name: 'service name with an underscore', change: { services: { order_mail: { source: 'm', run: 'x' } } }, path: 'services.order_mail', expected: 'a name of lower-case letters', got: '"order_mail"', suggestion: 'order-mail' },
  { name: 'environment name with a digit first', change: { environments: { '2nd': {} } }, path: 'environments["2nd"]', expected: 'a name of lower-case letters', got: '"2nd"', suggestion: 'nd' },
  { name: 'service and resource of one name', change: { services: { db: { source: 'd', run: 'x' } } }, path: 'resources.db', expected: 'a name that no service has', got: '"db", which is a service, too', suggestion: null },
  // A service
  { name: 'service is null', change: { services: { mail: null } }, path: 'services.mail', expected: 'a service: an object with `source` and `run`', got: 'null', suggestion: null },
  { name: 'misspelt key of a service', change: api({ helth: '/health' }), path: 'services.api.helth', expected: 'one of the keys `source`', got: 'the unknown key `helth`', suggestion: 'health' },
  { name: 'word of another tool', change: api({ replicas: 3 }), path: 'services.api.replicas', expected: '`instances`', got: 'the unknown key `replicas`', suggestion: 'instances' },
  { name: 'no source', change: api({ source: REMOVE }), path: 'services.api.source', expected: FOLDER, got: 'nothing', suggestion: null },
  { name: 'absolute source', change: api({ source: '/srv/api' }), path: 'services.api.source', expected: FOLDER, got: '"/srv/api"', suggestion: null },
  { name: 'source outside of the project', change: api({ source: '../api' }), path: 'services.api.source', expected: 'that does not leave it', got: '"../api"', suggestion: null },
  { name: 'no run command', change: api({ run: REMOVE }), path: 'services.api.run', expected: COMMAND, got: 'nothing', suggestion: null },
  { name: 'run is a number', change: api({ run: 8080 }), path: 'services.api.run', expected: COMMAND, got: '8080', suggestion: null },
  { name: 'run is blank', change: api({ run: '  ' }), path: 'services.api.run', expected: COMMAND, got: '"  "', suggestion: null },
  { name: 'run with a pipe', change: api({ run: 'node a.js | tee log' }), path: 'services.api.run', expected: 'without a pipe (|)', got: '"node a.js | tee log"', suggestion: null },
  { name: 'run with a variable', change: api({ run: 'serve --port $PORT' }), path: 'services.api.run', expected: 'variable or substitution ($PORT)', got: '"serve --port $PORT"', suggestion: null },
  { name: 'run with an open quote', change: api({ run: 'node "a.js' }), path: 'services.api.run', expected: 'with every " closed', got: '"node \\"a.js"', suggestion: null },
  { name: 'run with a variable in front', change: api({ run: 'NODE_ENV=production node a.js' }), path: 'services.api.run', expected: 'belong into `environment`', got: '"NODE_ENV=production node a.js"', suggestion: null },
  { name: 'build with two shell commands', change: api({ build: 'npm ci && npm run build' }), path: 'services.api.build', expected: '"and" list (&&)', got: '"npm ci && npm run build"', suggestion: null },
  { name: 'build with command and commands', change: api({ build: { command: 'npm ci' } }), path: 'services.api.build.command', expected: 'either `command` or `commands`', got: 'both of them', suggestion: null },
  { name: 'one of the build commands wrong', change: api({ build: { commands: ['npm ci', 'a > b'] } }), path: 'services.api.build.commands[1]', expected: 'redirection (>)', got: '"a > b"', suggestion: null },
  { name: 'instances as a text', change: api({ instances: '3' }), path: 'services.api.instances', expected: 'a whole number from 1 to 10000', got: '"3"', suggestion: null },
  { name: 'no instances at all', change: api({ instances: 0 }), path: 'services.api.instances', expected: 'a whole number from 1', got: '0', suggestion: null },
  { name: 'half an instance', change: api({ instances: 1.5 }), path: 'services.api.instances', expected: 'a whole number', got: '1.5', suggestion: null },
  { name: 'health without its slash', change: api({ health: 'health' }), path: 'services.api.health', expected: 'a path that starts with a slash', got: '"health"', suggestion: '/health' },
  { name: 'health path without its slash', change: api({ health: { path: 'health' } }), path: 'services.api.health.path', expected: 'a path that starts with a slash', got: '"health"', suggestion: '/health' },
  { name: 'health is a number', change: api({ health: 8080 }), path: 'services.api.health', expected: 'a path such as "/health", or an object', got: '8080', suggestion: null },
  { name: 'misspelt probe', change: api({ health: { readyness: {} } }), path: 'services.api.health.readyness', expected: '`readiness`', got: 'the unknown key `readyness`', suggestion: 'readiness' },
  { name: 'probe with path and tcp', change: api({ health: { startup: { path: '/up', tcp: true } } }), path: 'services.api.health.startup.tcp', expected: 'either `tcp: true` or a `path`', got: 'both of them', suggestion: null },
  { name: 'duration without unit', change: api({ stop: { grace: 30 } }), path: 'services.api.stop.grace', expected: DURATION, got: '30', suggestion: '30s' },
  { name: 'duration in words', change: api({ proxy: { drain: '30 seconds' } }), path: 'services.api.proxy.drain', expected: DURATION, got: '"30 seconds"', suggestion: '30s' },
  { name: 'duration of milliseconds as a number', change: api({ health: { readiness: { interval: 500 } } }), path: 'services.api.health.readiness.interval', expected: DURATION, got: '500', suggestion: '500ms' },
  { name: 'duration beyond all timers', change: api({ stop: { grace: '30d' } }), path: 'services.api.stop.grace', expected: 'at most 24 days', got: '"30d"', suggestion: '24d' },
  { name: 'size as other tools write it', change: api({ limits: { memory: '512Mi' } }), path: 'services.api.limits.memory', expected: 'a size with its unit', got: '"512Mi"', suggestion: '512MiB' },
  { name: 'size as a number', change: api({ proxy: { maxBody: 1_000_000 } }), path: 'services.api.proxy.maxBody', expected: 'a size with its unit', got: '1000000', suggestion: '1MB' },
  { name: 'no processor', change: api({ limits: { cpus: 0 } }), path: 'services.api.limits.cpus', expected: 'a number of processors', got: '0', suggestion: null },
  { name: 'backoff that shrinks', change: api({ restart: { backoff: '10s', maxBackoff: '1s' } }), path: 'services.api.restart.maxBackoff', expected: 'at least the 10s of `backoff`', got: '1s', suggestion: null },
  // Routes
  { name: 'route path without its slash', change: api({ route: { paths: ['v1'] } }), path: 'services.api.route.paths[0]', expected: 'a path prefix that starts with a slash', got: '"v1"', suggestion: '/v1' },
  { name: 'route path with a pattern', change: api({ route: { paths: ['/v1/*'] } }), path: 'services.api.route.paths[0]', expected: 'a path prefix', got: '"/v1/*"', suggestion: '/v1/' },
  { name: 'route without paths', change: api({ route: { paths: [] } }), path: 'services.api.route.paths', expected: 'at least one path prefix', got: 'an empty list', suggestion: null },
  { name: 'host with a scheme', change: api({ route: { hosts: ['https://api.example.com/'] } }), path: 'services.api.route.hosts[0]', expected: 'a host name in lower case', got: '"https://api.example.com/"', suggestion: 'api.example.com' },
  { name: 'host in capitals', change: api({ route: { hosts: ['API.example.com'] } }), path: 'services.api.route.hosts[0]', expected: 'a host name in lower case', got: '"API.example.com"', suggestion: 'api.example.com' },
  { name: 'the same host twice', change: api({ route: { hosts: ['a.example.com', 'a.example.com'] } }), path: 'services.api.route.hosts[1]', expected: 'every entry once', got: '"a.example.com" again', suggestion: null },
  { name: 'two services on one path', change: api({ route: { hosts: REMOVE, paths: ['/'] } }), path: 'services.api.route', expected: 'hosts and paths that no other service claims', got: 'every host, path /, which `web` claims, too', suggestion: null },
  { name: 'canary header as a text', change: api({ route: { canaryHeader: 'canary' } }), path: 'services.api.route.canaryHeader', expected: 'a header such as', got: '"canary"', suggestion: null },
  // Names that are used
  { name: 'misspelt dependency', change: { services: { web: { dependencies: ['apii'] } } }, path: 'services.web.dependencies[0]', expected: 'the name of a service: `api`', got: '"apii"', suggestion: 'api' },
  { name: 'resource among dependencies', change: { services: { web: { dependencies: ['db'] } } }, path: 'services.web.dependencies[0]', expected: '`db` is a resource and belongs into `resources`', got: '"db"', suggestion: null },
  { name: 'service that depends on itself', change: api({ dependencies: ['api'] }), path: 'services.api.dependencies[0]', expected: 'not itself', got: '"api"', suggestion: null },
  { name: 'the same dependency twice', change: { services: { web: { dependencies: ['api', 'api'] } } }, path: 'services.web.dependencies[1]', expected: 'every entry once', got: '"api" again', suggestion: null },
  { name: 'dependencies in a circle', change: api({ dependencies: ['web'] }), path: 'services.web.dependencies[0]', expected: 'dependencies without a cycle', got: 'the cycle web → api → web', suggestion: null },
  { name: 'misspelt resource', change: { services: { web: { resources: ['dbb'] } } }, path: 'services.web.resources[0]', expected: 'the name of a resource: `db`', got: '"dbb"', suggestion: 'db' },
  { name: 'service among resources', change: api({ resources: ['db', 'web'] }), path: 'services.api.resources[1]', expected: '`web` is a service and belongs into `dependencies`', got: '"web"', suggestion: null },
  { name: 'misspelt strategy', change: api({ strategy: 'carefull' }), path: 'services.api.strategy', expected: 'the name of a strategy: `careful`', got: '"carefull"', suggestion: 'careful' },
  { name: 'misspelt built-in strategy', change: { services: { web: { strategy: 'bluegreen' } } }, path: 'services.web.strategy', expected: '`blue-green`', got: '"bluegreen"', suggestion: 'blue-green' },
  { name: 'migrations of a resource that is not attached', change: { services: { web: { gates: { migrations: { directory: 'm', resource: 'db' } } } } }, path: 'services.web.gates.migrations.resource', expected: 'a resource that the service lists in its `resources`', got: '"db", which it does not list', suggestion: null },
  { name: 'migrations of nothing', change: { services: { web: { gates: { migrations: { directory: 'm' } } } } }, path: 'services.web.gates.migrations.resource', expected: 'a resource in `resources`', got: 'nothing', suggestion: null },
  // Variables
  { name: 'password in the clear', change: api({ environment: { DB_PASSWORD: 'hunter2' } }), path: 'services.api.environment.DB_PASSWORD', expected: 'a reference to the secret store', got: 'a literal text', suggestion: "secret('db-password')" },
  { name: 'password in a URL', change: api({ environment: { CACHE: 'redis://user:hunter2@cache:6379' } }), path: 'services.api.environment.CACHE', expected: 'a reference to the secret store', got: 'a literal text', suggestion: "secret('cache')" },
  { name: 'password in an override', change: production({ overrides: { api: { environment: { STRIPE_API_KEY: 'sk_live_1' } } } }), path: 'environments.production.overrides.api.environment.STRIPE_API_KEY', expected: 'a reference to the secret store', got: 'a literal text', suggestion: "secret('stripe-api-key')" },
  { name: 'variable with a hyphen', change: api({ environment: { 'log-level': 'info' } }), path: 'services.api.environment.log-level', expected: 'a variable of letters, digits and `_`', got: '"log-level"', suggestion: 'LOG_LEVEL' },
  { name: 'variable that every instance gets', change: api({ environment: { PORT: 8080 } }), path: 'services.api.environment.PORT', expected: 'a variable other than PORT, HOST and VEZA_', got: '"PORT"', suggestion: null },
  { name: 'variable without a value', change: api({ environment: { LOG_LEVEL: null } }), path: 'services.api.environment.LOG_LEVEL', expected: "a text, a number, true, false, or secret('name')", got: 'null', suggestion: null },
  { name: 'secret without a name', change: api({ environment: { SESSION_KEY: { secret: '' } } }), path: 'services.api.environment.SESSION_KEY.secret', expected: 'the name of a secret', got: 'a literal text', suggestion: null },
  // Gates
  { name: 'smoke check without its slash', change: api({ gates: { smoke: ['health'] } }), path: 'services.api.gates.smoke[0]', expected: 'a path that starts with a slash', got: '"health"', suggestion: '/health' },
  { name: 'smoke check with a wrong status', change: api({ gates: { smoke: [{ path: '/health', status: 'ok' }] } }), path: 'services.api.gates.smoke[0].status', expected: 'a whole number from 100 to 599', got: '"ok"', suggestion: null },
  { name: 'smoke check with a wrong method', change: api({ gates: { smoke: [{ path: '/health', method: 'GTE' }] } }), path: 'services.api.gates.smoke[0].method', expected: '`GET`', got: '"GTE"', suggestion: 'GET' },
  { name: 'smoke command with a shell feature', change: api({ gates: { smoke: [{ command: 'curl a; curl b' }] } }), path: 'services.api.gates.smoke[0].command', expected: 'command list (;)', got: '"curl a; curl b"', suggestion: null },
  { name: 'the same smoke check twice', change: api({ gates: { smoke: ['/health', { path: '/health' }] } }), path: 'services.api.gates.smoke[1]', expected: 'every entry once', got: '"GET /health" again', suggestion: null },
  // Strategies
  { name: 'strategy without a kind', change: { strategies: { quick: { watch: '1m' } } }, path: 'strategies.quick.kind', expected: '`canary`, `blue-green` or `rolling`', got: 'nothing', suggestion: null },
  { name: 'misspelt kind', change: careful({ kind: 'canari' }), path: 'strategies.careful.kind', expected: '`canary`, `blue-green` or `rolling`', got: '"canari"', suggestion: 'canary' },
  { name: 'built-in name for another kind', change: { strategies: { canary: { kind: 'rolling' } } }, path: 'strategies.canary.kind', expected: '`canary`, because that is what `canary` means', got: '"rolling"', suggestion: 'canary' },
  { name: 'steps of a blue-green strategy', change: { strategies: { swap: { kind: 'blue-green', steps: [10] } } }, path: 'strategies.swap.steps', expected: 'one of the keys `kind`, `holdback`', got: 'the unknown key `steps`', suggestion: null },
  { name: 'weights that fall', change: careful({ steps: [5, 50, 25] }), path: 'strategies.careful.steps[2]', expected: 'a weight of more than the 50% before it', got: '25%', suggestion: null },
  { name: 'first weight of nothing', change: careful({ steps: [0, 50] }), path: 'strategies.careful.steps[0]', expected: 'a weight of more than 0', got: '0%', suggestion: null },
  { name: 'weight of more than everything', change: careful({ steps: [5, 120] }), path: 'strategies.careful.steps[1]', expected: 'a weight between 0 and 100', got: '120', suggestion: null },
  { name: 'last step that the holdback does not leave', change: careful({ steps: [5, 97] }), path: 'strategies.careful.steps[1]', expected: 'a weight below 95%', got: '97%', suggestion: null },
  { name: 'last step of 100', change: careful({ steps: [5, 25, 50, 100] }), path: 'strategies.careful.steps[3]', expected: 'follows the last step by itself', got: '100%', suggestion: null },
  { name: 'holdback of everything', change: { strategies: { swap: { kind: 'blue-green', holdback: 100 } } }, path: 'strategies.swap.holdback', expected: 'a holdback below 100 %', got: '100%', suggestion: null },
  { name: 'percentage without its sign', change: careful({ holdback: '5' }), path: 'strategies.careful.holdback', expected: 'a percentage between 0 and 100', got: '"5"', suggestion: '5%' },
  { name: 'misspelt limit', change: careful({ limits: { maxp99: '1s' } }), path: 'strategies.careful.limits.maxp99', expected: '`maxP99`', got: 'the unknown key `maxp99`', suggestion: 'maxP99' },
  { name: 'deadline shorter than a step', change: careful({ hold: '10m', deadlines: { stepping: '5m' } }), path: 'strategies.careful.deadlines.stepping', expected: 'more than the 10m that a step holds', got: '5m', suggestion: null },
  { name: 'deadline shorter than keepWarm', change: careful({ keepWarm: '1h', deadlines: { retiring: '30m' } }), path: 'strategies.careful.deadlines.retiring', expected: 'more than the 1h of `keepWarm`', got: '30m', suggestion: null },
  { name: 'deadline shorter than the startup probe', change: api({ strategy: { kind: 'canary', deadlines: { starting: '30s' } } }), path: 'services.api.strategy.deadlines.starting', expected: 'at least the 1m1s that the startup probe of `api` gives', got: '30s', suggestion: null },
  { name: 'more candidates than instances', change: { services: { web: { strategy: { kind: 'blue-green', minCandidates: 3 } } } }, path: 'services.web.strategy.minCandidates', expected: '`minCandidates` of at most 2', got: '3', suggestion: null },
  { name: 'batch of more than all instances', change: { services: { web: { strategy: { kind: 'rolling', batch: 4 } } } }, path: 'services.web.strategy.batch', expected: 'a batch of at most 2', got: '4', suggestion: null },
  { name: 'wrong reaction to a newer release', change: careful({ onNew: 'superseed' }), path: 'strategies.careful.onNew', expected: '`supersede`, `queue` or `refuse`', got: '"superseed"', suggestion: 'supersede' },
  // Resources
  { name: 'misspelt kind of resource', change: { resources: { db: { kind: 'postgress' } } }, path: 'resources.db.kind', expected: '`postgres`', got: '"postgress"', suggestion: 'postgres' },
  { name: 'external resource without a URL', change: { resources: { db: { mode: 'external' } } }, path: 'resources.db.url', expected: 'the URL of an external resource, as a secret', got: 'nothing', suggestion: "secret('database-url')" },
  { name: 'URL in the clear', change: { resources: { db: { mode: 'external', url: 'postgres://u:hunter2@db/shop' } } }, path: 'resources.db.url', expected: "secret('name')", got: 'a literal text', suggestion: null },
  { name: 'embedded resource with a URL', change: { resources: { db: { mode: 'embedded', url: { secret: 'database-url' } } } }, path: 'resources.db.url', expected: 'no `url`', got: "a secret's name", suggestion: null },
  { name: 'database name that needs quoting', change: { resources: { db: { database: 'Shop DB' } } }, path: 'resources.db.database', expected: 'the name of a database', got: '"Shop DB"', suggestion: null },
  // Environments
  { name: 'target of an unknown kind', change: production({ target: { kind: 'dokcer' } }), path: 'environments.production.target.kind', expected: '`process`', got: '"dokcer"', suggestion: null },
  { name: 'listen address that is only a port', change: production({ target: { listen: 8082 } }), path: 'environments.production.target.listen', expected: 'an address to listen on', got: '8082', suggestion: '127.0.0.1:8082' },
  { name: 'port that does not exist', change: production({ target: { listen: ':80800' } }), path: 'environments.production.target.listen', expected: 'an address to listen on', got: '":80800"', suggestion: null },
  { name: 'ports the wrong way round', change: production({ target: { ports: '44099-44000' } }), path: 'environments.production.target.ports', expected: 'a range of ports, lower end first', got: '"44099-44000"', suggestion: '44000-44099' },
  { name: 'ports too few', change: production({ target: { ports: '44000-44009' } }), path: 'environments.production.target.ports', expected: 'at least 17 ports (two slots of 7 instances', got: '10 ports: 44000-44009', suggestion: null },
  { name: 'listen port among the instances', change: production({ target: { listen: ':44050' } }), path: 'environments.production.target.listen', expected: "outside of the environment's own range 44000-44099", got: '0.0.0.0:44050', suggestion: null },
  { name: 'override of an unknown service', change: production({ overrides: { apii: { instances: 2 } } }), path: 'environments.production.overrides.apii', expected: 'the name of a service: `web` or `api`', got: '"apii"', suggestion: 'api' },
  { name: 'override of the source', change: production({ overrides: { api: { source: 'other' } } }), path: 'environments.production.overrides.api.source', expected: 'one artifact goes through all environments', got: '"other"', suggestion: null },
  { name: 'override with a wrong value', change: production({ overrides: { api: { health: { path: 'health' } } } }), path: 'environments.production.overrides.api.health.path', expected: 'a path that starts with a slash', got: '"health"', suggestion: '/health' },
  { name: 'override with too few instances for the strategy', change: { strategies: { careful: { minCandidates: 3 } }, environments: { production: { overrides: { api: { instances: 2 } } } } }, path: 'services.api.strategy', expected: '`minCandidates` of at most 2, the instances of `api`', got: '3', suggestion: null },
  { name: 'override of an unknown resource', change: production({ resources: { database: { kind: 'postgres' } } }), path: 'environments.production.resources.database', expected: 'the name of a resource: `db`', got: '"database"', suggestion: null },
  { name: 'gate on an unknown environment', change: production({ gates: { requires: 'stagging' } }), path: 'environments.production.gates.requires', expected: 'the name of an environment: `staging`', got: '"stagging"', suggestion: 'staging' },
  { name: 'environment that requires itself', change: production({ gates: { requires: 'production' } }), path: 'environments.production.gates.requires', expected: 'another environment, not itself', got: '"production"', suggestion: null },
  { name: 'environments that require each other', change: { environments: { staging: { gates: { requires: 'production' } } } }, path: 'environments.staging.gates.requires', expected: 'without a cycle', got: 'the cycle staging → production → staging', suggestion: null },
  { name: 'approval as a text', change: production({ gates: { approval: 'yes' } }), path: 'environments.production.gates.approval', expected: 'true or false', got: '"yes"', suggestion: null },
  { name: 'gate that only services have', change: production({ gates: { smoke: ['/health'] } }), path: 'environments.production.gates.smoke', expected: '`requires`, `approval`, `allowDirty` or `idle`', got: 'the unknown key `smoke`', suggestion: null },
];

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

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value);
