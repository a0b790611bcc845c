import { expected, parsed, type Parsed } from './parsed.ts';
import type { HostPattern } from './quantities.ts';

const EXPECTED = 'a host name in lower case, such as "example.com" or "*.example.com", without scheme, port or path';

/** Reads the host of a route: labels of RFC 1123 in lower case, the first of which may be `*`. */
export function parseHostPattern(input: unknown): Parsed<HostPattern> {
  if (typeof input !== 'string') return expected(EXPECTED);
  return isHostPattern(input) ? parsed(input as HostPattern) : expected(EXPECTED, suggest(input));
}

function isHostPattern(text: string): boolean {
  const name = text.startsWith('*.') ? text.slice(2) : text;
  return (
    name.length > 0 &&
    text.length <= 253 &&
    name.split('.').every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label))
  );
}

function suggest(text: string): string | null {
  const bare = text
    .trim()
    .toLowerCase()
    .replace(/^[a-z+]+:\/\//, '')
    .replace(/[/?#].*$/, '')
    .replace(/:\d+$/, '')
    .replace(/\.$/, '')
    .replaceAll('_', '-');
  return isHostPattern(bare) ? bare : null;
}
