import { z } from 'zod';
import { count, either, flag, listOf, strict, text } from './schema-parts.ts';
import { overrideSchema, serviceSchema } from './schema-service.ts';
import { imagesSchema } from './schema-images.ts';
import { strategySchema } from './schema-strategy.ts';
import { accessLogSchema, httpsSchema } from './schema-edge.ts';
import {
  absolutePath,
  duration,
  listenAddress,
  name,
  pinnedImage,
  portRange,
  secretReference,
  subnet,
} from './schema-values.ts';

/** Which keys belong to which kind and mode is checked with names, so that the message can say it. */
export const resourceSchema = strict(
  {
    kind: z
      .enum(['postgres', 'redis', 'storage'], { error: '`postgres`, `redis` or `storage`' })
      .describe('PostgreSQL, Redis, or storage of objects: a folder or an S3 bucket.'),
    mode: z.enum(['embedded', 'external']).describe('Default: external when there is a url, else embedded.').optional(),
    database: text('the name of a database')
      .regex(/^[a-z_][a-z0-9_]{0,62}$/, { error: 'the name of a database: lower-case letters, digits and `_`' })
      .describe('Name of the embedded database (postgres only); default: the name of the resource.')
      .optional(),
    url: secretReference.optional(),
  },
  'a resource such as { kind: "postgres" }',
);

const hostName = text('a name of lower-case letters, digits and hyphens').regex(/^[a-z][a-z0-9-]{0,30}$/, {
  error: 'a name of lower-case letters, digits and hyphens',
});

const ipv4 = (description: string) => {
  const error = 'an IPv4 address, such as "10.0.0.5"';
  return z.ipv4({ error }).describe(description);
};

const targetSchema = strict(
  {
    kind: z
      .enum(['process', 'docker'], { error: '`process` or `docker`' })
      .describe('What instances are: processes of this machine, or containers of its Docker Engine.'),
    socket: absolutePath('Socket of the Docker Engine; only with `docker`; default /var/run/docker.sock.').optional(),
    subnet: subnet(
      "Network of the environment's own bridge; only with `docker`; default 10.213.0.0/24 for the first environment, and so on.",
    ).optional(),
    hosts: listOf(
      strict(
        {
          name: hostName,
          engine: text('an Engine: "ssh://user@host", or the path of a socket')
            .regex(/^ssh:\/\/[\w.@:[\]-]+$|^\/[^\0]*$/, {
              error: 'an Engine: "ssh://user@host", or the path of a socket',
            })
            .describe("Its Docker Engine: by the user's own ssh, or a socket of this machine."),
          address: ipv4('Address at which its instances are reached from this machine.'),
        },
        'a host such as { name: "one", engine: "ssh://deploy@10.0.0.5", address: "10.0.0.5" }',
      ),
      'a list of hosts',
    )
      .min(1, { error: 'at least one host' })
      .max(100, { error: 'at most 100 hosts' })
      .describe('Docker hosts that share the instances; only with `docker`; default: this machine.')
      .optional(),
    machine: ipv4('Address of this machine as instances on `hosts` reach it.').optional(),
    atATime: count(1, 100, 'Hosts that get a release at the same time; only with `hosts`; default: all.').optional(),
    base: pinnedImage(
      "Image below those of services, by its digest; only with `docker`; default: made of this machine's Node.",
    ).optional(),
    listen: listenAddress.optional(),
    ports: portRange.optional(),
    router: z
      .enum(['gateway', 'haproxy'])
      .describe('What shares traffic; default gateway, the built-in one.')
      .optional(),
    https: httpsSchema.nullable().describe('Where users come in over TLS; null: nowhere.').optional(),
    workers: count(1, 256, 'Processes of the gateway that carry traffic; default: one a processor.').optional(),
    accessLog: accessLogSchema.optional(),
    linger: duration('Time that streams live on in a gateway process that was replaced; default 1h.').optional(),
  },
  'a target such as { kind: "process", listen: "127.0.0.1:8080" }',
);

const environmentGatesSchema = strict(
  {
    requires: either('the name of an environment, or null for none', [text('the name of an environment'), z.null()])
      .describe('A release must have succeeded there first; default: staging for production, if there is one.')
      .optional(),
    approval: flag('A person must approve every deployment; default false.').optional(),
    allowDirty: flag('Accept releases of uncommitted changes; default true for development only.').optional(),
    idle: z
      .enum(['pause', 'proceed'])
      .describe(
        'What a step does whose time passes without traffic; default: proceed in development and staging, else pause.',
      )
      .optional(),
  },
  'an object with `requires`, `approval`, `allowDirty` and `idle`',
);

const byName = <Value extends z.core.SomeType>(value: Value, what: string): z.ZodRecord<z.ZodString, Value> =>
  // The pattern is for the JSON Schema; names are checked with their uses, where the message can say more.
  z.record(z.string().meta({ pattern: '^[a-z][a-z0-9-]{0,30}$' }), value, { error: `an object of ${what} by name` });

/** An environment as one writes it. */
export const environmentSchema = strict(
  {
    target: targetSchema.optional(),
    overrides: byName(overrideSchema, 'settings of services').describe('Settings that differ here.').optional(),
    resources: byName(resourceSchema, 'resources').describe('Resources that differ here.').optional(),
    gates: environmentGatesSchema.optional(),
  },
  'an environment: an object with `target`, `overrides`, `resources` and `gates`',
);

/** The whole of `definePlatform({...})`. */
export const platformSchema = strict(
  {
    name: name('Name of the platform.'),
    services: byName(serviceSchema, 'services').describe('The deployable parts, by name.'),
    resources: byName(resourceSchema, 'resources').describe('Backing services, by name.').optional(),
    strategies: byName(strategySchema, 'strategies').describe('Ways to bring a release to users, by name.').optional(),
    environments: byName(environmentSchema, 'environments').describe('Where the platform runs, by name.').optional(),
    images: imagesSchema.describe('What images have to be like.').optional(),
  },
  'a platform: definePlatform({ name, services })',
);

export type DeclaredResource = z.output<typeof resourceSchema>;
export type DeclaredEnvironment = z.output<typeof environmentSchema>;
