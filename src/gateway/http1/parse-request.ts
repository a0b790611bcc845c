import type { BodyLength } from '../client-request.ts';
import { fieldName } from './field-names.ts';
import {
  asksUpgrade,
  isAuthority,
  isChunked,
  keepsAlive,
  readConnection,
  readContentLength,
  readUpgrade,
} from './field-rules.ts';
import { FAULTY, FieldSection, INCOMPLETE } from './field-section.ts';
import { scanLimit } from './head-end.ts';
import { latin1 } from './latin1.ts';
import type { HeadLimits, ParsedRequest, ParseFault } from './message.ts';
import { CR, LF, SP, methodOctets, targetOctets } from './octets.ts';
import { readAbsoluteTarget } from './target.ts';

const MAX_METHOD_BYTES = 32;
/** RFC 9112, 3: at least 8,000 should be taken. */
const MAX_REQUEST_LINE_BYTES = 8_192;

const NO_BODY: BodyLength = { kind: 'none' };
const OPEN_BODY: BodyLength = { kind: 'open' };

const section = new FieldSection();
/** Offsets of the request line that was scanned last. */
const line = { from: 0, methodTo: 0, targetFrom: 0, targetTo: 0, minor: 0 };

const refuse = (status: ParseFault['status'], fault: string): ParseFault => ({ fault, status });

/**
 * Reads the head of a request (RFC 9112, 3 to 6; RFC 9110, 5). Strict: what two programs could read in two ways is a fault, and
 * the connection must be closed after it. Values are latin1: octets above 0x7f are kept as they are, but only there.
 *
 * @param from where the request begins; one empty line before it is skipped
 * @param to nothing at or behind this offset is looked at
 * @returns null when the head is not complete and could still become one: call again with more bytes. The cost of all calls
 *   for one head stays small: see `scanLimit`.
 */
export function parseRequestHead(
  bytes: Buffer,
  from: number,
  to: number,
  limits: HeadLimits,
): ParsedRequest | ParseFault | null {
  const full = to - from >= limits.maxHeaderBytes;
  const limit = full ? from + limits.maxHeaderBytes : scanLimit(bytes, from, to);
  const behindLine = scanRequestLine(bytes, from, limit);
  if (typeof behindLine !== 'number') return behindLine;
  if (behindLine === INCOMPLETE) return full ? refuse(414, 'a request line that is too long') : null;
  const end = section.scan(bytes, behindLine, limit, limits.maxHeaders);
  if (end === FAULTY) return refuse(section.status, section.fault);
  if (end === INCOMPLETE) return full ? refuse(431, `more than ${limits.maxHeaderBytes} bytes of head`) : null;
  return readRequest(bytes, end);
}

/** @returns the offset behind the line, or INCOMPLETE */
function scanRequestLine(bytes: Buffer, from: number, limit: number): number | ParseFault {
  let i = from;
  if (i < limit && bytes[i] === CR) {
    if (i + 1 >= limit) return INCOMPLETE;
    if (bytes[i + 1] !== LF) return refuse(400, 'a CR without LF');
    i += 2;
  }
  line.from = i;
  while (i < limit && methodOctets[bytes[i] as number] === 1) i += 1;
  if (i - line.from > MAX_METHOD_BYTES) return refuse(400, 'a method that is too long');
  if (i >= limit) return INCOMPLETE;
  if (bytes[i] !== SP || i === line.from) return refuse(400, 'a request line without a method');
  line.methodTo = i;
  i += 1;
  line.targetFrom = i;
  while (i < limit && targetOctets[bytes[i] as number] === 1) i += 1;
  if (i - line.from > MAX_REQUEST_LINE_BYTES) return refuse(414, 'a request line that is too long');
  if (i >= limit) return INCOMPLETE;
  if (i === line.targetFrom) return refuse(400, 'a request line without a target behind one space');
  if (bytes[i] !== SP) return refuse(400, 'a target with other than visible ASCII, or with a fragment');
  line.targetTo = i;
  return scanVersion(bytes, i + 1, limit);
}

const VERSION = Buffer.from('HTTP/1.1\r\n', 'latin1');

function scanVersion(bytes: Buffer, from: number, limit: number): number | ParseFault {
  for (let k = 0; k < VERSION.length; k += 1) {
    if (from + k >= limit) return INCOMPLETE;
    const octet = bytes[from + k] as number;
    if (octet === VERSION[k]) continue;
    if (k !== 5 && k !== 7) return refuse(400, 'a request line that does not end with HTTP/1.1');
    if (octet < 0x30 || octet > 0x39) return refuse(400, 'a version that is none');
    if (k === 5 || octet !== 0x30) return refuse(505, 'a version other than HTTP/1.0 and HTTP/1.1');
  }
  line.minor = (bytes[from + 7] as number) - 0x30;
  return wrongTarget(bytes) ?? from + VERSION.length;
}

