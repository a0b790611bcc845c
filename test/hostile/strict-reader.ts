// Reads HTTP/1.1 as RFC 9112 has it and nothing beside: what it accepts has one meaning. It shares no code with the gateway,
// reads whole buffers instead of a stream, and is slow on purpose: it is the judge.

export interface ReadRequest {
  readonly method: string;
  readonly target: string;
  readonly version: '1.0' | '1.1';
  /** Name in lower case, value. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
  readonly trailers: readonly (readonly [string, string])[];
  readonly chunked: boolean;
  /** The connection carries another request behind this one. */
  readonly keepAlive: boolean;
}

export type Reading<T> =
  | { readonly kind: 'complete'; readonly value: T; readonly end: number }
  /** `headRead`: only the body is missing. */
  | { readonly kind: 'incomplete'; readonly headRead: boolean }
  | { readonly kind: 'fault'; readonly fault: string; readonly headRead: boolean };

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Visible characters, obs-text, and space or tab between them. */
const fieldValue = /^[\x21-\x7e\x80-\xff \t]*$/;
const requestLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP\/1\.([01])$/;
const statusLine = /^HTTP\/1\.([01]) ([1-9][0-9]{2}) ([\x21-\x7e\x80-\xff \t]*)$/;
const chunkLine = /^([0-9A-Fa-f]{1,13})((?:;[\x21-\x7e\x80-\xff \t]*)?)$/;

interface Head {
  readonly first: string;
  readonly headers: [string, string][];
  readonly end: number;
}

/** The lines of a head up to its empty line; every line ends with CRLF and holds no other CR or LF. */
function readHead(bytes: Buffer, from: number): Reading<Head> {
  const lines: string[] = [];
  let at = from;
  for (;;) {
    const lf = bytes.indexOf(0x0a, at);
    const line = bytes.toString('latin1', at, lf === -1 ? bytes.length : lf);
    const cr = line.indexOf('\r');
    if (lf === -1) {
      if (cr !== -1 && cr !== line.length - 1) return { kind: 'fault', fault: 'bare CR', headRead: false };
      return { kind: 'incomplete', headRead: false };
    }
    if (!line.endsWith('\r')) return { kind: 'fault', fault: 'bare LF', headRead: false };
    if (cr !== line.length - 1) return { kind: 'fault', fault: 'bare CR', headRead: false };
    at = lf + 1;
    if (line === '\r') break;
    lines.push(line.slice(0, -1));
  }
  const headers: [string, string][] = [];
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon));
    if (!token.test(name)) return { kind: 'fault', fault: `header line ${JSON.stringify(line)}`, headRead: false };
    const value = line.slice(colon + 1);
    if (!fieldValue.test(value)) return { kind: 'fault', fault: `value of ${name}`, headRead: false };
    headers.push([name.toLowerCase(), value.replaceAll(/^[ \t]+|[ \t]+$/g, '')]);
  }
  return { kind: 'complete', value: { first: lines[0] ?? '', headers, end: at }, end: at };
}

const valuesOf = (headers: readonly (readonly [string, string])[], name: string): string[] =>
  headers.filter(([given]) => given === name).map(([, value]) => value);

type Framing =
  | { readonly kind: 'chunked' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'none' };

function framingOf(head: Head): Framing | string {
  const lengths = valuesOf(head.headers, 'content-length');
  const codings = valuesOf(head.headers, 'transfer-encoding');
  if (lengths.length + codings.length > 1) return 'framed more than once';
  const [coding] = codings;
  if (coding !== undefined) return coding.toLowerCase() === 'chunked' ? { kind: 'chunked' } : `coding ${coding}`;
  const [length] = lengths;
  if (length === undefined) return { kind: 'none' };
  if (!/^[0-9]{1,15}$/.test(length)) return `length ${length}`;
  return { kind: 'length', bytes: Number(length) };
}

