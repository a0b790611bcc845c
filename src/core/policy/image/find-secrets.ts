import {
  NO_SECRET_NAME,
  PLACEHOLDER,
  PRIVATE_KEY,
  SECRET_FILES,
  SECRET_VARIABLE,
  SECRET_WORD,
  TOKEN_ANCHOR,
  TOKEN_FORMATS,
  URL_LOGIN,
  WEAK_DEFAULT,
} from './secret-patterns.ts';

/** A secret that was found, without its value. */
export interface FoundSecret {
  readonly what: string;
  readonly severity: 'refuse' | 'warn';
  /** Where in the text it begins. */
  readonly index: number;
}

/**
 * What a text is, which decides what in it is an assignment: in settings every `NAME=value` is one, in code only a quoted
 * literal, in anything else nothing but documented formats are looked for.
 */
export type TextKind = 'environment' | 'settings' | 'code' | 'other';

export function textKindOf(path: string): TextKind {
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  if (/^\.env(?:\.|$)|\.env$/.test(name)) return 'environment';
  // What a package manager wrote is digests and addresses.
  if (
    /^(?:package-lock\.json|npm-shrinkwrap\.json|\.package-lock\.json|yarn\.lock|pnpm-lock\.yaml|cargo\.lock|go\.sum)$/.test(
      name,
    )
  )
    return 'other';
  if (
    /\.(?:ya?ml|json5?|ini|toml|conf|cfg|config|properties|xml|npmrc|pypirc|cnf)$|^\.(?:npmrc|pypirc|yarnrc)/.test(name)
  )
    return 'settings';
  if (/\.(?:[cm]?[jt]sx?|py|rb|php|go|rs|java|kt|scala|cs|sh|bash|pl|lua|ex|exs|swift|html?|vue|svelte)$/.test(name))
    return 'code';
  return 'other';
}

/** What a file is known to hold by its name. An empty file holds nothing. */
export function secretsByPath(path: string, size: number): readonly Omit<FoundSecret, 'index'>[] {
  if (size === 0) return [];
  return SECRET_FILES.filter((file) => file.path.test(path)).map(({ what, severity }) => ({ what, severity }));
}

/**
 * Secrets in a text.
 *
 * @param text a file, or a window of it; costs are linear in its length
 */
export function findSecrets(text: string, kind: TextKind): readonly FoundSecret[] {
  return [
    ...(TOKEN_ANCHOR.test(text) ? [...privateKeys(text), ...knownTokens(text), ...urlLogins(text, kind)] : []),
    ...(kind === 'environment' ? variables(text) : []),
    ...(kind === 'settings' || kind === 'code' ? assignments(text, kind) : []),
  ];
}

/** The secrets in one `NAME=value`, as environments of processes have them. */
export function secretsOfVariable(assignment: string): readonly Omit<FoundSecret, 'index'>[] {
  return [
    ...variables(assignment),
    ...privateKeys(assignment),
    ...knownTokens(assignment),
    ...urlLogins(assignment, 'environment'),
  ].map(({ what, severity }) => ({ what, severity }));
}

