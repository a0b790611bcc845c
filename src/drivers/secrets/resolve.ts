import { randomBytes } from 'node:crypto';
import { MissingSecretError, SecretConflictError } from '../../errors.ts';
import type { Secrets } from './secrets.ts';

/** Who needs which secret, and where it is written. */
export interface SecretRequest {
  readonly environment: string;
  /** The service or resource that needs it. */
  readonly neededBy: string;
  /** Name of the secret. */
  readonly secret: string;
  /** Where the reference is, for the message: `services.api.environment.JWT_KEY`. */
  readonly reference: string;
}

/**
 * The value of a referenced secret. A missing one is an error, except in `development`: there it is made (32 random bytes,
 * base64url) and kept, so that a fresh clone starts and two services that share a key agree. The address of something
 * (`…_URL`) cannot be made up.
 *
 * @throws MissingSecretError naming the service, the reference, the environment and the command that sets it.
 */
export async function resolveSecret(secrets: Secrets, request: SecretRequest): Promise<string> {
  const value = await secrets.get(request.secret);
  if (value !== undefined) return value;
  if (request.environment !== 'development' || isAddress(request.secret)) throw new MissingSecretError(request);
  const made = randomBytes(32).toString('base64url');
  try {
    await secrets.set(request.secret, made, { cas: 0 });
    return made;
  } catch (error) {
    if (!(error instanceof SecretConflictError)) throw error;
    // Somebody else was first: theirs is the one that everybody uses.
    const theirs = await secrets.get(request.secret);
    if (theirs === undefined) throw error;
    return theirs;
  }
}

/** True for secrets that are addresses (`DATABASE_URL`, `sentry-dsn`, `broker_uri`), by their name. */
function isAddress(name: string): boolean {
  return /(^|[_.-])(url|uri|dsn)$/i.test(name);
}
