import { expected, parsed, type Parsed } from './parsed.ts';

const EXPECTED_URL_PATH = 'a path that starts with a slash, such as "/health"';
const EXPECTED_PREFIX = 'a path prefix that starts with a slash, such as "/" or "/api", without query or fragment';
const EXPECTED_FOLDER = 'a folder relative to this one that does not leave it, such as "services/api" or "."';

/** Reads the path (and query) of a request: starts with `/`, printable ASCII, no fragment (RFC 9112 section 3.2.1). */
export function parseUrlPath(input: unknown): Parsed<string> {
  if (typeof input !== 'string') return expected(EXPECTED_URL_PATH);
  return /^\/[!-~]*$/.test(input) && !input.includes('#')
    ? parsed(input)
    : expected(EXPECTED_URL_PATH, suggestPath(input));
}

/** Reads the path prefix of a route. A slash at its end is dropped: "/api/" and "/api" claim the same requests. */
export function parsePathPrefix(input: unknown): Parsed<string> {
  if (typeof input !== 'string') return expected(EXPECTED_PREFIX);
  if (!/^\/[!-~]*$/.test(input) || /[?#*]/.test(input)) return expected(EXPECTED_PREFIX, suggestPath(input));
  if (input.includes('//')) return expected(EXPECTED_PREFIX, input.replace(/\/{2,}/g, '/'));
  return parsed(input.length > 1 ? input.replace(/\/$/, '') : input);
}

/** Reads a relative folder and normalises it ("./services/api/" becomes "services/api"). */
export function parseFolder(input: unknown): Parsed<string> {
  if (typeof input !== 'string' || input === '' || /[\0\\]/.test(input)) return expected(EXPECTED_FOLDER);
  if (input.startsWith('/') || /^[A-Za-z]:/.test(input)) return expected(EXPECTED_FOLDER);
  const parts: string[] = [];
  for (const part of input.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) return expected(EXPECTED_FOLDER);
  }
  return parsed(parts.length === 0 ? '.' : parts.join('/'));
}

function suggestPath(text: string): string | null {
  const bare = text
    .trim()
    .replace(/^[a-z]+:\/\/[^/]*/i, '')
    .replace(/[?#*].*$/, '');
  const path = `/${bare}`.replace(/\/{2,}/g, '/');
  return path !== text && /^\/[!-~]*$/.test(path) ? path : null;
}
