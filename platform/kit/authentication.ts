import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { Problem } from './problem.ts';

/** Who asks, as the access token says. */
export interface Person {
  readonly id: string;
  readonly sessionId: string;
}

/** What the kit needs of a verifier of access tokens (see `tokens/verifier.ts`). */
export interface Verifies {
  verify(token: string): Promise<Person>;
}

type PreHandler = (request: FastifyRequest) => Promise<void>;

/**
 * Takes the access token of `authorization: Bearer` and sets `request.person`.
 *
 * @throws Problem 401 with `www-authenticate` (RFC 6750) for a token that is missing or refused; what else goes wrong with a
 *   token, such as that its key cannot be had now, goes through
 */
export function authenticate(verifier: Verifies): PreHandler {
  return async (request) => {
    const token = bearer(request);
    if (token === null) {
      throw new Problem(401, 'not-signed-in', 'This needs an access token.', {
        headers: { 'www-authenticate': 'Bearer' },
      });
    }
    try {
      request.person = await verifier.verify(token);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const code = error.reason === 'expired' ? 'token-expired' : 'token-refused';
      throw new Problem(401, code, 'The access token is not valid, or not any more.', {
        headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
        cause: error,
      });
    }
  };
}

/**
 * Lets only other services of the platform through: they know INTERNAL_KEY. Compared in constant time.
 *
 * @throws Problem 401
 */
export function internalOnly(key: string): PreHandler {
  const expected = digest(key);
  return (request) => {
    const given = bearer(request);
    if (given === null || !timingSafeEqual(digest(given), expected)) {
      return Promise.reject(new Problem(401, 'internal-only', 'This is for services of the platform alone.'));
    }
    return Promise.resolve();
  };
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

function bearer(request: FastifyRequest): string | null {
  return /^Bearer +([^\s]+) *$/i.exec(request.headers.authorization ?? '')?.[1] ?? null;
}

/** `TokenRefused` of the token library, known by its form: the kit does not import what is built on it. */
function isRefusal(error: unknown): error is Error & { readonly reason: string } {
  return error instanceof Error && error.name === 'TokenRefused' && 'reason' in error;
}
