import { expected, parsed, type Parsed } from './parsed.ts';
import type { Name } from './quantities.ts';

const EXPECTED = 'a name of lower-case letters, digits and hyphens that starts with a letter, at most 31 characters';

/** Reads the name of a platform, service, environment, resource or strategy: `[a-z][a-z0-9-]{0,30}`. */
export function parseName(input: unknown): Parsed<Name> {
  if (typeof input !== 'string') return expected(EXPECTED);
  return isName(input) ? parsed(input as Name) : expected(EXPECTED, suggest(input));
}

const isName = (text: string): boolean => /^[a-z][a-z0-9-]{0,30}$/.test(text);

function suggest(text: string): string | null {
  const name = text
    .trim()
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
    .slice(0, 31)
    .replace(/-+$/, '');
  return isName(name) ? name : null;
}
