import { createHash, createHmac, randomBytes } from 'node:crypto';
import { decodeBase64url } from '../tokens/compact.ts';

const TOKEN_BYTES = 32;

/** 256 random bits, as a client carries them. */
export function newRefreshToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url');
}

/** What is stored of a token: enough to know it again, and nothing to log in with. Null for what cannot be one. */
export function hashRefreshToken(token: string): Buffer | null {
  const bytes = decodeBase64url(token);
  return bytes?.length === TOKEN_BYTES ? createHash('sha256').update(bytes).digest() : null;
}

/**
 * The successor of a token: the same each time for the same salt. A client that has lost the answer, and two that asked at once, thus
 * get the same one, and no answer takes validity from another. Who has the salt alone, out of the database, has nothing.
 */
export function successorOf(token: string, salt: Uint8Array): string {
  return createHmac('sha256', Buffer.from(token, 'base64url'))
    .update('veza refresh\0')
    .update(salt)
    .digest('base64url');
}
