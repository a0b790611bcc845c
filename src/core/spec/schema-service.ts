import { z } from 'zod';
import type { CommandLine } from './declaration-values.ts';
import type { Command } from '../units/quantities.ts';
import { count, either, flag, listOf, strict, text } from './schema-parts.ts';
import { edgeSettings } from './schema-edge.ts';
import { strategySchema } from './schema-strategy.ts';
import {
  addressReference,
  command,
  duration,
  folder,
  host,
  pathPrefix,
  secretReference,
  size,
  urlPath,
} from './schema-values.ts';

const probe = strict(
  {
    path: urlPath('Path that answers 2xx or 3xx.').optional(),
    tcp: flag('A connection to the port is enough.').optional(),
    interval: duration('Time between two checks.', 10).optional(),
    timeout: duration('Time for one check.', 10).optional(),
    failures: count(1, 10_000, 'Failures in a row that count as a failure.').optional(),
  },
  'a probe, such as { path: "/health", interval: "1s" }',
);

const health = strict(
  {
    path: urlPath('Path for startup and readiness.').optional(),
    startup: probe.describe('Has it started at all? Default every 200ms, 300 times.').optional(),
    readiness: probe.describe('May it get traffic now? Default every 1s, 3 failures in a row.').optional(),
    liveness: probe.nullable().describe('Must it be restarted? Default null: only when it exits.').optional(),
    stableFor: duration('Ready for so long before an instance counts as ready; default 1s.').optional(),
  },
  'a path such as "/health", or an object with `path`, `startup`, `readiness`, `liveness`',
);

const route = strict(
  {
    hosts: listOf(host, 'a list of hosts, such as ["example.com"]').describe('Default: every host.').optional(),
    paths: listOf(pathPrefix, 'a list of path prefixes, such as ["/"]')
      .min(1, { error: 'at least one path prefix, such as "/"' })
      .describe('Path prefixes, longest match wins; default "/".')
      .optional(),
    sticky: flag('A user keeps his arm during a canary; default true.').optional(),
    canaryHeader: strict(
      {
        name: text('the name of a header').regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, {
          error: 'the name of a header, such as "canary"',
        }),
        value: text('the value of a header').regex(/^[!-~]{1,128}$/, {
          error: 'the value of a header in visible ASCII, such as "true"',
        }),
      },
      'a header such as { name: "canary", value: "true" }, or null for none',
    )
      .nullable()
      .describe('Header that sends a request to the candidate; default `canary: true`.')
      .optional(),
  },
  'a route such as { hosts: ["example.com"], paths: ["/"] }',
);

const build = strict(
  {
    command: command('One build command.').optional(),
    commands: listOf(command('A build command.'), 'a list of commands, such as ["npm ci", "npm run build"]')
      .describe('Build commands, one after the other.')
      .optional(),
    output: folder('Folder, relative to the source, that becomes the artifact; default ".".').optional(),
  },
  'a command such as "npm ci", or an object with `command` or `commands`, and `output`',
);

/** What a smoke check starts with decides which one it is. */
const smokeRequest = strict(
  {
    path: urlPath('Path on the preview address.'),
    name: text('a text').min(1, { error: 'a text that is not empty' }).optional(),
    method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']).optional(),
    status: count(100, 599, 'Status that the answer must have; default 200.').optional(),
    body: text('a text').describe('Text that the answer must contain.').optional(),
    timeout: duration('Default 10s.', 1).optional(),
  },
  'a request with `path`',
);

const smokeCommand = strict(
  {
    command: command('Run in the release folder with VEZA_PREVIEW_URL set; exit status 0 passes.'),
    name: text('a text').min(1, { error: 'a text that is not empty' }).optional(),
    timeout: duration('Default 1m.', 1).optional(),
  },
  'a command with `command`',
);

const smoke = either('a path such as "/health", an object with `path`, or an object with `command`', [
  smokeRequest,
  smokeCommand,
  urlPath('Path that must answer 200.'),
]);

const EXPECTED_SCHEMA = 'the name of a schema: lower-case letters, digits and `_`, and none of PostgreSQL itself';

const migrations = strict(
  {
    directory: folder('Folder of the migrations in the artifact.'),
    resource: text('the name of a resource').describe('The resource they change.').optional(),
    schema: text(EXPECTED_SCHEMA)
      .regex(/^(?!pg_|information_schema$)[a-z_][a-z0-9_]{0,62}$/, { error: EXPECTED_SCHEMA })
      .describe('Schema of the database that they run in, made when it is not there; default: the one of the login.')
      .optional(),
  },
  'an object such as { resource: "db", directory: "migrations", schema: "api" }',
);

