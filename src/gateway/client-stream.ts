import type { Duplex } from 'node:stream';

/**
 * The client's side of one request: its answer goes out here, its body comes in here. HTTP/1.1 and HTTP/2 each have one;
 * what is behind it does not know which.
 */
export interface ClientStream {
  readonly secure: boolean;
  /** `TLSv1.3`; left out or null where nobody knows. */
  readonly tlsVersion?: string | null;
  /** Without the IPv6 prefix of mapped IPv4 addresses. */
  readonly remoteAddress: string;
  /** Who hears of the body and of the client; set before the stream is handed over, once. */
  events: ClientStreamEvents;

  /** An interim answer, if the protocol has it and the answer has not begun. */
  inform(status: 100 | 103, headers: readonly string[]): void;
  /**
   * Begins the answer. Framing and connection headers are the stream's own business; `date` is added when missing.
   *
   * @param reason empty for the usual one
   * @param headers name, value, name, value ...; without hop-by-hop headers and without content-length
   * @param length bytes of body, also of one that is not sent (HEAD, 304); null when nobody knows
   * @param withBody false for HEAD, 204, 304: nothing may be written
   */
  begin(status: number, reason: string, headers: readonly string[], length: number | null, withBody: boolean): void;
  /**
   * The same as `begin`, for an answer whose headers are lines already. Only streams that write them as they are have it.
   *
   * @param lines each with its CRLF
   * @param dated there is a `date` among them
   */
  beginLines?(
    status: number,
    reason: string,
    lines: string,
    dated: boolean,
    length: number | null,
    withBody: boolean,
  ): void;
  /**
   * A piece of the answer's body. The bytes are the caller's again when this returns.
   *
   * @returns false when the client does not keep up: `drained` follows
   */
  write(bytes: Buffer): boolean;
  /** What was held back so that small pieces go out together goes out now. Streams that hold nothing back have none. */
  flush?(): void;
  /** The answer is complete. @param trailers flat; sent if the protocol and the framing can */
  end(trailers: readonly string[] | null): void;
  /** Breaks the answer off, so that the client sees that it is incomplete. */
  cut(): void;
  /** The client's connection is not kept behind this answer. Before `begin`. */
  closeAfter(): void;

  /** Body bytes begin to come, and come until `pauseBody`. */
  resumeBody(): void;
  pauseBody(): void;
  /** Nobody wants the rest of the body: it is read and dropped, within limits, so that the client sees the answer. */
  discardBody(): void;
  /** Everything the client sends of this request has come. */
  readonly bodyComplete: boolean;
  /** Bytes of the answer that the client has not taken. */
  readonly pendingBytes: number;
  /**
   * Gives the socket away, with the bytes that came behind the head; HTTP/1.1 upgrades only. In the same turn somebody else
   * must be told to hear of it: see `handOver`.
   */
  takeOver(): { readonly socket: Duplex; readonly head: Buffer };
}

export interface ClientStreamEvents {
  /** Memory that is used again when this returns. */
  bodyData(bytes: Buffer): void;
  /** @param trailers flat; empty when there are none */
  bodyEnd(trailers: readonly string[]): void;
  drained(): void;
  /** The client has gone, or broke the protocol in its body; nothing can be said to it any more. Not called after a complete answer was taken. */
  gone(): void;
}
