import type { z } from 'zod';
import { describe, mistake, type Mistake, type MistakePath } from './mistake.ts';
import { nearest } from './nearest.ts';
import { looksSecret } from './secret-names.ts';

type Issue = z.core.$ZodIssue;

/** What people who come from other tools write, and what it is called here. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  alpha: 'falseAlarms',
  args: 'run',
  beta: 'falsePasses',
  cert: 'certificate',
  certs: 'certificates',
  cmd: 'run',
  command: 'run',
  compression: 'compress',
  cpu: 'cpus',
  databases: 'resources',
  delta: 'tolerance',
  depends: 'dependencies',
  depends_on: 'dependencies',
  dependsOn: 'dependencies',
  dir: 'source',
  directory: 'source',
  domain: 'hosts',
  domains: 'hosts',
  env: 'environment',
  envs: 'environments',
  folder: 'source',
  gracePeriod: 'grace',
  gzip: 'compress',
  hard_limits: 'limits',
  healthcheck: 'health',
  healthCheck: 'health',
  host: 'hosts',
  interval: 'every',
  mem: 'memory',
  path: 'paths',
  query: 'events',
  rateLimit: 'rateLimits',
  rate_limit: 'rateLimits',
  replicas: 'instances',
  root: 'source',
  routes: 'route',
  scale: 'instances',
  ssl: 'https',
  source: 'from',
  start: 'run',
  timeout: 'responseTimeout',
  tls: 'https',
  type: 'from',
  url: 'path',
  variables: 'environment',
  vars: 'environment',
  weights: 'steps',
  word: 'level',
};

/**
 * Turns Zod's issues into mistakes.
 *
 * @param root the value that was checked, for what stood there
 * @param base path of that value in the declaration
 */
export function mistakesOf(issues: readonly Issue[], root: unknown, base: MistakePath): Mistake[] {
  return issues.flatMap((issue) => translate(issue, root, base, []));
}

function translate(issue: Issue, root: unknown, base: MistakePath, above: MistakePath): Mistake[] {
  const inside = [...above, ...issue.path.map((part) => (typeof part === 'number' ? part : String(part)))];
  const path = [...base, ...inside];
  const value = valueAt(root, inside);
  const got = describeAt(path, value);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey([...path, key], issue.message.split(' ')));
    case 'invalid_value': {
      const values = issue.values.map(String);
      return [mistake({ path, expected: oneOf(values), got, suggestion: suggestOne(value, values) })];
    }
    case 'invalid_union':
      return union(issue, root, base, inside);
    case 'custom':
      return [mistake({ path, expected: issue.message, got, suggestion: suggestionOf(issue) })];
    default:
      return [mistake({ path, expected: issue.message, got })];
  }
}

function union(
  issue: Issue & { code: 'invalid_union' },
  root: unknown,
  base: MistakePath,
  inside: MistakePath,
): Mistake[] {
  const path = [...base, ...inside];
  const value = valueAt(root, inside);
  const got = describeAt(path, value);
  if (issue.discriminator !== undefined && issue.errors.length === 0) {
    const options = ('options' in issue ? (issue.options ?? []) : []).map(String);
    if (typeof value === 'object' && value !== null) return [mistake({ path, expected: issue.message, got })];
    return [
      mistake({
        path,
        expected: options.length > 0 ? oneOf(options) : issue.message,
        got,
        suggestion: suggestOne(value, options),
      }),
    ];
  }
  // A branch that accepts the value's own type is the one that was meant; what is wrong inside of it is the mistake.
  const meant = issue.errors
    .filter((branch) => !branch.some((nested) => nested.path.length === 0 && nested.code !== 'unrecognized_keys'))
    .sort((a, b) => weight(a) - weight(b))[0];
  if (meant !== undefined) return meant.flatMap((nested) => translate(nested, root, base, inside));
  // A text (or list) that a parser of units refused: the parser knows better than the union what is wrong with it.
  const refusals = issue.errors.flat().filter((nested) => nested.path.length === 0 && nested.code === 'custom');
  const [refusal] = refusals;
  if (refusal !== undefined && (typeof value === 'string' || Array.isArray(value))) {
    return [mistake({ path, expected: refusal.message, got, suggestion: suggestionOf(refusal) })];
  }
  return [
    mistake({ path, expected: issue.message, got, suggestion: refusal === undefined ? null : suggestionOf(refusal) }),
  ];
}

/** Fewer wrong things inside: the likelier branch. An unknown key is as wrong as a missing one. */
const weight = (branch: readonly Issue[]): number =>
  branch.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : 1), 0);

/** The mistake of a key that does not exist. */
export function unknownKey(path: MistakePath, known: readonly string[]): Mistake {
  const key = String(path.at(-1));
  const other = Object.hasOwn(OTHER_WORDS, key) ? OTHER_WORDS[key] : undefined;
  const suggestion = other !== undefined && known.includes(other) ? other : nearest(key, known);
  return mistake({
    path,
    expected: known.length === 1 ? `no other key than ${oneOf(known)}` : `one of the keys ${oneOf(known)}`,
    got: `the unknown key \`${shorten(key)}\``,
    suggestion,
  });
}

/** "`a`, `b` or `c`". */
export function oneOf(names: readonly string[]): string {
  const quoted = names.map((name) => `\`${name}\``);
  const last = quoted.pop() ?? '';
  return quoted.length === 0 ? last : `${quoted.join(', ')} or ${last}`;
}

function suggestOne(value: unknown, options: readonly string[]): string | null {
  return typeof value === 'string' ? nearest(value, options) : null;
}

function suggestionOf(issue: Issue): string | null {
  const suggestion: unknown = issue.code === 'custom' ? issue.params?.['suggestion'] : null;
  return typeof suggestion === 'string' ? suggestion : null;
}

function valueAt(root: unknown, path: MistakePath): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = Reflect.get(value, part);
  }
  return value;
}

/** What stood there, but never the text of something that may be a secret. */
function describeAt(path: MistakePath, value: unknown): string {
  const isText = typeof value === 'string' || typeof value === 'number';
  const hidden = path.some(
    (part) => part === 'url' || part === 'secret' || (typeof part === 'string' && looksSecret(part)),
  );
  return isText && hidden ? 'a literal text' : describe(value);
}

const shorten = (text: string): string => (text.length > 40 ? `${text.slice(0, 39)}…` : text);
