// For tests alone: tokens as an attacker would write them, out of bytes, with none of the care of the library.
import {
  constants,
  createHmac,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  privateEncrypt,
  sign,
} from 'node:crypto';
import { AUDIENCE, ISSUER } from './claims.ts';

export const base64url = (value: string | Uint8Array): string => Buffer.from(value).toString('base64url');

/** A moment in 2026, milliseconds. */
export const NOW = 1_780_000_000_000;

export const PERSON = {
  id: '0190b2a4-7f3c-7c1e-9b1a-2f64b8d0c111',
  sessionId: '6f0c8e0a-4a52-4b8f-8a3e-5d1c7e9b2222',
} as const;

export function goodClaims(now = NOW): Record<string, unknown> {
  const iat = Math.floor(now / 1_000);
  return { iss: ISSUER, aud: AUDIENCE, sub: PERSON.id, sid: PERSON.sessionId, iat, exp: iat + 900 };
}

export type Sign = (input: Buffer) => Buffer;

export const hmac =
  (secret: string | Uint8Array, hash = 'sha256'): Sign =>
  (input) =>
    createHmac(hash, secret).update(input).digest();

export const rsa =
  (key: KeyObject, hash = 'sha256', padding: number = constants.RSA_PKCS1_PADDING): Sign =>
  (input) =>
    sign(hash, input, { key, padding });

/** Signs an encoded message of the caller's own making: what EMSA-PKCS1-v1_5 would have padded. */
export const rsaRaw =
  (key: KeyObject, encode: (input: Buffer, length: number) => Buffer): Sign =>
  (input) => {
    const length = (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
    return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, encode(input, length));
  };

/** Header and claims as objects or, to write what `JSON.stringify` would not, as text. */
export function forge(header: object | string, claims: object | string, signature: Sign | Uint8Array): string {
  const text = (value: object | string): string => (typeof value === 'string' ? value : JSON.stringify(value));
  const input = `${base64url(text(header))}.${base64url(text(claims))}`;
  return `${input}.${base64url(typeof signature === 'function' ? signature(Buffer.from(input)) : signature)}`;
}

export interface RsaPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly privateJwk: JsonWebKey;
  readonly publicJwk: JsonWebKey;
}

export function rsaPair(modulusLength = 2_048, publicExponent = 65_537): RsaPair {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength, publicExponent });
  return {
    privateKey,
    publicKey,
    privateJwk: privateKey.export({ format: 'jwk' }),
    publicJwk: publicKey.export({ format: 'jwk' }),
  };
}

/** A `fetch` that knows one key set, and how often it was asked. */
export function jwksOf(...keys: readonly object[]): { readonly fetch: typeof globalThis.fetch; asked: number } {
  const served = {
    asked: 0,
    fetch: () => {
      served.asked += 1;
      return Promise.resolve(Response.json({ keys }));
    },
  };
  return served;
}
