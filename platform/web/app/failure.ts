import { nullish, number, object, safeParse, string } from 'zod/mini';

/** Why something did not work, in a form that a page can say in the reader's language. */
export class Failure extends Error {
  override readonly name = 'Failure';
  /** Status of the answer; 0 when there was none. */
  readonly status: number;
  /** Of the problem document; `unreachable`, `unexpected-answer` or `http-<status>` otherwise. */
  readonly code: string;
  /** What the service said in English; null when it said nothing. */
  readonly detail: string | null;
  readonly retryAfterMs: number | null;

  constructor(
    status: number,
    code: string,
    options: { readonly detail?: string | null; readonly retryAfterMs?: number | null; readonly cause?: unknown } = {},
  ) {
    super(`${code} (${status})`, { cause: options.cause });
    this.status = status;
    this.code = code;
    this.detail = options.detail ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

const problem = object({ code: string(), detail: nullish(string()), status: nullish(number()) });

/** Reads an answer that is not a success (RFC 9457, or whatever stands between us and the service has written). */
export async function failureFrom(response: Response): Promise<Failure> {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  const retryAfterMs = Number.isFinite(seconds) ? seconds * 1000 : null;
  const body: unknown = await response.json().catch(() => null);
  const read = safeParse(problem, body);
  return read.success
    ? new Failure(response.status, read.data.code, { detail: read.data.detail ?? null, retryAfterMs })
    : new Failure(response.status, `http-${response.status}`, { retryAfterMs });
}

/** No answer: the network, or a service that is away. */
export function unreachable(cause: unknown): Failure {
  return new Failure(0, 'unreachable', { cause });
}

/** Whatever was thrown, as a failure that can be shown. */
export function failureOf(error: unknown): Failure {
  return error instanceof Failure ? error : new Failure(0, 'unexpected', { cause: error });
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

/** Whether the same request may work in a moment. */
export function isPassing(failure: Failure): boolean {
  return failure.code === 'unreachable' || [408, 425, 429, 502, 503, 504].includes(failure.status);
}
