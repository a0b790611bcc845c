import type { BodyLength } from '../../src/gateway/client-request.ts';
import { ChunkedDecoder } from '../../src/gateway/http1/chunked.ts';
import type { HeadLimits, ParsedAnswer, ParsedRequest } from '../../src/gateway/http1/message.ts';
import { parseAnswerHead } from '../../src/gateway/http1/parse-answer.ts';
import { parseRequestHead } from '../../src/gateway/http1/parse-request.ts';

export type Head =
  | { readonly kind: 'request'; readonly head: ParsedRequest }
  | { readonly kind: 'answer'; readonly head: ParsedAnswer };

export interface Message {
  readonly of: Head;
  body: string;
  trailers: readonly string[];
  complete: boolean;
}

/** What a connection was read as. */
export interface Reading {
  readonly messages: Message[];
  fault: string | null;
  /** Behind the last octet that belongs to a message. */
  at: number;
}

export type Side = { readonly kind: 'request' } | { readonly kind: 'answer'; readonly method: string };

export const limits: HeadLimits = { maxHeaderBytes: 16_384, maxHeaders: 32 };

/** What stands behind the octets that have come: it would change how they are read, if anyone looked at it. */
const BEHIND = ['\r\n\r\n0\r\n\r\n', '\n\n: a', '  \t', 'aaaaaaaa', '00000000', '\r\r\r\r'].map((text) =>
  Buffer.from(text, 'latin1'),
);

/**
 * Reads the octets of a connection as the gateway does, with its parsers, as they come.
 *
 * @param cuts offsets at which a piece ends, rising; the last one is all there is
 * @param behind which of a few texts stands in the memory behind what has come
 */
export function readConnection(side: Side, bytes: Buffer, cuts: readonly number[], behind = 0): Reading {
  const buffer = Buffer.alloc(bytes.length + 16, BEHIND[behind % BEHIND.length]);
  const reading: Reading = { messages: [], fault: null, at: 0 };
  let came = 0;
  let body: Body | null = null;
  for (const to of cuts) {
    bytes.copy(buffer, came, came, to);
    came = to;
    for (;;) {
      if (body === null) {
        const begun = readHead(side, buffer, to, reading);
        if (begun === null) break;
        body = begun;
      }
      reading.at = body.read(buffer, reading.at, to);
      reading.fault = body.fault;
      if (reading.fault !== null) return reading;
      if (!body.message.complete) break;
      if (body.last) return reading;
      body = null;
    }
    if (reading.fault !== null) return reading;
  }
  return reading;
}

function readHead(side: Side, buffer: Buffer, to: number, reading: Reading): Body | null {
  if (reading.at === to) return null;
  const head =
    side.kind === 'request'
      ? parseRequestHead(buffer, reading.at, to, limits)
      : parseAnswerHead(buffer, reading.at, to, side.method, limits);
  if (head === null) return null;
  if ('fault' in head) {
    reading.fault = head.fault;
    return null;
  }
  if (head.end > to || head.end <= reading.at) throw new Error(`a head that ends at ${head.end} of ${to}`);
  reading.at = head.end;
  const of: Head = 'status' in head ? { kind: 'answer', head } : { kind: 'request', head };
  const message: Message = { of, body: '', trailers: [], complete: false };
  reading.messages.push(message);
  // Behind a switch of protocols, and behind the last message of a connection, nothing is a message.
  const last = !head.keepAlive || ('status' in head ? head.status === 101 : head.upgrade !== null);
  return new Body(message, head.body, last);
}

class Body {
  readonly message: Message;
  readonly last: boolean;
  readonly #decoder: ChunkedDecoder | null;
  #left: number;

  constructor(message: Message, length: BodyLength | null, last: boolean) {
    this.message = message;
    this.last = last;
    this.#decoder = length?.kind === 'open' ? new ChunkedDecoder() : null;
    this.#left = length === null ? Number.POSITIVE_INFINITY : length.kind === 'length' ? length.bytes : 0;
  }

  get fault(): string | null {
    return this.#decoder?.fault ?? null;
  }

  read(buffer: Buffer, from: number, to: number): number {
    const decoder = this.#decoder;
    if (decoder === null) {
      const end = Math.min(to, from + this.#left);
      this.message.body += buffer.toString('latin1', from, end);
      this.#left -= end - from;
      this.message.complete = this.#left === 0;
      return end;
    }
    const end = decoder.decode(buffer, from, to, (piece) => {
      this.message.body += piece.toString('latin1');
    });
    if (end > to || end < from) throw new Error(`a body that ends at ${end}, between ${from} and ${to}`);
    this.message.complete = decoder.done;
    this.message.trailers = decoder.trailers;
    return end;
  }
}
