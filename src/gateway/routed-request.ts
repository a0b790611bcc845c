import type { ClientRequest } from './client-request.ts';
import type { ClientStream } from './client-stream.ts';
import type { AccessRecord } from './edge/access-log.ts';
import type { AnswerEncoder, EdgeRequest } from './edge-policy.ts';
import type { GatewayLimits } from './limits.ts';
import type { RequestHead } from './request-head.ts';
import type { ServiceState } from './service-state.ts';
import type { StickyCookie } from './sticky-cookie.ts';

/** What an exchange needs of the gateway around it. */
export interface ExchangeContext {
  readonly limits: GatewayLimits;
  readonly cookie: StickyCookie;
  /** Null when none is kept. */
  readonly accessLog: { record(record: AccessRecord): void } | null;
  /** The gateway stops or has been replaced: nothing is sent a second time. */
  readonly closing: boolean;
  /** Milliseconds, monotonic. */
  now(): number;
  /** The same as it was when somebody asked last: at most a quarter of a second ago. For deadlines, not for counting. */
  recent(): number;
  /** UTC milliseconds. */
  wall(): number;
  /** The second that counting is in. */
  second(): number;
  /** Uniform in [0, 1). */
  random(): number;
}

/** A request that has found its service. */
export interface RoutedRequest {
  readonly service: ServiceState;
  readonly request: ClientRequest;
  readonly client: ClientStream;
  readonly head: RequestHead;
  readonly side: 'public' | 'internal';
  /** `strict-transport-security` of the listener; null for none. */
  readonly hsts: string | null;
  /** As sent, with a port; empty when there is none. */
  readonly host: string;
  /** Without query. */
  readonly path: string;
  /** As the instance gets it: with query. */
  readonly target: string;
  readonly requestId: string;
}

/** Whether a method may be sent twice (RFC 9110, 9.2.2). */
const isIdempotent = (method: string): boolean =>
  method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || method === 'PUT' || method === 'DELETE';

/** Whether a request may be sent again although an instance may have acted on it, and can be: nothing of it is gone. */
export const isRepeatable = ({ method, body, upgrade }: ClientRequest): boolean =>
  upgrade === null && (body.kind === 'none' || (body.kind === 'length' && body.bytes === 0)) && isIdempotent(method);

/** What a policy of the edge may look at. */
export const edgeRequestOf = ({ request, client, head, host, path }: RoutedRequest): EdgeRequest => ({
  method: request.method,
  host,
  path,
  secure: client.secure,
  clientAddress: client.remoteAddress,
  acceptEncoding: head.acceptEncoding,
  accept: head.accept,
});

/**
 * What the edge does to an instance's answer.
 *
 * @param headers flat, changed in place
 * @param length bytes of body; null when nobody knows
 */
export function encoderFor(
  routed: RoutedRequest,
  status: number,
  headers: string[],
  length: number | null,
): AnswerEncoder | null {
  const { policy } = routed.service;
  if (policy === null || routed.side === 'internal') return null;
  return policy.answer(edgeRequestOf(routed), status, headers, length);
}
