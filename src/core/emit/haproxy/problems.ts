import { quoted } from './text.ts';

/** Answers of the router itself; the same codes and statuses as the built-in gateway has (docs/gateway.md). */
export const problems = {
  'no-route': { status: 404, title: 'No service has this host and path', retryAfter: null },
  'unsafe-copy': { status: 403, title: 'Copies of requests may not change anything', retryAfter: null },
  'body-too-large': { status: 413, title: 'The body is larger than this service accepts', retryAfter: null },
  'rate-limited': { status: 429, title: 'Too many requests', retryAfter: '%[var(txn.wait)]' },
  overloaded: { status: 503, title: 'Too many requests are in flight to this service', retryAfter: '1' },
  'no-endpoint': { status: 503, title: 'No instance of this service is ready', retryAfter: '1' },
  'connect-failed': { status: 502, title: 'No instance of this service accepts connections', retryAfter: null },
  'instance-failed': { status: 502, title: 'The instance broke off before it answered', retryAfter: null },
  'response-timeout': { status: 504, title: 'The instance did not answer in time', retryAfter: null },
} as const;

export type ProblemCode = keyof typeof problems;

const type = 'content-type application/problem+json';

const documentOf = (code: ProblemCode): string => {
  const { status, title } = problems[code];
  return quoted(
    `{"type":"urn:veza:gateway:${code}","title":"${title}","status":${status},"requestId":"%[var(txn.id)]"}`,
  );
};

/** What follows `http-request`. */
export const returnProblem = (code: ProblemCode): string => {
  const { status, retryAfter } = problems[code];
  const retry = retryAfter === null ? '' : ` hdr retry-after ${quoted(retryAfter)}`;
  return `return status ${status} ${type} lf-string ${documentOf(code)} hdr x-veza-error ${code}${retry}`;
};

/** What HAProxy says itself with a status: the line of a backend. */
export const errorLine = (status: number, code: ProblemCode): string =>
  `http-error status ${status} ${type} lf-string ${documentOf(code)} hdr x-veza-error ${code}`;

/** Whole answers to what is no request: HAProxy sends them before any rule is looked at. */
export const bareAnswers: Readonly<Record<400 | 408, string>> = {
  400: bare(400, 'Bad Request', 'bad-request', 'The request cannot be passed on'),
  408: bare(408, 'Request Timeout', 'request-timeout', 'The request did not arrive in time'),
};

function bare(status: number, reason: string, code: string, title: string): string {
  const body = JSON.stringify({ type: `urn:veza:gateway:${code}`, title, status });
  return [
    `HTTP/1.1 ${status} ${reason}`,
    'content-type: application/problem+json',
    `x-veza-error: ${code}`,
    `content-length: ${body.length}`,
    'connection: close',
    '',
    body,
  ].join('\r\n');
}

/** The page of a service under maintenance that has none of its own. */
export const maintenanceDefault =
  '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>Back soon</title>\n<h1>Back soon</h1>\n<p>This site is down for maintenance. Please come back in a little while.</p>\n</html>\n';
