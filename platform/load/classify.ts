import type { IncomingHttpHeaders } from 'node:http';

/** Why something is lost: the deployment or the router took it from the user, and no release is to blame for what it answered. */
export type LostKind =
  | 'refused'
  | 'reset'
  | 'timeout'
  | 'cut-short'
  /** Bytes that are not HTTP. */
  | 'malformed'
  /** An error status that no instance sent. */
  | 'proxy-error'
  | 'websocket-closed'
  /** This machine ran out of ports or files: the client's own limit, counted so that nobody overlooks it. */
  | 'client-limit';

export type AnswerVerdict =
  | { readonly verdict: 'expected' }
  | { readonly verdict: 'unexpected'; readonly detail: string }
  | { readonly verdict: 'lost'; readonly kind: 'proxy-error'; readonly detail: string }
  | { readonly verdict: 'failed-by-release'; readonly release: string }
  /** 401 to somebody who did nothing to be logged out. */
  | { readonly verdict: 'logged-out'; readonly detail: string };

/** How far an exchange had come when it failed. */
export type Phase = 'connecting' | 'waiting' | 'receiving';

export const releaseOf = (headers: IncomingHttpHeaders): string | null => text(headers['x-veza-release']);

/**
 * What a whole answer means by its status and headers; its body is another matter. An error status is the release's when
 * the router put a release's name to it (`x-veza-release`), and the router's own when it says so (`x-veza-error`) or
 * no instance answered.
 *
 * @param expected statuses that the step may have
 * @param signedIn whether the request carried a session that must be good
 */
export function classifyAnswer(
  status: number,
  headers: IncomingHttpHeaders,
  expected: readonly number[],
  signedIn: boolean,
): AnswerVerdict {
  if (expected.includes(status)) return { verdict: 'expected' };
  const routerError = text(headers['x-veza-error']);
  if (status >= 400 && routerError !== null) {
    return { verdict: 'lost', kind: 'proxy-error', detail: `status ${status}, x-veza-error: ${routerError}` };
  }
  if (status >= 500) {
    const release = releaseOf(headers);
    if (release !== null) return { verdict: 'failed-by-release', release };
    return { verdict: 'lost', kind: 'proxy-error', detail: `status ${status} that no instance signed` };
  }
  if (status === 401 && signedIn) return { verdict: 'logged-out', detail: 'status 401 to a session that is good' };
  return { verdict: 'unexpected', detail: `status ${status} instead of ${expected.join(' or ')}` };
}

const kindsByCode: ReadonlyMap<string, LostKind> = new Map([
  ['ECONNREFUSED', 'refused'],
  ['ECONNRESET', 'reset'],
  ['EPIPE', 'reset'],
  ['ECONNABORTED', 'reset'],
  ['ETIMEDOUT', 'timeout'],
  ['EMFILE', 'client-limit'],
  ['ENFILE', 'client-limit'],
  ['EADDRNOTAVAIL', 'client-limit'],
  ['ENOBUFS', 'client-limit'],
]);

/** What the failure of an exchange means. A connection that breaks after the answer began has cut it short. */
export function classifyFailure(code: string, phase: Phase): LostKind {
  if (code.startsWith('HPE_') && code !== 'HPE_INVALID_EOF_STATE') return 'malformed';
  const kind = kindsByCode.get(code) ?? (phase === 'connecting' ? 'refused' : 'reset');
  return phase === 'receiving' && kind === 'reset' ? 'cut-short' : kind;
}

/**
 * Whether a WebSocket was closed as it must be: 1001 (going away) or 1012 (service restart) from the other side, or 1000
 * in response to ours (RFC 6455 section 7.4, IANA WebSocket Close Code Number Registry).
 */
export function closedProperly(code: number, closedByUs: boolean): boolean {
  return code === 1001 || code === 1012 || (code === 1000 && closedByUs);
}

function text(value: string | readonly string[] | undefined): string | null {
  if (value === undefined) return null;
  return typeof value === 'string' ? value : value.join(', ');
}
