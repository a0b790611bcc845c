import { fieldName } from './field-names.ts';
import { FAULTY, FieldSection, INCOMPLETE } from './field-section.ts';
import { latin1 } from './latin1.ts';
import { CR, LF, isFieldValue, isToken, tokenOctets } from './octets.ts';

const MAX_SIZE_DIGITS = 16;
const MAX_EXTENSION_BYTES = 256;
/** Extensions do nothing; a body that is mostly extensions is an attack on those who skip them. */
const MAX_EXTENSION_BYTES_OF_BODY = 16_384;
const MAX_TRAILER_BYTES = 8_192;
const MAX_TRAILERS = 64;

/**
 * Fields that mean something for framing, routing, authentication, or how content is read must not come behind it (RFC 9110,
 * 6.5.1); neither may those that the gateway speaks itself.
 */
const forbiddenTrailers: ReadonlySet<string> = new Set(
  `transfer-encoding content-length host connection keep-alive proxy-connection te trailer upgrade expect max-forwards
  cache-control pragma range if-match if-none-match if-modified-since if-unmodified-since if-range authorization
  proxy-authorization proxy-authenticate www-authenticate cookie set-cookie content-encoding content-type content-range
  content-location age date expires location retry-after vary via forwarded x-request-id x-real-ip
  strict-transport-security`.split(/\s+/),
);

function mayTrail(name: string): boolean {
  // `_` and `-` are the same to some servers.
  const lower = name.toLowerCase().replaceAll('_', '-');
  return !forbiddenTrailers.has(lower) && !lower.startsWith('x-forwarded-') && !lower.startsWith('x-veza-');
}

type State =
  | 'size'
  | 'extension-name'
  | 'extension-value'
  | 'extension-quoted'
  | 'extension-escaped'
  | 'extension-after-quote'
  | 'line-feed'
  | 'data'
  | 'data-end'
  | 'data-line-feed'
  | 'trailers'
  | 'done'
  | 'fault';

const section = new FieldSection();

/**
 * Takes a chunked body apart (RFC 9112, 7.1) as its bytes come, in pieces of any size. Strict: no white space around sizes, CRLF
 * everywhere, extensions of the form of the RFC only, and bounded. Extensions are dropped, and so are trailers that may not
 * come behind a body; trailers that frame are refused.
 */
export class ChunkedDecoder {
  #state: State = 'size';
  #digits = 0;
  /** Of the size while it is read, then bytes of data that are still to come. */
  #left = 0;
  /** Bytes of the current part of an extension: of its name or value; an empty one is a fault. */
  #part = 0;
  #extension = 0;
  #extensions = 0;
  #fault: string | null = null;
  /** Behind the last chunk: what has come of the trailers while they are not complete. */
  #held: Buffer | null = null;
  #trailers: readonly string[] = [];

  /** The body is complete, its trailers too. */
  get done(): boolean {
    return this.#state === 'done';
  }

  /** Why the bytes are no chunked body; null as long as they can be one. */
  get fault(): string | null {
    return this.#fault;
  }

  /** Flat: name, value ...; those that may trail a body. Complete when `done`. */
  get trailers(): readonly string[] {
    return this.#trailers;
  }