/** Of the request line that was scanned: which forms its target may have (RFC 9112, 3.2). */
function wrongTarget(bytes: Buffer): ParseFault | null {
  const first = bytes[line.targetFrom];
  const length = line.methodTo - line.from;
  if (length === 7 && latin1(bytes, line.from, line.methodTo) === 'CONNECT') {
    return refuse(501, 'CONNECT, which is not implemented');
  }
  if (length === 3 && bytes[line.from + 1] === 0x52 && latin1(bytes, line.from, line.methodTo) === 'PRI') {
    return refuse(400, 'PRI, with which only HTTP/2 begins');
  }
  if (first === 0x2f) return null;
  if (first === 0x2a && line.targetTo - line.targetFrom === 1) {
    return latin1(bytes, line.from, line.methodTo) === 'OPTIONS' ? null : refuse(400, 'the target * without OPTIONS');
  }
  return readAbsoluteTarget(latin1(bytes, line.targetFrom, line.targetTo)) === null
    ? refuse(400, 'a target that is neither a path nor an absolute http URL without user')
    : null;
}

/** Makes the request of the line and the section that were scanned. */
function readRequest(bytes: Buffer, end: number): ParsedRequest | ParseFault {
  const { from } = line;
  const text = latin1(bytes, from, end);
  const version = line.minor === 1 ? '1.1' : '1.0';
  const { marks, count } = section;
  const headers: string[] = [];
  const names: string[] = [];
  let host = -1;
  let contentLength = -1;
  let chunked = false;
  let connection = 0;
  let upgrade: string | null = null;
  let expectsContinue = false;

  for (let field = 0; field < count; field += 1) {
    const mark = 4 * field;
    const name = fieldName(bytes, marks[mark] as number, marks[mark + 1] as number);
    const value = text.slice((marks[mark + 2] as number) - from, (marks[mark + 3] as number) - from);
    headers.push(name.raw, value);
    names.push(name.lower);
    switch (name.role) {
      case 'plain':
        break;
      case 'host':
        if (host >= 0) return refuse(400, 'more than one Host');
        if (!isAuthority(value)) return refuse(400, 'a Host that is no host');
        host = 2 * field + 1;
        break;
      case 'content-length': {
        if (contentLength >= 0) return refuse(400, 'more than one Content-Length');
        const length = section.endsWithTab(bytes, field) ? null : readContentLength(value);
        if (length === null) return refuse(400, 'a Content-Length that is no number');
        contentLength = length;
        break;
      }
      case 'transfer-encoding':
        if (chunked || !isChunked(value) || section.endsWithTab(bytes, field))
          return refuse(400, 'a Transfer-Encoding other than chunked');
        chunked = true;
        break;
      case 'connection':
        connection |= readConnection(value);
        break;
      case 'upgrade':
        upgrade = upgrade === null ? value : `${upgrade}, ${value}`;
        break;
      case 'expect':
        if (expectsContinue || value.toLowerCase() !== '100-continue') {
          return refuse(417, 'an expectation other than 100-continue');
        }
        expectsContinue = true;
        break;
      case 'disguised':
        return refuse(400, `a field name with _ that is read as another one: ${name.lower}`);
    }
  }

  if (chunked && contentLength >= 0) return refuse(400, 'both Content-Length and Transfer-Encoding');
  if (chunked && version === '1.0') return refuse(400, 'Transfer-Encoding in HTTP/1.0');
  if (host < 0 && version === '1.1') return refuse(400, 'no Host');

  const target = text.slice(line.targetFrom - from, line.targetTo - from);
  if (bytes[line.targetFrom] !== 0x2f) ownHost(target, host, headers, names);
  const hasBody = chunked || contentLength > 0;
  return {
    method: methodOf(text.slice(0, line.methodTo - from)),
    target,
    version,
    headers,
    names,
    body: chunked ? OPEN_BODY : contentLength < 0 ? NO_BODY : { kind: 'length', bytes: contentLength },
    expectsContinue: expectsContinue && hasBody && version === '1.1',
    upgrade: upgrade !== null && !hasBody && version === '1.1' && asksUpgrade(connection) ? readUpgrade(upgrade) : null,
    keepAlive: keepsAlive(connection, version),
    end,
  };
}

/** RFC 9112, 3.2.2: the host of an absolute target replaces what Host says. */
function ownHost(target: string, host: number, headers: string[], names: string[]): void {
  const absolute = readAbsoluteTarget(target);
  if (absolute === null) return;
  if (host >= 0) {
    headers[host] = absolute.authority;
    return;
  }
  headers.push('Host', absolute.authority);
  names.push('host');
}

/** The usual ones as constants, which compare faster than new strings. */
function methodOf(text: string): string {
  switch (text) {
    case 'GET':
      return 'GET';
    case 'POST':
      return 'POST';
    case 'HEAD':
      return 'HEAD';
    case 'PUT':
      return 'PUT';
    case 'DELETE':
      return 'DELETE';
    case 'PATCH':
      return 'PATCH';
    case 'OPTIONS':
      return 'OPTIONS';
    default:
      return text;
  }
}
