import { expected, parsed, type Parsed } from './parsed.ts';
import type { Digest } from './quantities.ts';

const EXPECTED = '`sha256:` and 64 hexadecimal digits in lower case';

/** Reads a content digest: `sha256:` and 64 lower-case hexadecimal digits. */
export function parseDigest(input: unknown): Parsed<Digest> {
  if (typeof input !== 'string') return expected(EXPECTED);
  if (/^sha256:[0-9a-f]{64}$/.test(input)) return parsed(input as Digest);
  const digits = /^\s*(?:sha256:)?([0-9a-f]{64})\s*$/i.exec(input)?.[1];
  return expected(EXPECTED, digits === undefined ? null : `sha256:${digits.toLowerCase()}`);
}

/** The first 12 digits of a digest, for people. */
export function formatDigest(digest: Digest): string {
  return digest.slice('sha256:'.length, 'sha256:'.length + 12);
}
