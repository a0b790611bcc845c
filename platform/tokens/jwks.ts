import type { CryptoKey } from 'jose';
import { isKid } from './compact.ts';
import { importRsaPublicKey, KeyRefused } from './key-material.ts';
import { parseJsonObject } from './strict-json.ts';

const MAX_KEYS = 32;
// RFC 7518 sections 6.3.2 and 6.4.1: what makes a private or a secret key.
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** Thrown for a key set that is not to be believed, as a whole: who publishes a secret or one kid twice is not to be trusted half. */
export class JwksRefused extends Error {
  override readonly name = 'JwksRefused';
}

/**
 * The RS256 keys of a JSON Web Key Set (RFC 7517 section 5) by kid. Keys of other public algorithms are passed over, so that the set
 * can grow before its readers do.
 *
 * @throws JwksRefused for anything else in it: secrets, private keys, weak keys, a kid twice
 */
export function parseJwks(bytes: Uint8Array): ReadonlyMap<string, CryptoKey> {
  const entries = parseJsonObject(bytes)?.['keys'];
  if (!Array.isArray(entries)) throw new JwksRefused('it is not a JSON Web Key Set');
  if (entries.length > MAX_KEYS) throw new JwksRefused(`it has more than ${MAX_KEYS} keys`);
  const keys = new Map<string, CryptoKey>();
  const kids = new Set<string>();
  for (const entry of entries as readonly unknown[]) {
    const jwk = (typeof entry === 'object' && entry !== null ? entry : {}) as Readonly<Record<string, unknown>>;
    if (jwk['kty'] === 'oct' || SECRET_MEMBERS.some((member) => Object.hasOwn(jwk, member)))
      throw new JwksRefused('it has a secret or private key');
    const { kid, alg, use } = jwk;
    if (!isKid(kid)) throw new JwksRefused('it has a key without a usable kid');
    if (kids.has(kid)) throw new JwksRefused('it has one kid twice');
    kids.add(kid);
    if (jwk['kty'] !== 'RSA' || alg !== 'RS256' || (use !== undefined && use !== 'sig')) continue;
    keys.set(kid, importPublished(jwk, kid));
  }
  return keys;
}

function importPublished(jwk: unknown, kid: string): CryptoKey {
  try {
    return importRsaPublicKey(jwk, kid).key;
  } catch (cause) {
    if (!(cause instanceof KeyRefused)) throw cause;
    throw new JwksRefused(`a key of it ${cause.message}`, { cause });
  }
}
