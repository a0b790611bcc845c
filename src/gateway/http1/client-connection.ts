import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { ClientRequest } from '../client-request.ts';
import type { ClientStream, ClientStreamEvents } from '../client-stream.ts';
import type { GatewayLimits } from '../limits.ts';
import { answerWithProblem, problemOfFault, type ProblemCode } from '../problem.ts';
import { AnswerWriter } from './answer-writer.ts';
import { BodyReader } from './body-reader.ts';
import { parseRequestHead } from './parse-request.ts';
import { listenTo, type SocketUser } from './socket-user.ts';

/** What a connection needs of the gateway around it. */
export interface ClientHost {
  readonly limits: GatewayLimits;
  /** Connections end behind their next answer. */
  readonly closing: boolean;
  /** Milliseconds, monotonic. */
  now(): number;
  /** The same as it was when it was asked for last. */
  recent(): number;
  newRequestId(): string;
  /** A request has come. Whoever takes it sets `stream.events`. */
  onRequest(request: ClientRequest, stream: ClientStream): void;
  /** The connection has ended, or is no longer one of HTTP. */
  left(connection: ClientConnection): void;
  failed(error: unknown): void;
}

/** Bytes that are read and thrown away so that the client sees an early answer; then it is cut off. */
const maxDiscardBytes = 64 * 1024 * 1024;
const maxDiscardMs = 30_000;
/** Milliseconds for a client to close after we did (RFC 9112, 9.6). */
const lingerMs = 5_000;

type Phase =
  /** Between requests, or in a head. */
  | 'head'
  /** A request is in flight. */
  | 'busy'
  /** Answered; what is left of the body is dropped. */
  | 'discarding'
  /** Our side is closed; what still comes is dropped. */
  | 'closing'
  /** Closed, or somebody else's. */
  | 'over';

/**
 * A client's connection that speaks HTTP/1.1: one request after the other, each head parsed strictly, each answer framed
 * anew. It is the stream of the request that is in flight. What a client sends ahead is kept, at most one read of the
 * socket, and nothing more is read until its turn comes.
 */
export class ClientConnection implements ClientStream, SocketUser {
  events: ClientStreamEvents = nobody;
  readonly secure: boolean;
  readonly remoteAddress: string;
  readonly #socket: Socket;
  readonly #host: ClientHost;
  readonly #answer: AnswerWriter;
  readonly #body: BodyReader;
  #phase: Phase = 'head';
  /** What has been read and not yet used. */
  #bytes: Buffer | null = null;
  #at = 0;
  #to = 0;
  #running = false;
  #paused = false;
  /** The client may send its body now. */
  #flowing = false;
  #upgrade = false;
  #requests = 0;
  #discarded = 0;
  /** Monotonic milliseconds at which the phase began; of a head: its first byte. */
  #since: number;
  #taken = 0;
  #takenAt = 0;

  constructor(socket: Socket, secure: boolean, host: ClientHost) {
    this.#socket = socket;
    this.#host = host;
    this.secure = secure;
    const peer = socket.remoteAddress ?? '';
    this.remoteAddress = peer.startsWith('::ffff:') ? peer.slice(7) : peer;
    this.#answer = new AnswerWriter(socket);
    this.#body = new BodyReader();
    this.#since = host.now();
    socket.allowHalfOpen = true;
    listenTo(socket, this);
  }

  get tlsVersion(): string | null {
    return this.#socket instanceof TLSSocket ? this.#socket.getProtocol() : null;
  }

  get isIdle(): boolean {
    return this.#phase === 'head';
  }

  get bodyComplete(): boolean {
    return this.#body.done;
  }

  get pendingBytes(): number {
    return this.#socket.writableLength;
  }

