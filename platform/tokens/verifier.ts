import { type CryptoKey, errors, jwtVerify } from 'jose';
import { z } from 'zod';
import type { Metrics } from '../kit/metrics.ts';
import { ACCESS_TOKEN_SECONDS, AUDIENCE, ISSUER, MAX_SKEW_SECONDS, type Person } from './claims.ts';
import { parseCompact } from './compact.ts';
import { JwksClient } from './jwks-client.ts';
import type { Algorithm } from './key-material.ts';
import type { KeyRing } from './key-ring.ts';
import { type RefusalReason, TokenRefused } from './token-refused.ts';

export type { Person } from './claims.ts';

export interface TokenVerifier {
  /**
   * Whom the access token speaks for.
   *
   * @throws TokenRefused with the reason
   * @throws Problem 503 `keys-unavailable` when its key is not known here and identity cannot be asked for it
   */
  verify(token: string): Promise<Person>;
}

type Outcome = 'accepted' | 'unavailable' | RefusalReason;

export interface VerifierOptions {
  /** The secrets to verify with, and keys that are not to be believed any more (`retired`). */
  readonly ring: KeyRing;
  /** Where identity publishes its RSA keys; null where the ring has all there is. */
  readonly jwksUrl: string | null;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Gets `jwt_verifications_total{alg,kid_known,outcome}`: the next phase of a migration waits for it. */
  readonly metrics?: Pick<Metrics, 'counter'>;
  readonly fetch?: typeof globalThis.fetch;
}

interface BoundKey {
  readonly alg: Algorithm;
  readonly key: CryptoKey;
}

const claimsSchema = z
  .object({
    iss: z.literal(ISSUER),
    aud: z.literal(AUDIENCE),
    sub: z.uuid(),
    sid: z.uuid(),
    iat: z.int().nonnegative(),
    exp: z.int().nonnegative(),
  })
  .refine(({ iat, exp }) => exp > iat && exp - iat <= ACCESS_TOKEN_SECONDS);

/**
 * The one place where access tokens are verified. `kid` finds the key, the key has one algorithm, and that one is used; what the
 * token says about its algorithm is compared and never followed (RFC 8725 section 3.1).
 */
export function createVerifier(
  options: VerifierOptions,
): TokenVerifier & { close(): void; check(signal: AbortSignal): Promise<void> } {
  const { ring, jwksUrl, clock, fetch = globalThis.fetch } = options;
  const count = counterOf(options.metrics);
  const jwks = jwksUrl === null ? null : new JwksClient({ url: jwksUrl, clock, fetch });

  async function findKey(kid: string): Promise<BoundKey | null> {
    // The ring goes before the set, so that no published key can take the place of a secret or of a retired key.
    const own = ring.keys.get(kid);
    if (own !== undefined) return own.verificationKey === null ? null : { alg: own.alg, key: own.verificationKey };
    const published = await jwks?.find(kid);
    return published === undefined ? null : { alg: 'RS256', key: published };
  }

  async function verify(token: string): Promise<Person> {
    let bound: BoundKey | null = null;
    try {
      const { alg, kid } = parseCompact(token);
      bound = await findKey(kid);
      if (bound === null) throw new TokenRefused('unknown-key');
      if (alg !== bound.alg) throw new TokenRefused('algorithm');
      const person = await verifyWith(token, bound, clock());
      count(bound, 'accepted');
      return person;
    } catch (error) {
      count(bound, error instanceof TokenRefused ? error.reason : 'unavailable');
      throw error;
    }
  }

  return {
    verify,
    close: () => jwks?.close(),
    check: async (signal) => await jwks?.check(signal),
  };
}

/** `alg` is that of the key, never what the token says, and `none` without a key. */
function counterOf(metrics: Pick<Metrics, 'counter'> | undefined): (bound: BoundKey | null, outcome: Outcome) => void {
  const counter = metrics?.counter({
    name: 'jwt_verifications_total',
    help: 'Access tokens that were verified, by the algorithm of their key and what came of it.',
    labels: ['alg', 'kid_known', 'outcome'],
  });
  return (bound, outcome) =>
    counter?.inc({ alg: bound?.alg ?? 'none', kid_known: bound === null ? 'false' : 'true', outcome });
}

async function verifyWith(token: string, { alg, key }: BoundKey, now: number): Promise<Person> {
  let payload: unknown;
  try {
    ({ payload } = await jwtVerify(token, key, {
      algorithms: [alg],
      issuer: ISSUER,
      audience: AUDIENCE,
      typ: 'JWT',
      requiredClaims: ['iss', 'aud', 'sub', 'sid', 'iat', 'exp'],
      clockTolerance: MAX_SKEW_SECONDS,
      maxTokenAge: ACCESS_TOKEN_SECONDS,
      currentDate: new Date(now),
    }));
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error;
    // Not as its cause: jose's errors carry the claims, and a log may print them.
    throw new TokenRefused(reasonOf(error));
  }
  const claims = claimsSchema.safeParse(payload);
  if (claims.success) return { id: claims.data.sub, sessionId: claims.data.sid };
  // jose lets one audience of several do: a token that is also for somebody else could have been taken from them.
  throw new TokenRefused(claims.error.issues.some(({ path }) => path[0] === 'aud') ? 'audience' : 'malformed');
}

function reasonOf(error: errors.JOSEError): RefusalReason {
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature';
  if (error instanceof errors.JOSEAlgNotAllowed) return 'algorithm';
  if (error instanceof errors.JWTExpired) return 'expired';
  if (!(error instanceof errors.JWTClaimValidationFailed) || error.reason === 'invalid') return 'malformed';
  if (error.claim === 'iss') return 'issuer';
  if (error.claim === 'aud') return 'audience';
  return (error.claim === 'nbf' || error.claim === 'iat') && error.reason === 'check_failed'
    ? 'not-yet-valid'
    : 'malformed';
}
