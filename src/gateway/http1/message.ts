import type { BodyLength, ClientRequest } from '../client-request.ts';

// What the parsers of HTTP/1.1 (RFC 9112) return. Strict: what could be read in two ways is a fault.

/**
 * A request's head and where it ended.
 *
 * - `headers` are all of them, also those that are for one connection only. When removing what Connection names, never remove
 *   `host`, `content-length`, `transfer-encoding` or what the gateway sets itself: a client must not be able to take those away.
 * - There is exactly one valid `host` in HTTP/1.1 and at most one in HTTP/1.0. With a target in absolute form its value is already
 *   the target's (RFC 9112, 3.2.2), and there is one in HTTP/1.0 too; what goes to the instance is the path of `readAbsoluteTarget`.
 * - `content-length: 0` is a body of kind `length` with 0 bytes: nothing comes, and `upgrade` may be there.
 * - Values are latin1: octets above 0x7f are kept, and written back as latin1 they are the same.
 */
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
  /** All fields, as in a request. Taken apart when they are asked for: most answers go to the client by their `lines`. */
  readonly headers: readonly string[];
  readonly names: readonly string[];
  /**
   * The lines that may go to a client as they are, each with its CRLF: without those of `AnswerKind` that do not go on. Null when
   * `Connection` names fields: then `headers` says what there is.
   */
  readonly lines: string | null;
  /** There is a `date` among `lines`. */
  readonly dated: boolean;
  readonly contentType: string | null;
  readonly contentEncoding: string | null;
  /** The value of `Keep-Alive`. */
  readonly keepAliveField: string | null;
  /** `none` for 1xx, 204, 304 and answers to HEAD; null: until the connection ends. */
  readonly body: BodyLength | null;
  /** The `content-length` that was given, also where there is no body. */
  readonly announced: number | null;
  /** The instance keeps the connection. */
  readonly keepAlive: boolean;
  readonly end: number;
}

/** Why bytes are no message. `status` is what a client is told before its connection is closed; for an answer it means nothing. */
export interface ParseFault {
  readonly fault: string;
  readonly status: 400 | 414 | 417 | 431 | 501 | 505;
}

export interface HeadLimits {
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
}
