import { STATUS_CODES } from 'node:http';

export interface ProblemOptions {
  /** how long the client should wait before it asks again; becomes `retry-after` */
  readonly retryAfterSeconds?: number;
  /** further members of the document, such as the offset that an upload has reached */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** The document that a client gets; members beyond these five are the problem's own. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
}

/**
 * An answer that says what went wrong, thrown from anywhere below a route.
 *
 * `detail` is for the person who reads it: no data of anybody else, no secret, nothing of the inside.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9457 Problem Details for HTTP APIs
 */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly members: Readonly<Record<string, unknown>>;

  /**
   * @param status HTTP status, 400 to 599
   * @param code stable name for programs, in kebab case
   * @param detail one sentence for people
   */
  constructor(status: number, code: string, detail: string, options: ProblemOptions = {}) {
    super(`${code}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Problem';
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.members = options.members ?? {};
    this.headers =
      options.retryAfterSeconds === undefined
        ? (options.headers ?? {})
        : { ...options.headers, 'retry-after': String(Math.max(1, Math.ceil(options.retryAfterSeconds))) };
  }

  document(): ProblemDocument {
    return {
      ...this.members,
      type: `urn:veza:problem:${this.code}`,
      title: STATUS_CODES[this.status] ?? 'Error',
      status: this.status,
      code: this.code,
      detail: this.detail,
    };
  }
}
