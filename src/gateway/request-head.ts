import type { Arm } from '../core/slot.ts';
import type { ClientRequest } from './client-request.ts';
import { answerKindOf } from './http1/answer-kinds.ts';
import type { ParsedAnswer } from './http1/message.ts';

/** On which side a request came in: users, or services of the platform. */
export type Side = 'public' | 'internal';

/** What the gateway needs to know of a request's head, and the headers that may go on as they are. */
export interface RequestHead {
  readonly host: string | null;
  /** Lines of the head without what is only for this connection and without what the gateway sets itself. */
  readonly forward: string;
  readonly cookie: string | null;
  readonly arm: Arm | null;
  readonly preview: boolean;
  /** It was made on behalf of a copy of a request: nobody waits for what comes of it. */
  readonly copy: boolean;
  readonly requestId: string | null;
  readonly forwardedFor: string | null;
  readonly forwardedProto: string | null;
  readonly forwardedHost: string | null;
  readonly accept: string | null;
  /** Not in `forward`. */
  readonly acceptEncoding: string | null;
  readonly acceptsEventStream: boolean;
}

/** Headers that are looked at, or do not go on as they are. */
const kinds: ReadonlyMap<string, number> = new Map([
  // Only for one connection (RFC 9110, 7.6.1), whether or not `Connection` names them; framing is written anew.
  ['connection', 0],
  ['proxy-connection', 0],
  ['keep-alive', 0],
  ['te', 0],
  ['transfer-encoding', 0],
  ['content-length', 0],
  ['upgrade', 0],
  ['proxy-authorization', 0],
  ['proxy-authenticate', 0],
  ['expect', 0],
  ['http2-settings', 0],
  ['host', 1],
  ['cookie', 2],
  ['accept', 3],
  ['accept-encoding', 4],
  ['x-request-id', 5],
  ['forwarded', 6],
  ['x-forwarded-for', 7],
  ['x-forwarded-proto', 8],
  ['x-forwarded-host', 9],
]);

/**
 * Reads the head of a request. From users, `x-veza-*` and forwarding headers are dropped: only the gateway may say
 * where a request came from and which arm it takes. From inside they are believed.
 */
export function readRequestHead({ headers, names }: Pick<ClientRequest, 'headers' | 'names'>, side: Side): RequestHead {
  const internal = side === 'internal';
  const nominated = nominatedBy(headers, names);
  let forward = '';
  let host: string | null = null;
  let cookie: string | null = null;
  let arm: Arm | null = null;
  let preview = false;
  let copy = false;
  let requestId: string | null = null;
  let forwardedFor: string | null = null;
  let forwardedProto: string | null = null;
  let forwardedHost: string | null = null;
  let accept: string | null = null;
  let acceptEncoding: string | null = null;

  for (let i = 0; i < names.length; i += 1) {
    const name = names[i] ?? '';
    const value = headers[2 * i + 1] ?? '';
    if (nominated !== null && nominated.has(name)) continue;
    switch (kinds.get(name)) {
      case undefined:
        if (name.startsWith('x-veza-')) {
          if (!internal) continue;
          if (name === 'x-veza-arm') {
            arm = value === 'candidate' || value === 'stable' ? value : null;
            continue;
          }
          if (name === 'x-veza-preview') preview = value === '1';
          else if (name === 'x-veza-mirror') copy = true;
        }
        break;
      case 1:
        host = value;
        continue;
      case 2:
        cookie = cookie === null ? value : `${cookie}; ${value}`;
        continue;
      case 3:
        accept = accept === null ? value : `${accept}, ${value}`;
        break;
      case 4:
        acceptEncoding = acceptEncoding === null ? value : `${acceptEncoding}, ${value}`;
        continue;
      case 5:
        if (requestId === null && isRequestId(value)) requestId = value;
        continue;
      case 6:
        if (!internal) continue;
        break;
      case 7:
        if (internal) forwardedFor = forwardedFor === null ? value : `${forwardedFor}, ${value}`;
        continue;
      case 8:
        if (internal) forwardedProto = value;
        continue;
      case 9:
        if (internal) forwardedHost = value;
        continue;
      default:
        continue;
    }
    forward += `${headers[2 * i] ?? ''}: ${value}\r\n`;
  }

  return {
    host,
    forward,
    cookie,
    arm,
    preview,
    copy,
    requestId,
    forwardedFor,
    forwardedProto,
    forwardedHost,
    accept,
    acceptEncoding,
    acceptsEventStream: accept !== null && accept.includes('text/event-stream'),
  };
}

/** Letters, digits and `._:+/=@-`, 1 to 128 of them: safe in logs. */
function isRequestId(value: string): boolean {
  return value.length > 0 && value.length <= 128 && /^[A-Za-z0-9._:+/=@-]+$/.test(value);
}

/** The value of a header, or null. @param name in lower case */
export function headerOf({ headers, names }: Pick<ClientRequest, 'headers' | 'names'>, name: string): string | null {
  const at = names.indexOf(name);
  return at === -1 ? null : (headers[2 * at + 1] ?? null);
}

/** Headers that `Connection` says are for this connection only; null for the usual `keep-alive` and `close`. */
function nominatedBy(headers: readonly string[], names: readonly string[]): ReadonlySet<string> | null {
  let nominated: Set<string> | null = null;
  for (let at = names.indexOf('connection'); at !== -1; at = names.indexOf('connection', at + 1)) {
    const value = headers[2 * at + 1] ?? '';
    if (value === 'keep-alive' || value === 'close' || value === 'Upgrade') continue;
    for (const part of value.toLowerCase().split(',')) {
      const token = part.trim();
      // Addresses the message; a client must not be able to take it away from the instance.
      if (token !== '' && token !== 'host') (nominated ??= new Set()).add(token);
    }
  }
  return nominated;
}

/**
 * Headers of an instance's answer as they go to the client, flat: nothing of its connection, also when only `Connection` says so,
 * nothing the gateway says itself. Where nothing has to be added or taken away, the answer's `lines` say the same.
 */
export function headersForClient({ headers, names }: Pick<ParsedAnswer, 'headers' | 'names'>): string[] {
  const nominated = nominatedBy(headers, names);
  const flat: string[] = [];
  for (let i = 0; i < names.length; i += 1) {
    const name = names[i] ?? '';
    const kind = answerKindOf(name);
    if (kind === 'dropped' || kind === 'keep-alive' || nominated?.has(name) === true) continue;
    flat.push(headers[2 * i] ?? '', headers[2 * i + 1] ?? '');
  }
  return flat;
}

/** The `link` headers of an interim answer, flat. */
export function linksOf({ headers, names }: Pick<ParsedAnswer, 'headers' | 'names'>): string[] {
  const links: string[] = [];
  for (let i = 0; i < names.length; i += 1) if (names[i] === 'link') links.push('link', headers[2 * i + 1] ?? '');
  return links;
}