/** A chunked body and its trailers. */
function readChunked(
  bytes: Buffer,
  from: number,
): Reading<{ readonly body: Buffer; readonly trailers: [string, string][] }> {
  const pieces: Buffer[] = [];
  let at = from;
  for (;;) {
    const lf = bytes.indexOf(0x0a, at);
    const line = bytes.toString('latin1', at, lf === -1 ? bytes.length : lf);
    if (lf === -1) {
      return chunkLineBegins(line)
        ? { kind: 'incomplete', headRead: true }
        : { kind: 'fault', fault: 'chunk size', headRead: true };
    }
    const size = line.endsWith('\r') ? chunkLine.exec(line.slice(0, -1)) : null;
    if (size === null) return { kind: 'fault', fault: `chunk line ${JSON.stringify(line)}`, headRead: true };
    at = lf + 1;
    const length = Number.parseInt(size[1] ?? '', 16);
    if (length === 0) break;
    const ending = bytes.toString('latin1', at + length, at + length + 2);
    if (!'\r\n'.startsWith(ending)) return { kind: 'fault', fault: 'end of a chunk', headRead: true };
    if (bytes.length < at + length + 2) return { kind: 'incomplete', headRead: true };
    pieces.push(bytes.subarray(at, at + length));
    at += length + 2;
  }
  // Trailers are lines as a head has them, behind a first line that is not there.
  const trailers = readHead(Buffer.concat([Buffer.from('x\r\n'), bytes.subarray(at)]), 0);
  if (trailers.kind === 'fault') return { ...trailers, headRead: true };
  if (trailers.kind === 'incomplete') return { kind: 'incomplete', headRead: true };
  return {
    kind: 'complete',
    value: { body: Buffer.concat(pieces), trailers: trailers.value.headers },
    end: at + trailers.end - 3,
  };
}

const chunkLineBegins = (line: string): boolean =>
  /^(?:[0-9A-Fa-f]{1,13}(?:;[\x21-\x7e\x80-\xff \t]*)?\r?)?$/.test(line);

