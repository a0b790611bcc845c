import { Problem } from '../kit/problem.ts';

/** Errors of the system and of `pg` that mean that there is no connection (any more). */
const SYSTEM = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
]);

/** Messages of `pg` that come without a code. */
const MESSAGES = [
  'Connection terminated',
  'timeout exceeded when trying to connect',
  'Query read timeout',
  'Client has encountered a connection error',
  'Client was closed and is not queryable',
  'Cannot use a pool after calling end on the pool',
  'server closed the connection',
];

/**
 * SQLSTATEs that mean the same, from the server or from a PgBouncer before it: class 08 (connection exceptions), 53300 (too
 * many connections), 57P01–57P05 (shut down, crashed, starting up, dropped, idle too long), 25006 (read-only: a primary that
 * became a replica).
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const isAwayState = (state: string): boolean =>
  state.startsWith('08') || /^57P0[1-5]$/.test(state) || state === '53300' || state === '25006';

/** How an error of the database is to be taken. */
export type Failure = 'away' | 'slow' | 'full' | 'stale-plan' | 'other';

/** Tells a database that is away or slow from a statement that is wrong. */
export function classify(error: unknown): Failure {
  if (!(error instanceof Error)) return 'other';
  const { code } = error as { code?: unknown };
  if (typeof code === 'string') {
    if (SYSTEM.has(code) || isAwayState(code)) return 'away';
    // query_canceled (statement_timeout), lock_not_available (lock_timeout)
    if (code === '57014' || code === '55P03') return 'slow';
    if (code === '53100' || code === '53200') return 'full';
    // "cached plan must not change result type": the schema changed below a prepared statement
    if (code === '0A000' && error.message.includes('cached plan')) return 'stale-plan';
    // PgBouncer answers with this class when its server is away: 08P01 is above; ProtocolViolation of old versions
    if (code === 'XX000' && error.message.includes('server')) return 'away';
  }
  if (error instanceof AggregateError && error.errors.some((one) => classify(one) === 'away')) return 'away';
  return MESSAGES.some((text) => error.message.includes(text)) ? 'away' : 'other';
}

/** The error as it leaves the database layer: what a client should wait for is a problem 503, the rest is as it was. */
export function asProblem(error: unknown): unknown {
  if (error instanceof Problem) return error;
  switch (classify(error)) {
    case 'away':
      return new Problem(503, 'database-unavailable', 'The database cannot be reached now.', {
        retryAfterSeconds: 2,
        cause: error,
      });
    case 'slow':
      return new Problem(503, 'database-slow', 'The database takes too long for this now.', {
        retryAfterSeconds: 2,
        cause: error,
      });
    case 'full':
      return new Problem(503, 'database-full', 'The database has no room for this now.', {
        retryAfterSeconds: 30,
        cause: error,
      });
    default:
      return error;
  }
}

/** Whether a problem says that the database is away, as `asProblem` put it. */
export const saysAway = (error: unknown): boolean => error instanceof Problem && error.code === 'database-unavailable';
