import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { RouteTableEntry } from '../core/route-table.ts';
import type { GatewayLimits } from './limits.ts';
import type { ArmChoice } from './pick-arm.ts';
import type { ServiceState } from './service-state.ts';
import type { Upstream } from './upstream.ts';

/** What an exchange needs of the gateway around it. */
export interface ExchangeContext {
  readonly limits: GatewayLimits;
  /** Milliseconds, monotonic. */
  now(): number;
  /** The second that counting is in. */
  second(): number;
  /** The gateway stops: connections are not kept. */
  readonly closing: boolean;
  /** The answer is complete, and the client has yet to take the rest of it. */
  linger(response: ServerResponse): void;
}

/** A request that has found its service and its arm. */
export interface RoutedRequest {
  readonly service: ServiceState;
  readonly entry: RouteTableEntry;
  readonly choice: ArmChoice;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  /** Headers for the instance, flat. */
  readonly headers: readonly string[];
  readonly requestId: string;
  readonly contentLength: number | null;
  readonly chunked: boolean;
  readonly setCookie: string | null;
  /** Smoke tests before a release has traffic are not counted. */
  readonly counted: boolean;
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
  /** Set when the client asked to speak another protocol. */
  readonly upgrade: {
    readonly protocol: string;
    /** Takes over both sockets once the instance has agreed. */
    accept(answer: {
      readonly headers: readonly string[];
      readonly instance: Duplex;
      readonly upstream: Upstream;
    }): void;
  } | null;
}
