import { parsePinnedReference, type PinnedReference } from '../image/reference.ts';
import type { z } from 'zod';
import { parseListenAddress } from '../units/address.ts';
import { parseCommand } from '../units/command.ts';
import { parseDuration } from '../units/duration.ts';
import { parseHostPattern } from '../units/host.ts';
import { parseName } from '../units/name.ts';
import { expected, type Parsed } from '../units/parsed.ts';
import { parseFolder, parsePathPrefix, parseUrlPath } from '../units/path.ts';
import { parsePercent } from '../units/percent.ts';
import { parsePortRange, type PortRange } from '../units/port.ts';
import type { Bytes, Command, DurationMs, HostPattern, Name, Percent } from '../units/quantities.ts';
import { parseSize } from '../units/size.ts';
import { parseSubnet, type Subnet } from '../units/subnet.ts';
import type { ListenAddress } from '../units/address.ts';
import type { SecretValue } from './declaration.ts';
import type { CommandLine, Duration, Percentage, Size, UrlPath, WebUrl } from './declaration-values.ts';
import { strict, text, unit } from './schema-parts.ts';

/** Timers of the platform hold at most 2^31 − 1 ms, a bit less than 25 days. */
const LONGEST_MS = 24 * 86_400_000;

/** A duration of at least `leastMs` milliseconds. */
export function duration(description: string, leastMs = 0): z.ZodType<DurationMs, Duration> {
  const parse = (input: unknown): Parsed<DurationMs> => {
    const result = parseDuration(input);
    if (!result.ok) return result;
    if (result.value > LONGEST_MS) return expected('a duration of at most 24 days', '24d');
    return result.value < leastMs ? expected(`a duration of at least ${leastMs}ms`, `${leastMs}ms`) : result;
  };
  return unit(parse, {
    description,
    type: 'string',
    pattern: '^(\\d+(\\.\\d+)?(ms|s|m|h|d))+$',
    examples: ['500ms', '30s', '5m', '1h30m'],
  });
}

/** A duration that no timer waits for; a day at least, ten years at most. */
export const longDuration = (description: string): z.ZodType<DurationMs, Duration> =>
  unit(
    (input: unknown): Parsed<DurationMs> => {
      const result = parseDuration(input);
      if (!result.ok) return result;
      if (result.value > 3_650 * 86_400_000) return expected('a duration of at most 3650 days', '3650d');
      return result.value < 86_400_000 ? expected('a duration of at least a day', '1d') : result;
    },
    { description, type: 'string', pattern: '^(\\d+(\\.\\d+)?(ms|s|m|h|d))+$', examples: ['365d', '730d'] },
  );

export const size = (description: string): z.ZodType<Bytes, Size> =>
  unit(
    (input) => {
      const result = parseSize(input);
      return result.ok && result.value === 0 ? expected('a size of more than nothing, such as "256MB"') : result;
    },
    { description, type: 'string', pattern: '^\\d+(\\.\\d+)?([kKMGT]?B|[KMGT]iB)$', examples: ['256MB', '1GiB'] },
  );

export const percent = (description: string): z.ZodType<Percent, Percentage> =>
  unit(parsePercent, {
    description,
    type: ['number', 'string'],
    minimum: 0,
    maximum: 100,
    pattern: '^\\d{1,3}(\\.\\d+)?%$',
    examples: [5, '5%'],
  });

/** Instances at a time: how many, or which share of them. */
export type Batch = { readonly instances: number } | { readonly percent: Percent };

const EXPECTED_BATCH = 'a number of instances such as 1, or a share of them such as "25%"';

export const batch: z.ZodType<Batch, number | `${number}%`> = unit(
  (input): Parsed<Batch> => {
    if (typeof input === 'number') {
      return Number.isInteger(input) && input >= 1 && input <= 10_000
        ? { ok: true, value: { instances: input } }
        : expected(EXPECTED_BATCH, '1');
    }
    const result = parsePercent(input);
    if (!result.ok) return expected(EXPECTED_BATCH, typeof input === 'string' ? result.suggestion : null);
    return result.value === 0 ? expected(EXPECTED_BATCH) : { ok: true, value: { percent: result.value } };
  },
  {
    description: 'Instances replaced at a time: a number of them or a share.',
    type: ['integer', 'string'],
    minimum: 1,
    examples: [1, '25%'],
  },
);

export const urlPath = (description: string): z.ZodType<string, UrlPath> =>
  unit(parseUrlPath, { description, type: 'string', pattern: '^/', examples: ['/health'] });

export const pathPrefix: z.ZodType<string, UrlPath> = unit(parsePathPrefix, {
  description: 'Path prefix.',
  type: 'string',
  pattern: '^/[^?#*]*$',
  examples: ['/', '/api'],
});

