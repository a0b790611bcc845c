import type { ClientStream } from './client-stream.ts';
import type { ParseFault } from './http1/message.ts';

/** What the gateway answers itself; the code is in `x-veza-error` and in the problem document. */
export type ProblemCode =
  | 'bad-request'
  | 'no-route'
  | 'unsafe-copy'
  | 'request-timeout'
  | 'body-too-large'
  | 'headers-too-large'
  | 'target-too-long'
  | 'not-implemented'
  | 'version-not-supported'
  | 'expectation-failed'
  | 'overloaded'
  | 'too-many-streams'
  | 'no-endpoint'
  | 'no-table'
  | 'connect-failed'
  | 'instance-failed'
  | 'instance-protocol'
  | 'response-timeout'
  | 'shutting-down';

interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** Seconds for `Retry-After`; null where trying again does not help. */
  readonly retryAfter: number | null;
}

export const problems: Readonly<Record<ProblemCode, ProblemKind>> = {
  'bad-request': { status: 400, title: 'The request cannot be passed on', retryAfter: null },
  'no-route': { status: 404, title: 'No service has this host and path', retryAfter: null },
  'unsafe-copy': { status: 403, title: 'Copies of requests may not change anything', retryAfter: null },
  'request-timeout': { status: 408, title: 'The request did not arrive in time', retryAfter: null },
  'body-too-large': { status: 413, title: 'The body is larger than this service accepts', retryAfter: null },
  'headers-too-large': { status: 431, title: 'The request has too many headers', retryAfter: null },
  'target-too-long': { status: 414, title: 'The request target is too long', retryAfter: null },
  'not-implemented': { status: 501, title: 'The gateway does not know what the request asks of it', retryAfter: null },
  'version-not-supported': { status: 505, title: 'This version of HTTP is not spoken here', retryAfter: null },
  'expectation-failed': { status: 417, title: 'Nothing but 100-continue can be expected', retryAfter: null },
  overloaded: { status: 503, title: 'Too many requests are in flight to this service', retryAfter: 1 },
  'too-many-streams': { status: 503, title: 'Too many streams are open to this service', retryAfter: 5 },
  'no-endpoint': { status: 503, title: 'No instance of this service is ready', retryAfter: 1 },
  'no-table': { status: 503, title: 'The routes were lost, and are about to be written again', retryAfter: 1 },
  'connect-failed': { status: 502, title: 'No instance of this service accepts connections', retryAfter: null },
  'instance-failed': { status: 502, title: 'The instance broke off before it answered', retryAfter: null },
  'instance-protocol': { status: 502, title: 'The answer of the instance was no valid HTTP', retryAfter: null },
  'response-timeout': { status: 504, title: 'The instance did not answer in time', retryAfter: null },
  'shutting-down': { status: 503, title: 'The gateway is shutting down', retryAfter: 1 },
};

/** Body of a problem document (RFC 9457). */
export function problemDocument(code: ProblemCode, detail: string | null, requestId: string): string {
  const { status, title } = problems[code];
  return JSON.stringify({
    type: `urn:veza:gateway:${code}`,
    title,
    status,
    ...(detail === null ? {} : { detail }),
    requestId,
  });
}

/** What a client is told about bytes that were no request, by the status that the parser names. */
export function problemOfFault(status: ParseFault['status']): ProblemCode {
  switch (status) {
    case 400:
      return 'bad-request';
    case 414:
      return 'target-too-long';
    case 417:
      return 'expectation-failed';
    case 431:
      return 'headers-too-large';
    case 501:
      return 'not-implemented';
    case 505:
      return 'version-not-supported';
  }
}

/**
 * Gives the gateway's own answer, complete, on a stream that has not begun one.
 *
 * @param headers flat; besides those of every problem
 */
export function answerWithProblem(
  client: ClientStream,
  code: ProblemCode,
  detail: string | null,
  requestId: string,
  headers: readonly string[],
  withBody: boolean,
): void {
  const { status, retryAfter } = problems[code];
  const body = Buffer.from(problemDocument(code, detail, requestId));
  const flat = ['content-type', 'application/problem+json', 'cache-control', 'no-store'];
  flat.push('x-veza-error', code, 'x-request-id', requestId);
  if (retryAfter !== null) flat.push('retry-after', String(retryAfter));
  for (const text of headers) flat.push(text);
  client.begin(status, '', flat, body.length, withBody);
  if (withBody) client.write(body);
  if (!client.bodyComplete) client.discardBody();
  client.end(null);
}
