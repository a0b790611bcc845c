import { SignJWT } from 'jose';
import { ACCESS_TOKEN_SECONDS, AUDIENCE, ISSUER, type Person } from './claims.ts';
import { type KeyRing, KeyRingRefused } from './key-ring.ts';

export interface TokenSigner {
  /** An access token in compact form, good for 15 minutes from now. */
  sign(person: Person): Promise<string>;
}

/**
 * Signs with the ring's one signing key.
 *
 * @param clock - milliseconds since 1970
 * @throws KeyRingRefused when no key signs
 */
export function createSigner(ring: KeyRing, clock: () => number): TokenSigner {
  const { signing } = ring;
  const key = signing?.signingKey ?? null;
  if (signing === null || key === null) throw new KeyRingRefused(['no key is in state signing']);
  return {
    sign: async ({ id, sessionId }) => {
      const issuedAt = Math.floor(clock() / 1_000);
      return await new SignJWT({ sid: sessionId })
        .setProtectedHeader({ alg: signing.alg, kid: signing.kid, typ: 'JWT' })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(id)
        .setIssuedAt(issuedAt)
        .setExpirationTime(issuedAt + ACCESS_TOKEN_SECONDS)
        .sign(key);
    },
  };
}
