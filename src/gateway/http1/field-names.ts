import { answerKindOf, type AnswerKind } from './answer-kinds.ts';
import { latin1 } from './latin1.ts';

// Names of fields repeat in every message. They are looked up by their octets, so that a known one costs no new string and
// no lower-casing; the strings are internalized, which makes comparing them cheap for everyone behind the parser.

/** What a field means for the framing, the target or the connection of a message. */
export type FieldRole =
  | 'plain'
  | 'host'
  | 'content-length'
  | 'transfer-encoding'
  | 'connection'
  | 'upgrade'
  | 'expect'
  /** Written with `_`, it becomes a field that must not be forged, for servers that turn `-` into `_` (CGI, WSGI, PHP). */
  | 'disguised';

export interface FieldName {
  /** As sent. */
  readonly raw: string;
  readonly lower: string;
  readonly role: FieldRole;
  readonly answer: AnswerKind;
  readonly octets: Uint8Array;
  /** The next known name with the same place in the table. */
  readonly next: FieldName | null;
}

const roles: ReadonlyMap<string, FieldRole> = new Map<string, FieldRole>(
  (['host', 'content-length', 'transfer-encoding', 'connection', 'upgrade', 'expect'] as const).map((role) => [
    role,
    role,
  ]),
);

const forgeable =
  /^(?:host|content-length|transfer-encoding|connection|upgrade|te|trailer|forwarded|x-forwarded-.*|x-veza-.*|x-request-id|x-real-ip)$/;

function roleOf(lower: string): FieldRole {
  const role = roles.get(lower);
  if (role !== undefined) return role;
  return lower.includes('_') && forgeable.test(lower.replaceAll('_', '-')) ? 'disguised' : 'plain';
}

/** The same text as a string of its own, not a view into a longer one, and internalized. */
const own = (text: string): string => Object.keys({ [text]: 0 })[0] ?? text;

const PLACES = 1024;
/** Longer names are rare, and not worth keeping. */
const LONGEST_KEPT = 64;

const known: (FieldName | null)[] = Array.from<FieldName | null>({ length: PLACES }).fill(null);
/** Names that were seen lately, one a place: what a client makes up can push out only what was made up before. */
const seen: (FieldName | null)[] = Array.from<FieldName | null>({ length: PLACES }).fill(null);

function nameOf(text: string, next: FieldName | null): FieldName {
  const raw = own(text);
  const lower = own(text.toLowerCase());
  return {
    raw,
    lower,
    role: roleOf(lower),
    answer: answerKindOf(lower),
    octets: new Uint8Array(Buffer.from(raw, 'latin1')),
    next,
  };
}

/** First, middle and last octet and the length: tells the usual names apart. */
const placeOf = (first: number, middle: number, last: number, length: number): number =>
  (first * 7 + middle * 31 + last * 131 + length * 61) & (PLACES - 1);

const fits = (name: FieldName, bytes: Uint8Array, from: number, to: number): boolean => {
  const { octets } = name;
  const length = to - from;
  if (octets.length !== length) return false;
  for (let i = 0; i < length; i += 1) if (octets[i] !== bytes[from + i]) return false;
  return true;
};

/**
 * The name that these octets are.
 *
 * @param from offset of its first octet; it has at least one
 * @param to offset behind its last octet
 */
export function fieldName(bytes: Buffer, from: number, to: number): FieldName {
  const length = to - from;
  const place = placeOf(bytes[from] as number, bytes[from + (length >> 1)] as number, bytes[to - 1] as number, length);
  for (let name = known[place] as FieldName | null; name !== null; name = name.next) {
    if (fits(name, bytes, from, to)) return name;
  }
  const recent = seen[place] as FieldName | null;
  if (recent !== null && fits(recent, bytes, from, to)) return recent;
  const name = nameOf(latin1(bytes, from, to), null);
  if (length <= LONGEST_KEPT) seen[place] = name;
  return name;
}

const usual = `Host User-Agent Accept Accept-Encoding Accept-Language Accept-Charset Accept-Ranges Connection Keep-Alive
  Proxy-Connection Content-Length Content-Type Content-Encoding Content-Language Content-Disposition Content-Location
  Content-Range Content-Security-Policy Transfer-Encoding TE Trailer Upgrade Upgrade-Insecure-Requests Expect Cookie Set-Cookie
  Authorization Proxy-Authorization WWW-Authenticate Origin Referer Referrer-Policy Date Age ETag Expires Last-Modified Location
  Cache-Control Pragma Vary Via Server Link Allow Range If-Match If-None-Match If-Modified-Since If-Unmodified-Since If-Range
  Forwarded X-Forwarded-For X-Forwarded-Proto X-Forwarded-Host X-Request-Id X-Requested-With X-Real-Ip X-Powered-By
  X-Content-Type-Options X-Frame-Options Strict-Transport-Security Retry-After Alt-Svc DNT Priority Sec-CH-UA Sec-CH-UA-Mobile
  Sec-CH-UA-Platform Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site Sec-Fetch-User Sec-GPC Sec-WebSocket-Key
  Sec-WebSocket-Version Sec-WebSocket-Extensions Sec-WebSocket-Protocol Sec-WebSocket-Accept Last-Event-ID Traceparent
  Tracestate X-Veza-Arm X-Veza-Preview X-Veza-Release X-Veza-Error Access-Control-Allow-Origin Access-Control-Allow-Methods
  Access-Control-Allow-Headers Access-Control-Allow-Credentials Access-Control-Expose-Headers Access-Control-Max-Age
  Access-Control-Request-Method Access-Control-Request-Headers`;

for (const word of usual.split(/\s+/)) {
  const title = word.toLowerCase().replaceAll(/(^|-)[a-z]/g, (start) => start.toUpperCase());
  for (const text of new Set([word, word.toLowerCase(), title])) {
    const octets = Buffer.from(text, 'latin1');
    const place = placeOf(
      octets[0] as number,
      octets[octets.length >> 1] as number,
      octets[octets.length - 1] as number,
      octets.length,
    );
    known[place] = nameOf(text, known[place] as FieldName | null);
  }
}
