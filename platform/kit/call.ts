import { setTimeout as sleep } from 'node:timers/promises';
import { Problem } from './problem.ts';
import { inSpan, traceHeaders } from './trace.ts';

export interface CallerOptions {
  /** its name, for spans and problems */
  readonly service: string;
  /** its address, such as `http://127.0.0.1:8081` */
  readonly url: string;
  /** sent as `authorization: Bearer`, for internal paths */
  readonly key?: string | undefined;
  /** time until the head of the answer, in milliseconds; 2000 by default */
  readonly timeoutMs?: number;
  readonly fetch?: typeof fetch;
}

export interface CallOptions {
  readonly method?: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  /** sent as JSON */
  readonly json?: unknown;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
}

/** Calls another service. */
export type Caller = (path: string, options?: CallOptions) => Promise<Response>;

const IDEMPOTENT = new Set(['GET', 'HEAD', 'PUT', 'DELETE']);
const RETRY_AFTER_MS = 50;

/**
 * Makes calls from one service to another: with the trace's context, a time limit, and one more try for an idempotent
 * request whose connection was refused. The answer is given as it is, whatever its status; its body may be streamed, and is
 * given up by `signal`.
 *
 * @throws Problem 503 `NAME-unavailable` with Retry-After when the service cannot be reached, 504 when it is too slow
 */
export function createCaller({ service, url, key, timeoutMs = 2000, fetch: send = fetch }: CallerOptions): Caller {
  const base = url.replace(/\/+$/, '');
  return (path, options = {}) => {
    const method = options.method ?? 'GET';
    return inSpan(
      `${method} ${service}`,
      'client',
      { 'http.request.method': method, 'peer.service': service },
      async (span) => {
        const once = (): Promise<Response> => attempt(`${base}${path}`, method, options);
        let answer: Response;
        try {
          answer = await once();
        } catch (error) {
          if (!wasRefused(error) || !IDEMPOTENT.has(method)) throw asProblem(error, options.signal);
          await sleep(RETRY_AFTER_MS, undefined, options.signal === undefined ? {} : { signal: options.signal });
          answer = await once().catch((again: unknown) => {
            throw asProblem(again, options.signal);
          });
        }
        span?.setAttribute('http.response.status_code', answer.status);
        return answer;
      },
    );
  };

  async function attempt(target: string, method: string, options: CallOptions): Promise<Response> {
    const late = new AbortController();
    // Until the head only: a body may take its time.
    const timer = setTimeout(() => late.abort(new TooSlow()), options.timeoutMs ?? timeoutMs);
    try {
      return await send(target, {
        method,
        redirect: 'error',
        signal: options.signal === undefined ? late.signal : AbortSignal.any([options.signal, late.signal]),
        headers: {
          ...(key !== undefined && { authorization: `Bearer ${key}` }),
          ...(options.json !== undefined && { 'content-type': 'application/json' }),
          ...traceHeaders(),
          ...options.headers,
        },
        ...(options.json !== undefined && { body: JSON.stringify(options.json) }),
      });
    } finally {
      clearTimeout(timer);
    }
  }

  function asProblem(error: unknown, signal: AbortSignal | undefined): unknown {
    if (signal?.aborted === true) return error;
    if (error instanceof TooSlow) {
      return new Problem(504, `${service}-too-slow`, 'Another part of the platform did not answer in time.', {
        retryAfterSeconds: 1,
        cause: error,
      });
    }
    return new Problem(503, `${service}-unavailable`, 'Another part of the platform cannot be reached now.', {
      retryAfterSeconds: 1,
      cause: error,
    });
  }
}

class TooSlow extends Error {}

function wasRefused(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED';
}
