import {
  createHash,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  type JsonWebKey,
  type KeyObject,
  sign,
  verify,
  X509Certificate,
} from 'node:crypto';
import type { CryptoKey } from 'jose';
import { decodeBase64url } from './compact.ts';
import { parseJsonObject } from './strict-json.ts';

export type Algorithm = 'RS256' | 'HS256';

/** A public key as RFC 7517 writes it, as published. */
export interface PublicJwk {
  readonly kty: 'RSA';
  readonly alg: 'RS256';
  readonly use: 'sig';
  readonly kid: string;
  readonly n: string;
  readonly e: string;
}

const RS256 = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const;
const HS256 = { name: 'HMAC', hash: 'SHA-256' } as const;
const MIN_RSA_BITS = 2_048;
// Verification grows with the square of it: a published key must not be able to keep every verifier busy.
const MAX_RSA_BITS = 8_192;
// FIPS 186-5 section 5.1: an odd number above 2^16. With exponent 1 the signature is the padded hash, and anybody can write it.
const MIN_RSA_EXPONENT = 65_537n;
const MIN_SECRET_BYTES = 32;

/** A key that is not used; `message` names the fault, never the material. */
export class KeyRefused extends Error {
  override readonly name = 'KeyRefused';
}

/**
 * The public RSA key of a JWK, for RS256 alone.
 *
 * @throws KeyRefused when it is no RSA key, below 2048 bits or above 8192, or has a weak exponent
 */
export function importRsaPublicKey(jwk: unknown, kid: string): { readonly key: CryptoKey; readonly jwk: PublicJwk } {
  const { n, e } = rsaNumbers(jwk);
  const key = createPublicKey({ format: 'jwk', key: { kty: 'RSA', n, e } });
  return { key: toCryptoKey(key, RS256, 'verify'), jwk: { kty: 'RSA', alg: 'RS256', use: 'sig', kid, n, e } };
}

/**
 * The private RSA key of a JWK, for RS256 alone, with its public half.
 *
 * @throws KeyRefused as for the public half, and when the two do not belong together
 */
export function importRsaPrivateKey(
  jwk: unknown,
  kid: string,
): { readonly key: CryptoKey; readonly publicKey: CryptoKey; readonly jwk: PublicJwk } {
  const published = importRsaPublicKey(jwk, kid);
  let key: KeyObject;
  try {
    key = createPrivateKey({ format: 'jwk', key: jwk as JsonWebKey });
    const probe = Buffer.from(kid);
    const { n, e } = published.jwk;
    const half = createPublicKey({ format: 'jwk', key: { kty: 'RSA', n, e } });
    if (!verify('sha256', probe, half, sign('sha256', probe, key))) throw new KeyRefused('signs nothing');
  } catch (cause) {
    throw new KeyRefused('is not a private RSA key whose parts belong together', { cause });
  }
  return { key: toCryptoKey(key, RS256, 'sign'), publicKey: published.key, jwk: published.jwk };
}

/**
 * An HMAC secret, for HS256 alone.
 *
 * @throws KeyRefused below 32 bytes (RFC 7518 section 3.2), and when the bytes are a key or certificate in any of its usual forms:
 * a public key used as a secret lets everybody sign
 */
export function importSecret(bytes: Uint8Array): CryptoKey {
  if (bytes.length < MIN_SECRET_BYTES) throw new KeyRefused(`is shorter than ${MIN_SECRET_BYTES} bytes`);
  if (isAsymmetric(bytes)) throw new KeyRefused('is a public or private key, which is no secret for HMAC');
  return toCryptoKey(createSecretKey(bytes), HS256, 'sign', 'verify');
}

/** A stable name for a secret that came without one. It tells no more about the secret than any token signed with it. */
export function kidOfSecret(bytes: Uint8Array): string {
  return `hs-${createHash('sha256').update('veza key ring\0').update(bytes).digest('hex').slice(0, 16)}`;
}

/** Bound to one algorithm and use, and not to be exported again. Node's type and the web's are two names of one thing. */
function toCryptoKey(
  key: KeyObject,
  algorithm: typeof RS256 | typeof HS256,
  ...uses: ('sign' | 'verify')[]
): CryptoKey {
  return key.toCryptoKey(algorithm, false, uses) as CryptoKey;
}

function rsaNumbers(jwk: unknown): { readonly n: string; readonly e: string } {
  const { kty, n, e } = (typeof jwk === 'object' && jwk !== null ? jwk : {}) as Readonly<Record<string, unknown>>;
  const modulus = kty === 'RSA' ? numberOf(n) : null;
  const exponent = numberOf(e);
  if (modulus === null || exponent === null) throw new KeyRefused('is not an RSA key as a JWK');
  const bits = modulus.toString(2).length;
  if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS || modulus % 2n === 0n)
    throw new KeyRefused(`has a modulus of ${bits} bits; ${MIN_RSA_BITS} to ${MAX_RSA_BITS}, and odd, are taken`);
  if (exponent < MIN_RSA_EXPONENT || exponent >= 2n ** 256n || exponent % 2n === 0n)
    throw new KeyRefused('has a public exponent that is not an odd number from 65537 on');
  return { n: n as string, e: e as string };
}

function numberOf(value: unknown): bigint | null {
  if (typeof value !== 'string' || value.length > 2_048) return null;
  const bytes = decodeBase64url(value);
  return bytes === null ? null : BigInt(`0x${bytes.toString('hex')}`);
}

function isAsymmetric(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes).toString('latin1').trim();
  if (text.includes('-----BEGIN')) return true;
  const json = parseJsonObject(Buffer.from(text, 'latin1'));
  if (json !== null && ('kty' in json || 'keys' in json)) return true;
  // The body of a PEM file without its first and last line.
  const inner = /^[A-Za-z0-9+/_=\s-]+$/.test(text) ? Buffer.from(text, 'base64') : null;
  return isDer(Buffer.from(bytes)) || (inner !== null && isDer(inner));
}

function isDer(der: Buffer): boolean {
  // Every one of them is an ASN.1 sequence.
  if (der[0] !== 0x30) return false;
  return [
    () => createPublicKey({ key: der, format: 'der', type: 'spki' }),
    () => createPublicKey({ key: der, format: 'der', type: 'pkcs1' }),
    () => createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }),
    () => createPrivateKey({ key: der, format: 'der', type: 'pkcs1' }),
    () => createPrivateKey({ key: der, format: 'der', type: 'sec1' }),
    () => new X509Certificate(der),
  ].some((read) => {
    try {
      read();
      return true;
    } catch {
      return false;
    }
  });
}
