import { parseJsonObject } from './strict-json.ts';
import { TokenRefused } from './token-refused.ts';

/** Ours have 360 with HS256, 640 with RSA-2048, 980 with RSA-4096. */
export const MAX_TOKEN_CHARACTERS = 4_096;

const KNOWN_HEADERS: ReadonlySet<string> = new Set(['alg', 'kid', 'typ']);
const KID = /^[A-Za-z0-9._-]{1,64}$/;
const BASE64URL = /^[A-Za-z0-9_-]+$/;

export interface CompactToken {
  /** What the token says about its own algorithm: compared with the key's, never followed. */
  readonly alg: string;
  readonly kid: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Whether it may name a key, in a ring, a JWKS or a token. */
export function isKid(value: unknown): value is string {
  return typeof value === 'string' && KID.test(value);
}

/** The bytes of base64url without padding (RFC 7515 section 2), null unless it is the only way to write them. */
export function decodeBase64url(text: string): Buffer | null {
  if (!BASE64URL.test(text)) return null;
  const bytes = Buffer.from(text, 'base64url');
  // Else the unused low bits of the last character, or a character too many, would give one token several spellings.
  return bytes.toString('base64url') === text ? bytes : null;
}

/**
 * Takes a token in compact form (RFC 7515 section 7.1) apart without believing any of it. Narrower than the RFC, since all tokens
 * are ours: the header has `alg`, `kid`, `typ: "JWT"` and nothing else, so keys in headers, `crit`, `b64`, `zip` and JWE end here.
 *
 * @throws TokenRefused `too-large`, `unknown-key` for a `kid` that no key can have, `malformed` for all else
 */
export function parseCompact(token: string): CompactToken {
  if (typeof token !== 'string') throw new TokenRefused('malformed');
  if (token.length > MAX_TOKEN_CHARACTERS) throw new TokenRefused('too-large');
  const [first, second, third, ...more] = token.split('.').map(decodeBase64url);
  if (!first || !second || !third || more.length > 0) throw new TokenRefused('malformed');
  const header = parseJsonObject(first);
  const claims = parseJsonObject(second);
  if (header === null || claims === null) throw new TokenRefused('malformed');
  if (Object.keys(header).some((name) => !KNOWN_HEADERS.has(name))) throw new TokenRefused('malformed');
  const { alg, kid, typ } = header;
  if (typeof alg !== 'string' || typ !== 'JWT') throw new TokenRefused('malformed');
  if (!isKid(kid)) throw new TokenRefused('unknown-key');
  return { alg, kid, claims };
}
