import type { BodyLength, ClientRequest } from '../client-request.ts';

// What the parsers of HTTP/1.1 (RFC 9112) return. Strict: what could be read in two ways is a fault.

/** A request's head and where it ended. */
export interface ParsedRequest extends ClientRequest {
  /** The connection may carry another request behind this one. */
  readonly keepAlive: boolean;
  /** Offset just behind the head. */
  readonly end: number;
}

/** An answer's head and where it ended. */
export interface ParsedAnswer {
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly string[];
  readonly names: readonly string[];
  /** `none` for 1xx, 204, 304 and answers to HEAD; null: until the connection ends. */
  readonly body: BodyLength | null;
  /** The `content-length` that was given, also where there is no body. */
  readonly announced: number | null;
  /** The instance keeps the connection. */
  readonly keepAlive: boolean;
  readonly end: number;
}

/** Why bytes are no message. `status` is what a client is told before its connection is closed. */
export interface ParseFault {
  readonly fault: string;
  readonly status: 400 | 414 | 431 | 501 | 505;
}

export interface HeadLimits {
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
}
