import type { Transform } from 'node:stream';

// What happens to a request of a public listener besides being passed on: built once for an entry of the table.

/** What a policy may look at. */
export interface EdgeRequest {
  readonly method: string;
  readonly host: string;
  /** Without query. */
  readonly path: string;
  readonly secure: boolean;
  readonly clientAddress: string;
  readonly acceptEncoding: string | null;
  /** Value of `accept`: whether the client of a maintenance page would rather read JSON. Left out: no `accept`. */
  readonly accept?: string | null;
}

/** An answer that the gateway gives itself instead of asking an instance. */
export interface EdgeAnswer {
  readonly status: number;
  /** Flat: name, value ... */
  readonly headers: readonly string[];
  readonly body: Buffer;
  /** For `x-veza-error`, the access log and docs/gateway.md. */
  readonly code: 'rate-limited' | 'hidden' | 'maintenance';
}

/** Turns the bytes of an answer into fewer. Flushes what it has at each turn of the event loop, so that nothing waits. */
export interface AnswerEncoder {
  readonly encoding: 'gzip' | 'br' | 'zstd';
  /** Bytes in, bytes out, with the backpressure of a stream. */
  readonly stream: Transform;
}

export interface EdgePolicy {
  /** Whether an instance may be asked at all; otherwise what to say. */
  admit(request: EdgeRequest): EdgeAnswer | null;
  /**
   * Adds and changes headers of an instance's answer.
   *
   * @param headers flat, changed in place (content-encoding, vary, etag weakened, declared headers)
   * @param length bytes of body, null when unknown; 0 when there is none
   * @returns an encoder when the body is to be encoded; its length is then unknown
   */
  answer(request: EdgeRequest, status: number, headers: string[], length: number | null): AnswerEncoder | null;
}
