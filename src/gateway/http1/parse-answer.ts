import type { BodyLength } from '../client-request.ts';
import { fieldName } from './field-names.ts';
import { isChunked, keepsAlive, readConnection, readContentLength } from './field-rules.ts';
import { FAULTY, FieldSection, INCOMPLETE } from './field-section.ts';
import { scanLimit } from './head-end.ts';
import { splitFields } from './field-lines.ts';
import { latin1 } from './latin1.ts';
import type { HeadLimits, ParsedAnswer, ParseFault } from './message.ts';
import { CR, LF, SP, valueOctets } from './octets.ts';

const NO_BODY: BodyLength = { kind: 'none' };
const OPEN_BODY: BodyLength = { kind: 'open' };
const EMPTY_BODY: BodyLength = { kind: 'length', bytes: 0 };

const section = new FieldSection();
/** Of the status line that was scanned last. */
const line = { minor: 0, status: 0, reasonFrom: 0, reasonTo: 0 };

const refuse = (status: ParseFault['status'], fault: string): ParseFault => ({ fault, status });

/**
 * Reads the head of an instance's answer (RFC 9112, 4 to 6), as strictly as a request's: an answer that can be read in two
 * ways is a fault, and its connection must be closed. No empty line may come before it: that is something left over.
 *
 * @param requestMethod answers to HEAD have no body whatever they announce
 * @returns null when the head is not complete and could still become one
 */
export function parseAnswerHead(
  bytes: Buffer,
  from: number,
  to: number,
  requestMethod: string,
  limits: HeadLimits,
): ParsedAnswer | ParseFault | null {
  const full = to - from >= limits.maxHeaderBytes;
  const limit = full ? from + limits.maxHeaderBytes : scanLimit(bytes, from, to);
  const behindLine = scanStatusLine(bytes, from, limit);
  if (typeof behindLine !== 'number') return behindLine;
  const end = behindLine === INCOMPLETE ? INCOMPLETE : section.scan(bytes, behindLine, limit, limits.maxHeaders);
  if (end === FAULTY) return refuse(section.status, section.fault);
  if (end === INCOMPLETE) return full ? refuse(431, `more than ${limits.maxHeaderBytes} bytes of head`) : null;
  return readAnswer(bytes, from, behindLine, end, requestMethod);
}

const VERSION = Buffer.from('HTTP/1.1 ', 'latin1');

/** `HTTP/1.1 200 OK`; the reason, and with it the space before it, may be missing. */
function scanStatusLine(bytes: Buffer, from: number, limit: number): number | ParseFault {
  let i = from;
  for (let k = 0; k < VERSION.length; k += 1, i += 1) {
    if (i >= limit) return INCOMPLETE;
    const octet = bytes[i] as number;
    if (octet !== VERSION[k] && !(k === 7 && octet === 0x30)) {
      return refuse(400, 'a status line that does not begin with HTTP/1.1 or HTTP/1.0');
    }
  }
  line.minor = (bytes[from + 7] as number) - 0x30;
  line.status = 0;
  for (let k = 0; k < 3; k += 1, i += 1) {
    if (i >= limit) return INCOMPLETE;
    const digit = (bytes[i] as number) - 0x30;
    if (digit < 0 || digit > 9) return refuse(400, 'a status that is no number');
    line.status = line.status * 10 + digit;
  }
  if (line.status < 100 || line.status > 599) return refuse(400, 'a status outside 100 to 599');
  if (i < limit && bytes[i] === SP) i += 1;
  else if (i < limit && bytes[i] !== CR) return refuse(400, 'a status line without a space behind its status');
  line.reasonFrom = i;
  while (i < limit && valueOctets[bytes[i] as number] === 1) i += 1;
  line.reasonTo = i;
  if (i < limit && bytes[i] !== CR) return refuse(400, 'a status line that does not end with CRLF');
  if (i + 1 >= limit) return INCOMPLETE;
  return bytes[i + 1] === LF ? i + 2 : refuse(400, 'a CR without LF');
}

/** What was read of an answer; its fields are text until somebody asks for them one by one. */
class AnswerHead implements ParsedAnswer {
  readonly status: number;
  readonly reason: string;
  readonly lines: string | null;
  readonly dated: boolean;
  readonly contentType: string | null;
  readonly contentEncoding: string | null;
  readonly keepAliveField: string | null;
  readonly body: BodyLength | null;
  readonly announced: number | null;
  readonly keepAlive: boolean;
  readonly end: number;
  readonly #section: string;
  #fields: { readonly headers: readonly string[]; readonly names: readonly string[] } | null = null;

