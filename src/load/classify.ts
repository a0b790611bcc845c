import type { IncomingHttpHeaders } from 'node:http';

/** Why something is lost: the deployment or the router took it from the user, no instance answered it. */
export type LostKind =
  | 'refused'
  | 'reset'
  | 'timeout'
  | 'cut-short'
  /** Bytes that are not HTTP. */
  | 'malformed'
  /** An error status that no instance sent. */
  | 'proxy-error'
  /** An instance answered that its own call to another service was lost. */
  | 'internal-call'
  | 'event-cut'
  | 'websocket-closed'
  /** This machine ran out of ports or files: the client's own limit, counted so that nobody overlooks it. */
  | 'client-limit';

/** Who answered: the release as the router names it, else as the service itself does. */
export interface Answerer {
  readonly release: string | null;
  /** Service and version in words, "web v2"; null when the answer does not say. */
  readonly name: string | null;
}

export type AnswerVerdict =
  | { readonly verdict: 'expected' }
  | { readonly verdict: 'unexpected'; readonly detail: string }
  | { readonly verdict: 'lost'; readonly kind: 'proxy-error' | 'internal-call'; readonly detail: string }
  | { readonly verdict: 'failed-by-release'; readonly release: string };

/** How far an exchange had come when it failed. */
export type Phase = 'connecting' | 'waiting' | 'receiving';

export function answererOf(headers: IncomingHttpHeaders): Answerer {
  const name = text(headers['x-demo-release']);
  return { release: text(headers['x-veza-release']) ?? name, name };
}

/**
 * What a whole answer means by its status and headers; its body is another matter. An error status is the release's when
 * an instance signed it (`x-veza-release`, `x-demo-release`) and the router did not (`x-veza-error`).
 *
 * @param expected the status that the operation must have
 */
export function classifyAnswer(status: number, headers: IncomingHttpHeaders, expected: number): AnswerVerdict {
  const routerError = text(headers['x-veza-error']);
  if (status >= 400 && routerError !== null) {
    return { verdict: 'lost', kind: 'proxy-error', detail: `status ${status}, x-veza-error: ${routerError}` };
  }
  const lostInside = text(headers['x-demo-lost']);
  if (status >= 500 && lostInside !== null) {
    return { verdict: 'lost', kind: 'internal-call', detail: `status ${status}, ${lostInside}` };
  }
  if (status >= 500) {
    const release = text(headers['x-demo-failed-by']) ?? answererOf(headers).release;
    if (release !== null) return { verdict: 'failed-by-release', release };
    return { verdict: 'lost', kind: 'proxy-error', detail: `status ${status} that no instance signed` };
  }
  if (status !== expected) return { verdict: 'unexpected', detail: `status ${status} instead of ${expected}` };
  return { verdict: 'expected' };
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