function privateKeys(text: string): readonly FoundSecret[] {
  return [...text.matchAll(PRIVATE_KEY)].flatMap((match) => {
    const body = text.slice(match.index + match[0].length, match.index + match[0].length + 400);
    // Line ends as a file, JSON or a program writes them, quotes of literals put together, and headers (RFC 1421).
    const plain = body.replace(/\\[nr]|["'`\s\\]|(?:Proc-Type|DEK-Info|Version|Comment): ?[^\\\n]{0,80}/g, '');
    if (!/^[+,]{0,4}[A-Za-z0-9+/]{40,}/.test(plain) || isMonotonous(plain.slice(0, 40))) return [];
    const type = (match[1] ?? '').trim();
    return [
      { what: type === '' ? 'a private key' : `a private key (${type})`, severity: 'refuse', index: match.index },
    ];
  });
}

/** `AAAA…` of a documentation. */
const isMonotonous = (text: string): boolean => new Set(text).size < 6;

function knownTokens(text: string): readonly FoundSecret[] {
  return TOKEN_FORMATS.flatMap(({ what, severity, pattern }) =>
    [...text.matchAll(pattern)]
      .filter(([found]) => !isMonotonous(found.slice(-16)))
      .map((match) => ({ what, severity, index: match.index })),
  );
}

const DOCUMENTATION_HOST =
  /(?:^|\.)(?:example(?:\.\w+)?|invalid|test|local(?:host)?|host(?:name)?|server|domain(?:\.\w+)?)(?::|$)|^(?:127\.|0\.0\.0\.0|\[?::1|proxy|foo|bar)/i;

function urlLogins(text: string, kind: TextKind): readonly FoundSecret[] {
  return [...text.matchAll(URL_LOGIN)].flatMap((match) => {
    const [, scheme = '', , password = '', host = ''] = match;
    if (PLACEHOLDER.test(password) || WEAK_DEFAULT.test(password) || /^[*.:x%]+|\$/.test(password)) return [];
    const isSettings = kind === 'environment' || kind === 'settings';
    if (!isSettings && (DOCUMENTATION_HOST.test(host) || !/\d/.test(password) || password.length < 8)) return [];
    return [
      {
        what: `a password in a URL (${scheme.toLowerCase()}, ${password.length} characters)`,
        severity: isSettings && !DOCUMENTATION_HOST.test(host) ? 'refuse' : 'warn',
        index: match.index,
      },
    ];
  });
}

const VARIABLE_LINE = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]{0,100})[ \t]*=[ \t]*(.{1,4096})$/gm;

function variables(text: string): readonly FoundSecret[] {
  return [...text.matchAll(VARIABLE_LINE)].flatMap((match) => {
    const [, name = '', raw = ''] = match;
    const judged = judgeVariable(name, unquoted(raw.trim()));
    return judged === null ? [] : [{ ...judged, index: match.index }];
  });
}

function judgeVariable(name: string, value: string): Omit<FoundSecret, 'index'> | null {
  if (!SECRET_VARIABLE.test(name) || NO_SECRET_NAME.test(name)) return null;
  if (value.length < 4 || PLACEHOLDER.test(value) || value.startsWith('/run/secrets/')) return null;
  const what = `a value of ${name}, ${value.length} characters`;
  return { what, severity: WEAK_DEFAULT.test(value) ? 'warn' : 'refuse' };
}

const unquoted = (text: string): string => /^(["'])(.*)\1(?:\s.*)?$/.exec(text)?.[2] ?? text.replace(/\s+#.*$/, '');

const NAME_BEFORE = /[\w.-]{0,40}$/;
const AFTER_WORD =
  /([\w-]{0,24})["']?\]?[ \t]{0,4}(?:=>|:=|[:=])[ \t]{0,4}("[^"\\\n]{8,512}"|'[^'\\\n]{8,512}'|`[^`\\\n]{8,512}`|[^\s"'`,;(){}[\]<>]{8,512})/y;

/** Names whose values are known to be something else. */
const HARMLESS_NAME =
  /(?:type|kind|name|url|uri|path|file|dir|id|hash|digest|sha\d*|length|count|limit|ttl|expir\w*|regexp?|pattern|prefix|suffix|endpoint|header|field|param\w*|format|label|title|message|error|description|placeholder|example|schema|class|style|icon|selector|event|action|method|public[_-]?key|csrf\w*|xsrf\w*)s?$/i;

function assignments(text: string, kind: 'settings' | 'code'): readonly FoundSecret[] {
  const found: FoundSecret[] = [];
  for (const word of text.matchAll(SECRET_WORD)) {
    AFTER_WORD.lastIndex = word.index + word[0].length;
    const match = AFTER_WORD.exec(text);
    if (match === null) continue;
    const [, rest = '', raw = ''] = match;
    const before = NAME_BEFORE.exec(text.slice(Math.max(0, word.index - 40), word.index))?.[0] ?? '';
    const name = `${before}${word[0]}${rest}`;
    const isQuoted = /^["'`]/.test(raw);
    if ((kind === 'code' && !isQuoted) || HARMLESS_NAME.test(name)) continue;
    const value = isQuoted ? raw.slice(1, -1) : raw;
    if (!isLikelySecret(value)) continue;
    found.push({ what: `a value of ${name}, ${value.length} characters`, severity: 'refuse', index: word.index });
  }
  return found;
}

/** Shortest value that is called random; below it, words and numbers of versions look the same. */
const SHORTEST_RANDOM = 16;

/**
 * Whether a value is random rather than written by a person: of characters of secrets only, neither words nor a placeholder,
 * with the entropy and the change between kinds of characters that random text of its length has.
 */
export function isLikelySecret(value: string): boolean {
  if (value.length < SHORTEST_RANDOM || !/^[\w+/=.~!@#$%^&*-]+$/.test(value)) return false;
  if (
    PLACEHOLDER.test(value) ||
    WEAK_DEFAULT.test(value) ||
    /example|placeholder|changeme|x{5}|1234567|abcdef/i.test(value)
  )
    return false;
  // Addresses, paths, numbers of versions, digests that say so.
  if (/^(?:https?:|\.{0,2}\/|sha\d+-|\d+(?:\.\d+)+)/.test(value)) return false;
  if (/^[0-9a-f]+$/i.test(value))
    return value.length >= 32 && /[a-f]/i.test(value) && /\d/.test(value) && entropy(value) > 3;
  // Words that something joins are names.
  const mixed = value
    .split(/[-_./+=~]+/)
    .filter((part) => part.length >= 8 && !/^[A-Z]?[a-z]+$|^[A-Z]+$|^\d+$/.test(part));
  if (mixed.reduce((sum, part) => sum + part.length, 0) < value.length / 2) return false;
  const kinds = [/[a-z]/, /[A-Z]/, /\d/].filter((kind) => kind.test(value)).length;
  return kinds >= 2 && /\d/.test(value) && entropy(value) >= 3.3 && changes(value) >= 0.25 * value.length;
}

/** Shannon's entropy of the characters, in bits each. */
export function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}

/** How often a small letter, a capital, a digit and others follow something of another kind. */
function changes(text: string): number {
  let [count, before] = [0, ''];
  for (const character of text) {
    const kind = /[a-z]/.test(character) ? 'a' : /[A-Z]/.test(character) ? 'A' : /\d/.test(character) ? '0' : '-';
    if (before !== '' && kind !== before) count += 1;
    before = kind;
  }
  return count;
}