/** Left out in an override, `run` is inherited; everything else may always be left out. */
const settings = {
  instances: count(1, 10_000, 'Running copies in a slot; default 2.').optional(),
  health: either('a path such as "/health", or an object with `path`, `startup`, `readiness`, `liveness`', [
    health,
    urlPath('Path that answers 2xx or 3xx.'),
  ])
    .describe('How an instance is known to be well.')
    .optional(),
  stop: strict(
    { grace: duration('Time between SIGTERM and SIGKILL; default 10s.').optional() },
    'an object such as { grace: "10s" }',
  ).optional(),
  restart: strict(
    {
      backoff: duration('Wait before the first restart, doubled after each; default 500ms.', 10).optional(),
      maxBackoff: duration('Longest wait; default 30s.', 10).optional(),
      crashLoopAfter: count(1, 1_000, 'More exits than this within `window` is a crash loop; default 3.').optional(),
      window: duration('Default 2m.', 1_000).optional(),
    },
    'an object with `backoff`, `maxBackoff`, `crashLoopAfter` and `window`',
  ).optional(),
  route: route.nullable().describe('Hosts and paths that users reach; null: none.').optional(),
  proxy: strict(
    {
      responseTimeout: duration('Time to the first byte of the answer; default 30s.', 1).optional(),
      idleTimeout: duration('Time without a byte before a connection is given up; default 5m.', 1).optional(),
      maxBody: size('Largest request body; default 100MB; null: no limit.').nullable().optional(),
      drain: duration('Time for what is in flight while an instance is taken out; default 30s.').optional(),
    },
    'an object with `responseTimeout`, `idleTimeout`, `maxBody` and `drain`',
  )
    .describe('Limits of the router for this service.')
    .optional(),
  ...edgeSettings,
  metrics: urlPath(
    'Path of the metrics on METRICS_PORT, a second port of each instance that no user reaches; default null: none.',
  )
    .nullable()
    .optional(),
  limits: strict(
    {
      memory: size('Memory of an instance.').nullable().optional(),
      cpus: z
        .number({ error: 'a number of processors, such as 0.5' })
        .min(0.01, { error: 'a number of processors from 0.01' })
        .max(1_024, { error: 'a number of processors up to 1024' })
        .describe('Processors of an instance, such as 0.5.')
        .nullable()
        .optional(),
    },
    'an object with `memory` and `cpus`',
  ).optional(),
  environment: z
    .record(
      z.string(),
      either("a text, a number, true, false, secret('name') or address('service')", [
        text('a text'),
        z.number({ error: 'a number' }),
        z.boolean({ error: 'true or false' }),
        secretReference,
        addressReference,
      ]),
      { error: 'an object of variables, such as { LOG_LEVEL: "info" }' },
    )
    .describe('Variables of an instance.')
    .optional(),
  data: z
    .enum(['shared'])
    .describe('A folder that outlives releases; all instances of both slots use it at once.')
    .nullable()
    .optional(),
  strategy: either('the name of a strategy, or an object with `kind`', [strategySchema, text('the name of a strategy')])
    .describe('How a new release gets its traffic; default canary.')
    .optional(),
  gates: strict(
    {
      smoke: listOf(smoke, 'a list of checks, such as ["/health"]')
        .describe('Checks of the candidate before any user reaches it.')
        .optional(),
      migrations: migrations.nullable().describe('Run before the candidate starts.').optional(),
    },
    'an object with `smoke` and `migrations`',
  ).optional(),
};

const names = (what: string): z.ZodOptional<z.ZodArray<z.ZodString>> =>
  listOf(text(`the name of a ${what}`), `a list of names of ${what}s`).optional();

/** A service as one writes it. */
export const serviceSchema = strict(
  {
    source: folder('Folder of the source, relative to the folder of veza.config.ts.'),
    build: either('a command such as "npm ci", or an object with `command` or `commands`, and `output`', [
      build,
      command('One build command.'),
    ])
      .describe('How the artifact comes out of the source; left out: the source is the artifact.')
      .optional(),
    run: command('The program of an instance; it listens on the port in the variable PORT, or where {PORT} stands.'),
    dependencies: names('service').describe('Services that this one calls.'),
    resources: names('resource').describe('Resources that this one uses.'),
    ...settings,
  },
  'a service: an object with `source` and `run`',
);

const run: z.ZodOptional<z.ZodType<Command, CommandLine>> = command('The program of an instance.').optional();

/** What an environment may override for a service. */
export const overrideSchema = strict({ run, ...settings }, 'an object of settings that differ here');

export type DeclaredService = z.output<typeof serviceSchema>;
export type DeclaredOverride = z.output<typeof overrideSchema>;