const EXPECTED_FILE = 'a file by its whole path, such as "/etc/ssl/example.pem"';

/** A file of the machine that the gateway runs on: it is no part of a release, so it is not relative to the declaration. */
export const machineFile = (description: string): z.ZodType<string, UrlPath> =>
  unit(
    (input): Parsed<string> =>
      typeof input === 'string' && /^\/[^\0\n]+$/.test(input) && input.length <= 4_096
        ? { ok: true, value: input }
        : expected(EXPECTED_FILE),
    { description, type: 'string', pattern: '^/', examples: ['/etc/ssl/example.pem'] },
  );

export const webAddress = (description: string): z.ZodType<string, `https://${string}`> =>
  unit(
    (input): Parsed<string> =>
      typeof input === 'string' && /^https:\/\/[!-~]+$/.test(input) && URL.canParse(input)
        ? { ok: true, value: input }
        : expected('an address that starts with https://'),
    { description, type: 'string', pattern: '^https://', format: 'uri' },
  );

/** An address that may have placeholders behind its host. It is part of every release, so it is no place for a password. */
export const webUrl = (description: string): z.ZodType<string, WebUrl> =>
  unit(
    (input): Parsed<string> => {
      if (typeof input !== 'string' || !/^https?:\/\/[!-~]+$/.test(input) || !URL.canParse(input))
        return expected('an address such as "http://127.0.0.1:9090"');
      const { username, password } = new URL(input);
      return username === '' && password === ''
        ? { ok: true, value: input }
        : expected('an address without a user and a password, because a declaration is no place for secrets');
    },
    { description, type: 'string', pattern: '^https?://', format: 'uri', examples: ['http://127.0.0.1:9090'] },
  );

export const folder = (description: string): z.ZodType<string, string> =>
  unit(parseFolder, { description, type: 'string', minLength: 1, examples: ['services/api', '.'] });

export const name = (description: string): z.ZodType<Name, string> =>
  unit(parseName, { description, type: 'string', pattern: '^[a-z][a-z0-9-]{0,30}$' });

export const host: z.ZodType<HostPattern, string> = unit(parseHostPattern, {
  description: 'Host name; `*.` in front stands for one label.',
  type: 'string',
  examples: ['example.com', '*.example.com'],
});

export const listenAddress: z.ZodType<ListenAddress, `${string}:${number}`> = unit(parseListenAddress, {
  description: 'Address that users come in at; ":8080" is every interface.',
  type: 'string',
  examples: ['127.0.0.1:8080', ':8080', '[::1]:8080'],
});

export const portRange: z.ZodType<PortRange, `${number}-${number}`> = unit(parsePortRange, {
  description: 'Ports for instances and internal addresses, both ends included.',
  type: 'string',
  pattern: '^\\d{1,5}-\\d{1,5}$',
  examples: ['42000-42999'],
});

export const subnet = (description: string): z.ZodType<Subnet, `${string}/${number}`> =>
  unit(parseSubnet, { description, type: 'string', examples: ['10.213.0.0/24'] });

export const pinnedImage = (description: string): z.ZodType<PinnedReference, `${string}/${string}@sha256:${string}`> =>
  unit(parsePinnedReference, {
    description,
    type: 'string',
    examples: [`registry.example/node@sha256:${'0123456789abcdef'.repeat(4)}`],
  });

export const absolutePath = (description: string): z.ZodString => {
  const error = 'an absolute path, such as "/var/run/docker.sock"';
  return text(error)
    .regex(/^\/[^\0]*$/, { error })
    .describe(description);
};

export const command = (description: string): z.ZodType<Command, CommandLine> =>
  unit(parseCommand, {
    description: `${description} A text is split at blanks and quotes; no shell runs it.`,
    type: ['string', 'array'],
    items: { type: 'string' },
    minItems: 1,
    minLength: 1,
    examples: ['node server.js', ['node', 'server.js']],
  });

/** Names of secrets are free of what paths and variables cannot hold. */
export const secretReference: z.ZodType<SecretValue, SecretValue> = strict(
  {
    secret: text('the name of a secret').regex(/^[A-Za-z][A-Za-z0-9_.-]{0,127}$/, {
      error: 'the name of a secret: letters, digits, `-`, `_` and `.`, at most 128 characters',
    }),
  },
  "a reference to a secret: secret('name')",
).describe('A value from the secret store, by its name.');

export const addressReference = strict(
  { address: name('Name of a service.') },
  "the address of a service: address('name')",
).describe('The internal address of a service, without depending on it.');
