import type { Arm } from '../core/slot.ts';

/** On which side a request came in: users, or services of the platform. */
export type Side = 'public' | 'internal';

/** What the gateway needs to know of a request's head, and the headers that may go on as they are. */
export interface RequestHead {
  readonly host: string | null;
  /** Name, value, name, value ... without what is only for this connection and without what the gateway sets itself. */
  readonly forward: string[];
  readonly cookie: string | null;
  readonly arm: Arm | null;
  readonly preview: boolean;
  readonly requestId: string | null;
  readonly forwardedFor: string | null;
  readonly forwardedProto: string | null;
  readonly forwardedHost: string | null;
  readonly contentLength: number | null;
  readonly chunked: boolean;
  readonly acceptsEventStream: boolean;
  /** Why the request cannot be passed on safely; null when it can. */
  readonly fault: string | null;
}

/** Only for one connection (RFC 9110, 7.6.1), whether or not `Connection` names them. */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'te',
  'transfer-encoding',
  'upgrade',
  'proxy-authorization',
  'proxy-authenticate',
]);

const requestIdForm = /^[A-Za-z0-9._:+/=@-]{1,128}$/;

/**
 * Reads the head of a request. From users, `x-veza-*` and forwarding headers are dropped: only the gateway may say
 * where a request came from and which arm it takes. From inside they are believed.
 *
 * @param rawHeaders name, value, name, value ... as received
 */
export function readRequestHead(rawHeaders: readonly string[], side: Side): RequestHead {
  const internal = side === 'internal';
  const forward: string[] = [];
  let nominated: ReadonlySet<string> | null = null;
  let host: string | null = null;
  let cookie: string | null = null;
  let arm: Arm | null = null;
  let preview = false;
  let requestId: string | null = null;
  let forwardedFor: string | null = null;
  let forwardedProto: string | null = null;
  let forwardedHost: string | null = null;
  let contentLength: number | null = null;
  let chunked = false;
  let acceptsEventStream = false;
  let fault: string | null = null;

  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const given = rawHeaders[i] ?? '';
    const value = rawHeaders[i + 1] ?? '';
    const name = given.toLowerCase();
    switch (name) {
      case 'host':
        if (host !== null) fault = 'more than one Host header';
        host = value;
        continue;
      case 'connection':
        nominated = nominatedBy(value, nominated);
        continue;
      case 'transfer-encoding':
        chunked = true;
        continue;
      case 'content-length':
        contentLength = Number(value);
        break;
      case 'cookie':
        cookie = cookie === null ? value : `${cookie}; ${value}`;
        continue;
      case 'expect':
      case 'via':
        if (name === 'via') break;
        continue;
      case 'accept':
        if (value.includes('text/event-stream')) acceptsEventStream = true;
        break;
      case 'x-request-id':
        if (requestId === null && requestIdForm.test(value)) requestId = value;
        continue;
      case 'forwarded':
        if (!internal) continue;
        break;
      case 'x-forwarded-for':
        if (internal) forwardedFor = forwardedFor === null ? value : `${forwardedFor}, ${value}`;
        continue;
      case 'x-forwarded-proto':
        if (internal) forwardedProto = value;
        continue;
      case 'x-forwarded-host':
        if (internal) forwardedHost = value;
        continue;
      default:
        if (name.startsWith('x-veza-')) {
          if (!internal) continue;
          if (name === 'x-veza-arm') {
            arm = value === 'candidate' || value === 'stable' ? value : null;
            continue;
          }
          if (name === 'x-veza-preview') preview = value === '1';
        } else if (hopByHop.has(name)) continue;
    }
    forward.push(given, value);
  }

  return {
    host,
    forward: nominated === null ? forward : withoutNominated(forward, nominated),
    cookie,
    arm,
    preview,
    requestId,
    forwardedFor,
    forwardedProto,
    forwardedHost,
    contentLength,
    chunked,
    acceptsEventStream,
    fault,
  };
}

/** Headers that a `Connection` header says are for this connection only; null for the usual `keep-alive` and `close`. */
function nominatedBy(value: string, sofar: ReadonlySet<string> | null): ReadonlySet<string> | null {
  if (value === 'keep-alive' || value === 'close' || value === 'Upgrade') return sofar;
  return new Set([
    ...(sofar ?? []),
    ...value
      .toLowerCase()
      .split(',')
      .map((token) => token.trim())
      // These frame or address the message; a client must not be able to take them away from the instance.
      .filter((token) => token !== 'content-length' && token !== 'host' && token !== ''),
  ]);
}

function withoutNominated(flat: readonly string[], nominated: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    if (!nominated.has((flat[i] ?? '').toLowerCase())) kept.push(flat[i] ?? '', flat[i + 1] ?? '');
  }
  return kept;
}

/** Headers of an instance's answer as they go to the client: nothing of its connection, nothing the gateway says itself. */
export function answerHeaders(headers: Readonly<Record<string, string | readonly string[] | undefined>>): string[] {
  const connection = headers['connection'];
  const nominated = connection === undefined ? null : nominatedBy(String(connection), null);
  const flat: string[] = [];
  for (const name in headers) {
    if (hopByHop.has(name) || ownAnswerHeaders.has(name) || nominated?.has(name) === true) continue;
    const value = headers[name];
    if (typeof value === 'string') flat.push(name, value);
    else if (value !== undefined) for (const one of value) flat.push(name, one);
  }
  return flat;
}

const ownAnswerHeaders: ReadonlySet<string> = new Set(['x-request-id', 'x-veza-release', 'x-veza-error']);