  /**
   * Follows the bytes from `from` up to `to`.
   *
   * @param onData gets each piece of content, a view into `bytes`; must not call `decode`
   * @returns the offset behind what belongs to the body: `to`, unless the body is done or faulty
   */
  decode(bytes: Buffer, from: number, to: number, onData: (piece: Buffer) => void): number {
    let i = from;
    while (i < to) {
      if (this.#state === 'data') {
        const end = this.#left < to - i ? i + this.#left : to;
        const piece = bytes.subarray(i, end);
        this.#left -= end - i;
        i = end;
        if (this.#left === 0) this.#state = 'data-end';
        onData(piece);
      } else if (this.#state === 'trailers') {
        return this.#readTrailers(bytes, i, to);
      } else {
        if (this.#state === 'done' || !this.#step(bytes[i] as number)) return i;
        i += 1;
      }
    }
    return i;
  }

  /** @returns false when the octet cannot stand here */
  #step(octet: number): boolean {
    switch (this.#state) {
      case 'size':
        return this.#size(octet);
      case 'extension-name':
      case 'extension-value':
      case 'extension-quoted':
      case 'extension-escaped':
      case 'extension-after-quote':
        return this.#inExtension(octet);
      case 'line-feed':
        if (octet !== LF) return this.#refuse('a CR without LF in a chunk');
        this.#state = this.#left === 0 ? 'trailers' : 'data';
        return true;
      case 'data-end':
        if (octet !== CR) return this.#refuse('a chunk that is longer than its size');
        this.#state = 'data-line-feed';
        return true;
      case 'data-line-feed':
        if (octet !== LF) return this.#refuse('a CR without LF in a chunk');
        this.#state = 'size';
        this.#digits = 0;
        return true;
      default:
        return false;
    }
  }

  #size(octet: number): boolean {
    const digit = hexDigit(octet);
    if (digit >= 0) {
      this.#digits += 1;
      if (this.#digits > MAX_SIZE_DIGITS) return this.#refuse('a chunk size that is too long');
      this.#left = this.#left * 16 + digit;
      // Beyond 2^53 - 1 numbers are not exact; what was exact before is at most 16 times as much now.
      if (this.#left > Number.MAX_SAFE_INTEGER) return this.#refuse('a chunk size that is too large');
      return true;
    }
    if (this.#digits === 0) return this.#refuse('a chunk without size');
    if (octet === CR) {
      this.#state = 'line-feed';
      return true;
    }
    if (octet !== 0x3b)
      return this.#refuse(octet === LF ? 'a LF without CR in a chunk' : 'a chunk size that is no number');
    this.#extension = 0;
    this.#part = 0;
    this.#state = 'extension-name';
    return this.#countExtension();
  }

  #countExtension(): boolean {
    this.#extension += 1;
    this.#extensions += 1;
    return this.#extension > MAX_EXTENSION_BYTES || this.#extensions > MAX_EXTENSION_BYTES_OF_BODY
      ? this.#refuse('chunk extensions that are too long')
      : true;
  }

  #inExtension(octet: number): boolean {
    if (this.#state === 'extension-quoted' || this.#state === 'extension-escaped') return this.#inQuoted(octet);
    const inName = this.#state === 'extension-name';
    const complete = this.#state === 'extension-after-quote' || this.#part > 0;
    if (octet === CR && complete) {
      this.#state = 'line-feed';
      return true;
    }
    if (octet === 0x3b && complete) this.#begin('extension-name');
    else if (octet === 0x3d && inName && complete) this.#begin('extension-value');
    else if (octet === 0x22 && this.#state === 'extension-value' && this.#part === 0) this.#begin('extension-quoted');
    else if (this.#state !== 'extension-after-quote' && tokenOctets[octet] === 1) this.#part += 1;
    else return this.#refuse(octet === LF ? 'a LF without CR in a chunk' : 'a chunk extension that is none');
    return this.#countExtension();
  }

  #inQuoted(octet: number): boolean {
    if ((octet < 0x20 && octet !== 0x09) || octet > 0x7e) return this.#refuse('a chunk extension that is none');
    if (this.#state === 'extension-escaped') this.#state = 'extension-quoted';
    else if (octet === 0x5c) this.#state = 'extension-escaped';
    else if (octet === 0x22) this.#begin('extension-after-quote');
    return this.#countExtension();
  }

  #begin(state: State): void {
    this.#state = state;
    this.#part = 0;
  }

  #readTrailers(bytes: Buffer, from: number, to: number): number {
    // Nearly always there are none, and their end has come with the last chunk.
    const held = this.#held;
    const all = held === null ? bytes.subarray(from, to) : Buffer.concat([held, bytes.subarray(from, to)]);
    const limit = Math.min(all.length, MAX_TRAILER_BYTES);
    const end = section.scan(all, 0, limit, MAX_TRAILERS);
    if (end === FAULTY || (end === INCOMPLETE && limit < all.length)) {
      this.#refuse(end === FAULTY ? `trailers with ${section.fault}` : 'trailers that are too long');
      return from;
    }
    if (end === INCOMPLETE) {
      this.#held = Buffer.from(all);
      return to;
    }
    if (section.count > 0) {
      const trailers = readTrailerFields(all);
      if (trailers === null) {
        this.#refuse('trailers that say how long a body is');
        return from;
      }
      this.#trailers = trailers;
    }
    this.#held = null;
    this.#state = 'done';
    return from + end - (held?.length ?? 0);
  }

  #refuse(fault: string): false {
    this.#fault = fault;
    this.#state = 'fault';
    return false;
  }
}

function hexDigit(octet: number): number {
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30;
  const upper = octet & 0xdf;
  return upper >= 0x41 && upper <= 0x46 ? upper - 0x37 : -1;
}

/** @returns null when one of them frames: somebody could believe it */
function readTrailerFields(bytes: Buffer): readonly string[] | null {
  const { marks, count } = section;
  const flat: string[] = [];
  for (let mark = 0; mark < 4 * count; mark += 4) {
    const { raw, role } = fieldName(bytes, marks[mark] as number, marks[mark + 1] as number);
    if (role === 'content-length' || role === 'transfer-encoding') return null;
    if (mayTrail(raw)) flat.push(raw, latin1(bytes, marks[mark + 2] as number, marks[mark + 3] as number));
  }
  return flat;
}

/** What goes before a chunk of `length` bytes (more than 0: an empty one would end the body); CRLF goes behind it. */
export const chunkHead = (length: number): string => `${length.toString(16)}\r\n`;

/**
 * What ends a chunked body, as latin1. Trailers that may not come behind a body, or that would break the framing, are left out.
 *
 * @param trailers flat: name, value ...
 */
export function lastChunk(trailers: readonly string[] | null): string {
  if (trailers === null || trailers.length === 0) return '0\r\n\r\n';
  let text = '0\r\n';
  for (let i = 0; i + 1 < trailers.length; i += 2) {
    const name = trailers[i] ?? '';
    const value = trailers[i + 1] ?? '';
    if (isToken(name) && isFieldValue(value) && mayTrail(name)) text += `${name}: ${value}\r\n`;
  }
  return `${text}\r\n`;
}