function targetFault(method: string, target: string): string | null {
  if (method === 'CONNECT') return 'CONNECT';
  if (target === '*') return method === 'OPTIONS' ? null : 'asterisk-form';
  if (target.includes('#')) return 'fragment in the target';
  if (target.startsWith('/')) return null;
  return /^https?:\/\/[^/?#@]+(?:[/?].*)?$/i.test(target) ? null : 'form of the target';
}

const hostForm = /^(?:[A-Za-z0-9._~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?$/;

/** One request that begins at `from`. */
export function readRequest(bytes: Buffer, from: number): Reading<ReadRequest> {
  const head = readHead(bytes, from);
  if (head.kind !== 'complete') return head;
  const fault = (what: string): Reading<ReadRequest> => ({ kind: 'fault', fault: what, headRead: false });
  const line = requestLine.exec(head.value.first);
  if (line === null) return fault(`request line ${JSON.stringify(head.value.first.slice(0, 80))}`);
  const [, method = '', target = '', minor] = line;
  const version = minor === '0' ? '1.0' : '1.1';
  const { headers } = head.value;
  const hosts = valuesOf(headers, 'host');
  if (hosts.length > 1 || (hosts.length === 0 && version === '1.1')) return fault(`${hosts.length} Host headers`);
  if (!hosts.every((host) => hostForm.test(host))) return fault('form of Host');
  const form = targetFault(method, target);
  if (form !== null) return fault(form);
  const framing = framingOf(head.value);
  if (typeof framing === 'string') return fault(framing);
  if (framing.kind === 'chunked' && version === '1.0') return fault('transfer coding in HTTP/1.0');
  const connection = valuesOf(headers, 'connection').join(',').toLowerCase().split(',');
  const options = new Set(connection.map((option) => option.trim()));
  const keepAlive = version === '1.1' ? !options.has('close') : options.has('keep-alive') && !options.has('close');
  const plain = { method, target, version, headers, keepAlive } as const;
  if (framing.kind === 'chunked') {
    const chunked = readChunked(bytes, head.end);
    if (chunked.kind !== 'complete') return chunked;
    return { kind: 'complete', value: { ...plain, ...chunked.value, chunked: true }, end: chunked.end };
  }
  const end = head.end + (framing.kind === 'length' ? framing.bytes : 0);
  if (bytes.length < end) return { kind: 'incomplete', headRead: true };
  const body = Buffer.from(bytes.subarray(head.end, end));
  return { kind: 'complete', value: { ...plain, body, trailers: [], chunked: false }, end };
}

export interface Stretch {
  readonly requests: readonly ReadRequest[];
  /** What is behind the last complete request. */
  readonly rest: 'nothing' | 'incomplete' | 'fault';
  readonly fault: string | null;
  /** The request that is not complete or at fault had a good head. */
  readonly headRead: boolean;
}

/**
 * All requests of a connection, up to the first fault or to one that says it is the last.
 *
 * @param leadingLines empty lines that may stand before a request (RFC 9112, 2.2)
 */
export function readRequests(bytes: Buffer, leadingLines = 0): Stretch {
  const requests: ReadRequest[] = [];
  let at = 0;
  for (;;) {
    for (let lines = 0; lines < leadingLines && bytes.toString('latin1', at, at + 2) === '\r\n'; lines += 1) at += 2;
    if (at >= bytes.length) return { requests, rest: 'nothing', fault: null, headRead: false };
    const reading = readRequest(bytes, at);
    if (reading.kind !== 'complete') {
      const fault = reading.kind === 'fault' ? reading.fault : null;
      return { requests, rest: reading.kind, fault, headRead: reading.headRead };
    }
    requests.push(reading.value);
    at = reading.end;
    if (!reading.value.keepAlive) return { requests, rest: 'nothing', fault: null, headRead: false };
  }
}

export interface ReadAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
  /** False when the connection ended, or the bytes ended, before the body did. */
  readonly complete: boolean;
}

/**
 * The final answers on a client's connection; interim ones are left out.
 *
 * @param methods of the requests that are answered, in order; GET when there are more answers than methods
 * @param closed the connection was ended in order, so that a body without length is complete
 * @returns the answers, and why the rest is no answer
 */
export function readAnswers(
  bytes: Buffer,
  methods: readonly string[],
  closed: boolean,
): { readonly answers: readonly ReadAnswer[]; readonly fault: string | null } {
  const answers: ReadAnswer[] = [];
  let at = 0;
  while (at < bytes.length) {
    const head = readHead(bytes, at);
    if (head.kind === 'incomplete') return { answers, fault: null };
    if (head.kind === 'fault') return { answers, fault: head.fault };
    const line = statusLine.exec(head.value.first);
    if (line === null) return { answers, fault: `status line ${JSON.stringify(head.value.first.slice(0, 80))}` };
    const status = Number(line[2]);
    at = head.end;
    if (status < 200 && status !== 101) continue;
    const { headers } = head.value;
    const method = methods[answers.length] ?? 'GET';
    if (method === 'HEAD' || status === 101 || status === 204 || status === 304) {
      answers.push({ status, headers, body: Buffer.alloc(0), complete: true });
      continue;
    }
    const framing = framingOf(head.value);
    if (typeof framing === 'string') return { answers, fault: framing };
    if (framing.kind === 'chunked') {
      const chunked = readChunked(bytes, at);
      if (chunked.kind === 'fault') return { answers, fault: chunked.fault };
      if (chunked.kind === 'incomplete') {
        answers.push({ status, headers, body: bytes.subarray(at), complete: false });
        return { answers, fault: null };
      }
      answers.push({ status, headers, body: chunked.value.body, complete: true });
      at = chunked.end;
      continue;
    }
    const end = framing.kind === 'length' ? at + framing.bytes : bytes.length;
    const complete = framing.kind === 'length' ? bytes.length >= end : closed;
    answers.push({ status, headers, body: bytes.subarray(at, end), complete });
    at = end;
  }
  return { answers, fault: null };
}