  inform(status: 100 | 103, headers: readonly string[]): void {
    if (this.#phase === 'busy') this.#answer.inform(status, headers);
  }

  begin(status: number, reason: string, headers: readonly string[], length: number | null, withBody: boolean): void {
    if (this.#phase !== 'busy') return;
    if (this.#host.closing || this.#upgrade) this.#answer.close = true;
    this.#answer.begin(status, reason, headers, length, withBody);
  }

  beginLines(
    status: number,
    reason: string,
    lines: string,
    dated: boolean,
    length: number | null,
    withBody: boolean,
  ): void {
    if (this.#phase !== 'busy') return;
    if (this.#host.closing || this.#upgrade) this.#answer.close = true;
    this.#answer.beginLines(status, reason, lines, dated, length, withBody);
  }

  write(bytes: Buffer): boolean {
    return this.#phase !== 'busy' || this.#answer.write(bytes);
  }

  flush(): void {
    if (this.#phase === 'busy') this.#answer.flush();
  }

  end(trailers: readonly string[] | null): void {
    if (this.#phase !== 'busy') return;
    this.events = nobody;
    this.#answer.end(trailers);
    this.#since = this.#host.recent();
    if (this.#answer.close) {
      this.#close();
    } else if (this.#body.done) {
      this.#phase = 'head';
    } else {
      this.#phase = 'discarding';
      this.#flowing = true;
    }
    this.#run();
  }

  cut(): void {
    if (this.#phase === 'over') return;
    this.events = nobody;
    this.#leave();
    // A reset, not an orderly end: an answer without a length would look complete.
    if (this.secure) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  closeAfter(): void {
    this.#answer.close = true;
  }

  resumeBody(): void {
    if (this.#phase !== 'busy') return;
    this.#flowing = true;
    this.#feed();
    this.#run();
  }

  pauseBody(): void {
    if (this.#phase !== 'busy') return;
    this.#flowing = false;
    this.#pause();
  }

  discardBody(): void {
    this.events = nobody;
    this.#flowing = true;
  }

  takeOver(): { readonly socket: Duplex; readonly head: Buffer } {
    const socket = this.#socket;
    const head = this.#bytes === null ? nothing : this.#bytes.subarray(this.#at, this.#to);
    this.#bytes = null;
    this.events = nobody;
    this.#leave();
    return { socket, head };
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Enforces deadlines. @param now milliseconds, monotonic */
  sweep(now: number): void {
    const { limits } = this.#host;
    const since = now - this.#since;
    switch (this.#phase) {
      case 'head':
        if (this.#bytes !== null) {
          if (since > limits.headersTimeoutMs) this.#refuse('request-timeout', null);
        } else if (since > (this.#requests === 0 ? limits.headersTimeoutMs : limits.keepAliveMs)) {
          this.#close();
        }
        this.#sweepStall(now);
        return;
      case 'discarding':
        if (since > maxDiscardMs) this.#socket.destroy();
        return;
      case 'closing':
        if (this.#socket.writableLength > 0) this.#sweepStall(now);
        else if (since > (this.#body.done ? lingerMs : maxDiscardMs)) this.#socket.destroy();
        return;
      case 'busy':
      case 'over':
    }
  }

  /** A client that takes nothing of its answer is not waited for. */
  #sweepStall(now: number): void {
    const { writableLength, bytesWritten } = this.#socket;
    const taken = bytesWritten - writableLength;
    if (writableLength === 0 || taken !== this.#taken) {
      this.#taken = taken;
      this.#takenAt = now;
    } else if (now - this.#takenAt > this.#host.limits.clientStallMs) {
      this.#socket.destroy();
    }
  }

  // What the socket says.

  received(chunk: Buffer, length: number): void {
    if (this.#phase === 'closing') {
      this.#discarded += length;
      if (this.#discarded > maxDiscardBytes) this.#socket.destroy();
      return;
    }
    if (this.#bytes === null) {
      this.#bytes = chunk;
      this.#at = 0;
      this.#to = length;
    } else {
      const came = chunk.subarray(0, length);
      const more = came.includes(lineFeed);
      this.#bytes = Buffer.concat([this.#bytes.subarray(this.#at, this.#to), came]);
      this.#at = 0;
      this.#to = this.#bytes.length;
      // A head that comes byte by byte is not parsed for every byte of it.
      if (this.#phase === 'head' && !more && this.#bytes.length <= this.#host.limits.maxHeaderBytes) return;
    }
    const began = this.#phase === 'head' && this.#at === 0 && this.#bytes === chunk;
    const requests = this.#requests;
    this.#run();
    if (this.#bytes === chunk) {
      // What is not used yet has to be kept; the memory is not ours.
      this.#bytes = Buffer.from(chunk.subarray(this.#at, this.#to));
      this.#at = 0;
      this.#to = this.#bytes.length;
    }
    // The head of a first request is timed from the opening of the connection, that of another from its first byte.
    if (began && requests > 0 && requests === this.#requests) this.#since = this.#host.now();
  }

  drained(): void {
    if (this.#phase === 'busy') this.events.drained();
    else if (this.#phase === 'head') this.#run();
  }

  /** The client has closed its side: it wants nothing more, also not what it has asked for. */
  ended(): void {
    if (this.#phase === 'busy') {
      const { events } = this;
      this.events = nobody;
      this.#leave();
      this.#socket.destroy();
      events.gone();
    } else if (this.#phase === 'head') {
      this.#bytes = null;
      this.#close();
    } else {
      this.#socket.end();
    }
  }

  closed(): void {
    if (this.#phase === 'over') return;
    const { events } = this;
    const busy = this.#phase === 'busy';
    this.events = nobody;
    this.#leave();
    if (busy) events.gone();
  }

  /** Uses what was read, as far as that is possible now. */
  #run(): void {
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#bytes !== null && this.#step());
    } catch (error) {
      this.#host.failed(error);
      this.#socket.destroy();
    } finally {
      this.#running = false;
    }
    if (this.#bytes !== null && (this.#phase === 'busy' || this.#backedUp())) this.#pause();
    else if (this.#paused && this.#wantsBytes()) this.#resume();
    else if (this.#phase === 'busy' && !this.#flowing && !this.#body.done) this.#pause();
  }

  /** The client does not take its answers: it gets no more of them until it does. */
  #backedUp(): boolean {
    return this.#phase === 'head' && this.#socket.writableNeedDrain;
  }

  #wantsBytes(): boolean {
    return this.#phase !== 'busy' || this.#flowing || this.#body.done;
  }

  #step(): boolean {
    switch (this.#phase) {
      case 'head':
        return !this.#backedUp() && this.#readHead();
      case 'busy':
      case 'discarding':
        return this.#feed();
      case 'closing':
      case 'over':
        this.#bytes = null;
        return false;
    }
  }

  #readHead(): boolean {
    const bytes = this.#bytes;
    if (bytes === null) return false;
    const parsed = parseRequestHead(bytes, this.#at, this.#to, this.#host.limits);
    if (parsed === null) return false;
    if ('fault' in parsed) {
      this.#refuse(problemOfFault(parsed.status), parsed.fault);
      return false;
    }
    this.#at = parsed.end;
    if (parsed.end === this.#to) this.#bytes = null;
    this.#requests += 1;
    this.#phase = 'busy';
    this.#flowing = false;
    this.#discarded = 0;
    this.#upgrade = parsed.upgrade !== null;
    this.#body.start(parsed.body);
    this.#answer.start(parsed.version === '1.0', !parsed.keepAlive);
    this.#host.onRequest(parsed, this);
    return true;
  }

  /** Passes body on, or drops it. */
  #feed(): boolean {
    const bytes = this.#bytes;
    if (bytes === null || !this.#flowing || this.#body.done || this.#upgrade) return false;
    const from = this.#at;
    const end = this.#body.read(bytes, from, this.#to, this);
    // The receiver may have ended everything meanwhile.
    if (this.#bytes !== bytes) return false;
    this.#at = end;
    if (end === this.#to) this.#bytes = null;
    if (this.#body.fault !== null) {
      this.#brokenBody(this.#body.fault);
      return false;
    }
    if (this.#body.done) {
      if (this.#phase === 'busy') {
        this.events.bodyEnd(this.#body.trailers);
      } else if (this.#phase === 'discarding') {
        this.#phase = 'head';
        this.#since = this.#host.now();
      }
    }
    return this.#bytes !== null;
  }

  /** A piece of the body. */
  piece(bytes: Buffer): void {
    if (this.#phase === 'busy' && this.events !== nobody) {
      this.events.bodyData(bytes);
      return;
    }
    this.#discarded += bytes.length;
    if (this.#discarded > maxDiscardBytes) this.#socket.destroy();
  }

  #brokenBody(fault: string): void {
    this.#bytes = null;
    const { events } = this;
    this.events = nobody;
    if (this.#phase !== 'busy') {
      this.#socket.destroy();
      return;
    }
    events.gone();
    if (this.#answer.begun) this.cut();
    else this.#refuse('bad-request', fault);
  }

  /** Says what was wrong with bytes that were no request, and ends the connection. */
  #refuse(code: ProblemCode, detail: string | null): void {
    this.#bytes = null;
    if (this.#phase === 'head') this.#answer.start(false, true);
    this.#answer.close = true;
    this.#phase = 'busy';
    this.events = nobody;
    answerWithProblem(this, code, detail, this.#host.newRequestId(), [], true);
  }

  #close(): void {
    this.#phase = 'closing';
    this.#since = this.#host.now();
    this.#bytes = null;
    this.#socket.end();
    if (this.#paused) this.#resume();
  }

  #leave(): void {
    this.#phase = 'over';
    this.#host.left(this);
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  }

  #resume(): void {
    this.#paused = false;
    this.#socket.resume();
  }
}

const lineFeed = 0x0a;
const nothing = Buffer.alloc(0);

const nobody: ClientStreamEvents = {
  bodyData() {},
  bodyEnd() {},
  drained() {},
  gone() {},
};
