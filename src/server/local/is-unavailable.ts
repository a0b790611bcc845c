import { MigrationFailedError, VezaError } from '../../errors.ts';

const TRY_AGAIN = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EAGAIN',
  'EMFILE',
  'ENFILE',
  'ENOSPC',
]);
const SERVICE_UNAVAILABLE = 503;

/** Could the other side not be asked (worth another try), or did it say no? */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof MigrationFailedError) return error.retryable;
  if (error instanceof VezaError) return error.httpStatus === SERVICE_UNAVAILABLE;
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && TRY_AGAIN.has(error.code);
}
