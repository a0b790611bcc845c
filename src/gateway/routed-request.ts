import type { ClientRequest } from './client-request.ts';
import type { ClientStream } from './client-stream.ts';
import type { AccessRecord } from './edge/access-log.ts';
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
