import { z } from 'zod';
import { count, either, flag, listOf, strict, text } from './schema-parts.ts';
import { duration, host, listenAddress, longDuration, machineFile, pathPrefix, webAddress } from './schema-values.ts';

const hosts = listOf(host, 'a list of hosts, such as ["example.com"]').min(1, {
  error: 'at least one host, such as "example.com"',
});

const certificate = z.discriminatedUnion(
  'kind',
  [
    strict(
      {
        kind: z.literal('files').describe('PEM files of this machine, read again when they change.'),
        certificate: machineFile('The certificate and those between it and its root.'),
        key: machineFile('Its private key.'),
      },
      'a certificate in files',
    ),
    strict(
      {
        kind: z.literal('development').describe('Signed by an authority that is made on this machine.'),
        hosts: hosts.describe('Default: the hosts of all routes, and localhost.').optional(),
      },
      'a certificate for development',
    ),
    strict(
      {
        kind: z.literal('acme').describe('Fetched and renewed by itself, proven over the plain listener.'),
        hosts: hosts.describe('Default: the hosts of all routes but for patterns.').optional(),
        email: text('an address of mail')
          .regex(/^[^\s@]+@[^\s@]+$/, { error: 'an address of mail, such as "ops@example.com"' })
          .max(320, { error: 'an address of mail of at most 320 characters' })
          .describe('Where the authority writes to when something is wrong.')
          .optional(),
        directory: webAddress("The authority's directory; default: Let's Encrypt.").optional(),
        trust: machineFile("PEM file of roots for a private authority's own TLS.").optional(),
      },
      'a certificate by ACME',
    ),
  ],
  { error: 'an object with `kind`: `files`, `development` or `acme`' },
);

export const httpsSchema = strict(
  {
    listen: listenAddress,
    minVersion: z.enum(['1.2', '1.3']).describe('Oldest version of TLS; default 1.2.').optional(),
    http2: flag('Offers HTTP/2 to users; default true.').optional(),
    redirect: flag('The plain listener redirects here; default true.').optional(),
    hsts: either('true, false, or an object with `maxAge`, `includeSubDomains` and `preload`', [
      strict(
        {
          maxAge: longDuration('Default 365d.').optional(),
          includeSubDomains: flag('Default false.').optional(),
          preload: flag('Agrees to be built into browsers; default false.').optional(),
        },
        'an object with `maxAge`, `includeSubDomains` and `preload`',
      ),
      flag('For a year.'),
    ])
      .describe('Tells browsers to come over TLS only; default false.')
      .optional(),
    certificates: listOf(certificate, 'a list of certificates, such as [{ kind: "development" }]')
      .min(1, { error: 'at least one certificate, such as { kind: "development" }' })
      .describe('One that fits the host is taken.'),
  },
  'an object with `listen` and `certificates`, or null for none',
);

export const accessLogSchema = either('true, false, or an object with `addresses`', [
  strict(
    {
      addresses: z.enum(['truncated', 'hashed']).describe('What is kept of a client; default truncated.').optional(),
    },
    'an object with `addresses`',
  ),
  flag('With truncated addresses.'),
]).describe('A line a request, without personal data; default false.');

const rateLimit = strict(
  {
    requests: count(1, 1_000_000_000, 'Requests in `window`.'),
    window: duration('Default 1s.', 1).optional(),
    burst: count(1, 1_000_000_000, 'Requests that may come at once; default: `requests`.').optional(),
    per: z
      .enum(['client', 'route'])
      .describe('Each client has its own allowance, or all share one; default client.')
      .optional(),
    path: pathPrefix.describe('Path prefix that it is for; default all.').optional(),
  },
  'a limit such as { requests: 10, window: "1s" }',
);

/** Settings of a service that concern the edge. */
export const edgeSettings = {
  headers: z
    .record(
      z.string(),
      either('a text, or null to take the header away', [
        text('a text').regex(/^[!-~](?:[\t -~]{0,3998}[!-~])?$/, {
          error: 'a text of visible ASCII characters and blanks between them, at most 4000',
        }),
        z.null(),
      ]),
      { error: 'an object of headers, such as { "x-frame-options": "DENY" }' },
    )
    .describe("Headers of users' answers, unless the instance has set them.")
    .optional(),
  securityHeaders: flag('A usual set of headers for browsers; default false.').optional(),
  compress: flag('Compresses answers that gain by it; default true.').optional(),
  rateLimits: listOf(rateLimit, 'a list of limits, such as [{ requests: 10, window: "1s" }]')
    .max(100, { error: 'at most 100 limits' })
    .describe('How much users may ask for; default none.')
    .optional(),
  expose: listOf(pathPrefix, 'a list of paths, such as ["/health"]')
    .describe('Paths that users may reach although they are kept from them otherwise.')
    .optional(),
};

export type DeclaredHttps = z.output<typeof httpsSchema>;
export type DeclaredRateLimit = z.output<typeof rateLimit>;
export type DeclaredAccessLog = z.output<typeof accessLogSchema>;
