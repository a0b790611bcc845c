import { createHmac, hkdfSync } from 'node:crypto';

/** Makes keys of values that belong to a person: who it is cannot be read from them, and a list of people does not help. */
export interface PrivateKeys {
  /** `<kind>:<132 bits of an HMAC>` */
  of(kind: string, personId: string): string;
}

/** @param secret the same for all instances that share a cache; a key of its own is derived from it (RFC 5869) */
export function createPrivateKeys(secret: string): PrivateKeys {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'veza keys of caches', 32));
  return {
    of: (kind, personId) =>
      `${kind}:${createHmac('sha256', key).update(`${kind}\n${personId}`).digest('base64url').slice(0, 22)}`,
  };
}
