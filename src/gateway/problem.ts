/** What the gateway answers itself; the code is in `x-veza-error` and in the problem document. */
export type ProblemCode =
  | 'bad-request'
  | 'no-route'
  | 'request-timeout'
  | 'body-too-large'
  | 'headers-too-large'
  | 'overloaded'
  | 'too-many-streams'
  | 'no-endpoint'
  | 'connect-failed'
  | 'instance-failed'
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
  'request-timeout': { status: 408, title: 'The request did not arrive in time', retryAfter: null },
  'body-too-large': { status: 413, title: 'The body is larger than this service accepts', retryAfter: null },
  'headers-too-large': { status: 431, title: 'The request has too many headers', retryAfter: null },
  overloaded: { status: 503, title: 'Too many requests are in flight to this service', retryAfter: 1 },
  'too-many-streams': { status: 503, title: 'Too many streams are open to this service', retryAfter: 5 },
  'no-endpoint': { status: 503, title: 'No instance of this service is ready', retryAfter: 1 },
  'connect-failed': { status: 502, title: 'No instance of this service accepts connections', retryAfter: null },
  'instance-failed': { status: 502, title: 'The instance broke off before it answered', retryAfter: null },
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