  constructor(section: string, parts: Omit<ParsedAnswer, 'headers' | 'names'>) {
    this.#section = section;
    this.status = parts.status;
    this.reason = parts.reason;
    this.lines = parts.lines;
    this.dated = parts.dated;
    this.contentType = parts.contentType;
    this.contentEncoding = parts.contentEncoding;
    this.keepAliveField = parts.keepAliveField;
    this.body = parts.body;
    this.announced = parts.announced;
    this.keepAlive = parts.keepAlive;
    this.end = parts.end;
  }

  get headers(): readonly string[] {
    return (this.#fields ??= splitFields(this.#section)).headers;
  }

  get names(): readonly string[] {
    return (this.#fields ??= splitFields(this.#section)).names;
  }
}

/** Makes the answer of the line and the section that were scanned. @param sectionFrom where its first field begins */
function readAnswer(
  bytes: Buffer,
  from: number,
  sectionFrom: number,
  end: number,
  requestMethod: string,
): ParsedAnswer | ParseFault {
  const text = latin1(bytes, from, end);
  const { status } = line;
  const version = line.minor === 1 ? '1.1' : '1.0';
  const { marks, count } = section;
  let lines = '';
  /** Where the lines begin that go on together, behind those that are in `lines` already; -1 when there are none. */
  let run = -1;
  let nominates = false;
  let dated = false;
  let contentType: string | null = null;
  let contentEncoding: string | null = null;
  let keepAliveField: string | null = null;
  let contentLength = -1;
  let chunked = false;
  let connection = 0;

  for (let field = 0; field < count; field += 1) {
    const mark = 4 * field;
    const lineFrom = marks[mark] as number;
    const nameTo = marks[mark + 1] as number;
    const valueFrom = marks[mark + 2] as number;
    const valueTo = marks[mark + 3] as number;
    const name = fieldName(bytes, lineFrom, nameTo);
    const { answer } = name;
    if (answer === 'dropped' || answer === 'keep-alive') {
      if (run >= 0) lines += text.slice(run - from, lineFrom - from);
      run = -1;
    } else if (valueFrom === nameTo + 2 && bytes[nameTo + 1] === SP && bytes[valueTo] === CR) {
      if (run < 0) run = lineFrom;
    } else {
      // White space other than one space before the value: written anew, so that it is read everywhere as it was here.
      if (run >= 0) lines += text.slice(run - from, lineFrom - from);
      run = -1;
      lines += `${name.raw}: ${text.slice(valueFrom - from, valueTo - from)}\r\n`;
    }
    if (answer === 'plain') continue;
    const value = text.slice(valueFrom - from, valueTo - from);
    if (answer === 'content-type') contentType = value;
    else if (answer === 'date') dated = true;
    else if (answer === 'content-encoding') contentEncoding = value;
    else if (answer === 'keep-alive') keepAliveField = value;
    else if (name.role === 'content-length') {
      if (contentLength >= 0) return refuse(400, 'more than one Content-Length');
      const length = section.endsWithTab(bytes, field) ? null : readContentLength(value);
      if (length === null) return refuse(400, 'a Content-Length that is no number');
      contentLength = length;
    } else if (name.role === 'transfer-encoding') {
      if (chunked || !isChunked(value) || section.endsWithTab(bytes, field))
        return refuse(400, 'a Transfer-Encoding other than chunked');
      chunked = true;
    } else if (name.role === 'connection') {
      connection |= readConnection(value);
      nominates ||= value !== 'keep-alive' && value !== 'Keep-Alive' && value !== 'close' && value !== 'Upgrade';
    }
  }
  if (run >= 0) lines += text.slice(run - from, end - 2 - from);

  if (chunked && contentLength >= 0) return refuse(400, 'both Content-Length and Transfer-Encoding');
  if (chunked && version === '1.0') return refuse(400, 'Transfer-Encoding in HTTP/1.0');
  if (status < 200 && version === '1.0') return refuse(400, 'an interim answer in HTTP/1.0');
  if ((status < 200 || status === 204) && (chunked || contentLength > 0)) {
    return refuse(400, `a body announced with status ${status}, which has none`);
  }

  const bodiless = status < 200 || status === 204 || status === 304 || requestMethod === 'HEAD';
  const body = bodyOf(bodiless, chunked, contentLength);
  return new AnswerHead(text.slice(sectionFrom - from), {
    status,
    reason: text.slice(line.reasonFrom - from, line.reasonTo - from),
    lines: nominates ? null : lines,
    dated,
    contentType,
    contentEncoding,
    keepAliveField,
    body,
    announced: contentLength < 0 ? null : contentLength,
    keepAlive: body !== null && keepsAlive(connection, version),
    end,
  });
}

function bodyOf(bodiless: boolean, chunked: boolean, contentLength: number): BodyLength | null {
  if (bodiless) return NO_BODY;
  if (chunked) return OPEN_BODY;
  if (contentLength < 0) return null;
  return contentLength === 0 ? EMPTY_BODY : { kind: 'length', bytes: contentLength };
}
