import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { BodyLength } from '../client-request.ts';
import type { ClientStream, ClientStreamEvents } from '../client-stream.ts';

/** Bytes of an answer that wait for one client; more, and the instance is asked to wait. */
const highWaterMark = 65_536;
const lowWaterMark = 16_384;
/** Bytes of an unwanted body that are read, so that a client that does not look up before it has sent sees its answer. */
const maxDiscarded = 262_144;

/** Not the concern of one stream: its connection. */
export interface StreamOwner {
  /** `TLSv1.3`; null when it is not known. */
  readonly tlsVersion: string | null;
  /** Bytes of DATA that came, for telling load from floods. */
  received(bytes: number): void;
  /** The connection is not kept behind this answer. */
  endAfter(): void;
}

const nobody: ClientStreamEvents = { bodyData() {}, bodyEnd() {}, drained() {}, gone() {} };

/** Fields that HTTP/2 does not have in answers (RFC 9113, 8.2.2). */
const ofConnection = new Set(['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te']);

/** One request's stream of an HTTP/2 connection. */
export class Http2ClientStream implements ClientStream {
  readonly secure = true;
  readonly remoteAddress: string;
  events: ClientStreamEvents = nobody;
  readonly #stream: ServerHttp2Stream;
  readonly #owner: StreamOwner;
  readonly #body: BodyLength;
  #received = 0;
  #bodyComplete: boolean;
  #discarding = false;
  #trailers: readonly string[] = [];
  #pending = 0;
  #blocked = false;
  #waitsForTrailers = false;
  #answerTrailers: readonly string[] | null = null;
  #ended = false;
  #over = false;

  constructor(stream: ServerHttp2Stream, body: BodyLength, remoteAddress: string, owner: StreamOwner) {
    this.#stream = stream;
    this.#owner = owner;
    this.#body = body;
    this.#bodyComplete = body.kind === 'none';
    this.remoteAddress = remoteAddress;
    // What breaks is told by `close`.
    stream.on('error', () => {});
    stream.once('close', () => this.#closed());
    if (this.#bodyComplete) {
      stream.resume();
      return;
    }
    stream.pause();
    stream.on('data', (bytes: Buffer) => this.#data(bytes));
    stream.once('trailers', (_headers: unknown, _flags: unknown, raw?: readonly string[]) => {
      this.#trailers = raw ?? [];
    });
    stream.once('end', () => this.#bodyEnded());
  }

  get tlsVersion(): string | null {
    return this.#owner.tlsVersion;
  }

  inform(status: 100 | 103, headers: readonly string[]): void {
    if (this.#stream.headersSent || this.#stream.closed || this.#stream.destroyed) return;
    this.#stream.additionalHeaders({ ...fieldsOf(headers), ':status': status });
  }

  begin(status: number, _reason: string, headers: readonly string[], length: number | null, withBody: boolean): void {
    if (this.#stream.closed || this.#stream.destroyed) return;
    const block: string[] = [':status', String(status)];
    for (let at = 0; at + 1 < headers.length; at += 2) {
      const name = (headers[at] ?? '').toLowerCase();
      if (!ofConnection.has(name)) block.push(name, headers[at + 1] ?? '');
    }
    if (length !== null) block.push('content-length', String(length));
    // Only an answer of unknown length can come with trailers, and waiting for them costs a frame.
    this.#waitsForTrailers = withBody && length === null;
    if (this.#waitsForTrailers) {
      this.#stream.once('wantTrailers', () => {
        if (!this.#stream.closed) this.#stream.sendTrailers(fieldsOf(this.#answerTrailers ?? []));
      });
    }
    this.#stream.respond(block, { endStream: !withBody, waitForTrailers: this.#waitsForTrailers });
  }

  write(bytes: Buffer): boolean {
    if (this.#ended || this.#stream.closed || this.#stream.destroyed) return true;
    if (bytes.length === 0) return !this.#blocked;
    const { length } = bytes;
    this.#pending += length;
    // The caller uses its buffer again before this one is sent.
    this.#stream.write(Buffer.from(bytes), () => this.#sent(length));
    if (this.#pending >= highWaterMark) this.#blocked = true;
    return !this.#blocked;
  }

  end(trailers: readonly string[] | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#answerTrailers = trailers;
    if (this.#stream.closed || this.#stream.destroyed) return;
    this.#stream.end(() => {
      // RFC 9113, 8.1: the answer is whole, the rest of the request is not needed.
      if (!this.#bodyComplete && !this.#stream.closed) this.#stream.close(constants.NGHTTP2_NO_ERROR);
    });
  }

  cut(): void {
    if (this.#over) return;
    this.#over = true;
    if (!this.#stream.closed) this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  closeAfter(): void {
    this.#owner.endAfter();
  }

  resumeBody(): void {
    if (!this.#bodyComplete) this.#stream.resume();
  }

  pauseBody(): void {
    if (!this.#bodyComplete && !this.#discarding) this.#stream.pause();
  }

  discardBody(): void {
    if (this.#bodyComplete) return;
    this.#discarding = true;
    this.#received = 0;
    this.#stream.resume();
  }

  get bodyComplete(): boolean {
    return this.#bodyComplete;
  }

  get pendingBytes(): number {
    return this.#pending;
  }

  takeOver(): never {
    throw new TypeError('a stream of HTTP/2 has no connection of its own');
  }

  #data(bytes: Buffer): void {
    this.#received += bytes.length;
    this.#owner.received(bytes.length);
    if (this.#body.kind === 'length' && this.#received > this.#body.bytes && !this.#discarding) {
      if (!this.#stream.closed) this.#stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
      return;
    }
    if (!this.#discarding) {
      this.events.bodyData(bytes);
    } else if (this.#received > maxDiscarded) {
      // Not read any further: flow control stops the client, and the end of the answer the stream.
      this.#stream.pause();
    }
  }

  #bodyEnded(): void {
    // A reset ends the readable side as well; only END_STREAM makes a body complete.
    if (this.#stream.aborted || this.#over) return;
    if (this.#body.kind === 'length' && !this.#discarding && this.#received !== this.#body.bytes) {
      this.#stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
      return;
    }
    this.#bodyComplete = true;
    if (!this.#discarding) this.events.bodyEnd(this.#trailers);
  }

  #sent(bytes: number): void {
    this.#pending -= bytes;
    if (!this.#blocked || this.#pending > lowWaterMark) return;
    this.#blocked = false;
    if (!this.#ended && !this.#stream.closed) this.events.drained();
  }

  #closed(): void {
    const taken = this.#ended && this.#stream.writableFinished;
    if (this.#over || taken) return;
    this.#over = true;
    this.events.gone();
  }
}

function fieldsOf(flat: readonly string[]): OutgoingHttpHeaders {
  const fields = Object.create(null) as Record<string, string | string[]>;
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const name = (flat[at] ?? '').toLowerCase();
    if (ofConnection.has(name) || name.startsWith(':')) continue;
    const value = flat[at + 1] ?? '';
    const before = fields[name];
    if (before === undefined) fields[name] = value;
    else fields[name] = typeof before === 'string' ? [before, value] : [...before, value];
  }
  return fields;
}
