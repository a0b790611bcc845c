import net from 'node:net';
import type { Endpoint } from '../../core/route-table.ts';
import type { BodyLength } from '../client-request.ts';
import { BodyReader } from './body-reader.ts';
import { chunkHead, lastChunk } from './chunked.ts';
import { latin1 } from './latin1.ts';
import type { HeadLimits, ParsedAnswer } from './message.ts';
import { parseAnswerHead } from './parse-answer.ts';
import { sharedMemory } from './shared-memory.ts';

/** Who uses a connection to an instance: one request, or what it was upgraded to. */
export interface InstanceUser {
  connected(connection: InstanceConnection): void;
  interim(answer: ParsedAnswer): void;
  answerHead(answer: ParsedAnswer): void;
  /** Memory that is used again when this returns. */
  answerData(bytes: Buffer): void;
  /** Everything that came together has been passed on. */
  answerPause(): void;
  /** The answer is complete, and the connection is somebody else's. */
  answerEnd(trailers: readonly string[]): void;
  /** The instance speaks another protocol from here on; what it has said of it follows as `answerData`. */
  switched(answer: ParsedAnswer): void;
  /** The instance has closed its side of what was upgraded. */
  instanceEnded(): void;
  /** What was written has gone. */
  instanceDrained(): void;
  /**
   * The connection has ended before the answer was complete.
   *
   * @param fault why the answer was no HTTP; null when the connection just ended
   */
  broken(connection: InstanceConnection, fault: string | null): void;
}

export interface ConnectionOwner {
  readonly limits: HeadLimits;
  /** A complete answer has passed. @param keepAlive the value of its Keep-Alive header */
  released(connection: InstanceConnection, keepAlive: string | null): void;
  /** It has ended. */
  gone(connection: InstanceConnection): void;
  failed(error: unknown): void;
}

type Mode = 'connecting' | 'idle' | 'head' | 'body' | 'until-end' | 'raw' | 'over';

/** Characters up to which a head and what follows it are written together. */
const joinBelow = 24_576;

/** A connection to an instance, for one request at a time. Answers are parsed strictly; a faulty one ends it. */
export class InstanceConnection {
  /** It has carried a request before. */
  reused = false;
  /** Something of the request has been written. */
  written = false;
  /** Something of the answer has come. */
  answered = false;
  /** Monotonic milliseconds at which its last request ended. */
  lastUsedAt = 0;
  /** Milliseconds it may stay idle. */
  idleMs = 0;
  readonly #owner: ConnectionOwner;
  readonly #socket: net.Socket;
  #user: InstanceUser | null;
  #mode: Mode = 'connecting';
  #method = 'GET';
  #body: BodyReader | null = null;
  #keepAlive = false;
  #keepAliveHeader: string | null = null;
  /** The beginning of a head whose end has not come. */
  #partial: Buffer | null = null;
  /** Text that has not been written; one character a byte. */
  #held = '';
  #chunked = false;
  #requestDone = true;
  #reusable = true;
  #paused = false;

  constructor(endpoint: Endpoint, owner: ConnectionOwner, user: InstanceUser) {
    this.#owner = owner;
    this.#user = user;
    const socket = net.connect({
      host: endpoint.host,
      port: endpoint.port,
      noDelay: true,
      allowHalfOpen: true,
      onread: { buffer: sharedMemory, callback: (length, bytes) => this.#received(bytes as Buffer, length) },
    });
    this.#socket = socket;
    (socket as Owned)[connectionOf] = this;
    socket.on('connect', onConnect);
    socket.on('drain', onDrain);
    socket.on('end', onEnd);
    socket.on('error', onError);
    socket.on('close', onClose);
  }

  /** Neither closed nor about to be, as far as the system has told. */
  get usable(): boolean {
    return this.#mode === 'idle' && !this.#socket.destroyed;
  }

  /**
   * Begins a request. What is small is written with `flush`.
   *
   * @param head with the empty line
   * @param reusable the connection may carry another request behind its answer
   */
  send(user: InstanceUser, method: string, head: string, body: BodyLength, reusable: boolean): void {
    this.#user = user;
    this.#method = method;
    this.#mode = 'head';
    this.answered = false;
    this.written = false;
    this.#held = head;
    this.#reusable = reusable;
    this.#chunked = body.kind === 'open';
    this.#requestDone = body.kind === 'none' || (body.kind === 'length' && body.bytes === 0);
  }

  /** @param bytes memory that may be used again when this returns @returns false when the instance does not keep up */
  writeBody(bytes: Buffer): boolean {
    const { length } = bytes;
    if (length === 0) return true;
    const socket = this.#socket;
    const small = length + this.#held.length <= joinBelow;
    if (small && (this.#chunked || this.#held !== '')) {
      const text = latin1(bytes, 0, length);
      const framed = this.#chunked ? `${chunkHead(length)}${text}\r\n` : text;
      if (this.#held !== '') {
        this.#held += framed;
        return !socket.writableNeedDrain;
      }
      socket.write(framed, 'latin1');
    } else if (this.#chunked) {
      socket.cork();
      this.#held += chunkHead(length);
      this.flush();
      socket.write(Buffer.from(bytes));
      socket.write('\r\n', 'latin1');
      socket.uncork();
    } else {
      this.flush();
      // What the system does not take at once would be overwritten.
      socket.write(Buffer.from(bytes));
    }
    this.written = true;
    return !this.#socket.writableNeedDrain;
  }

  endBody(trailers: readonly string[]): void {
    this.#requestDone = true;
    if (this.#chunked) this.#held += lastChunk(trailers);
    this.flush();
  }

  flush(): void {
    if (this.#held === '' || this.#mode === 'over') return;
    const text = this.#held;
    this.#held = '';
    this.written = true;
    this.#socket.write(text, 'latin1');
  }

  /** Bytes of another protocol, kept until they are written. @returns false when the instance does not keep up */
  writeRaw(bytes: Buffer): boolean {
    return this.#mode !== 'raw' || this.#socket.write(bytes);
  }

  /** Our side is closed. @param done called when everything has gone, or the connection has ended */
  endRaw(done?: () => void): void {
    this.#socket.end(done);
  }

  /** It ended by an error, not in order. */
  get errored(): boolean {
    return this.#socket.errored !== null;
  }

  /** Hands what follows to somebody else. Only after `switched`. */
  use(user: InstanceUser): void {
    this.#user = user;
  }

  pause(): void {
    if (this.#mode === 'over' || this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (this.#mode === 'over' || !this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }

  /** Ends it; nobody is told. */
  discard(): void {
    this.#user = null;
    if (this.#mode !== 'over') {
      this.#mode = 'over';
      this.#owner.gone(this);
    }
    this.#socket.destroy();
  }

  /** Takes too long. Its user is told as if it had broken. */
  giveUp(): void {
    this.#break(null);
  }

  // What the socket says.

  connected(): void {
    if (this.#mode !== 'connecting') return;
    this.#mode = 'idle';
    this.#user?.connected(this);
  }

  drained(): void {
    this.#user?.instanceDrained();
  }

  ended(): void {
    if (this.#mode === 'raw') this.#user?.instanceEnded();
    else if (this.#mode === 'until-end') this.#complete([]);
    else this.#break(null);
  }

  closed(): void {
    this.#break(null);
  }

  #break(fault: string | null): void {
    if (this.#mode === 'over') return;
    this.#mode = 'over';
    const user = this.#user;
    this.#user = null;
    this.#held = '';
    this.#socket.destroy();
    this.#owner.gone(this);
    user?.broken(this, fault);
  }

  #received(bytes: Buffer, length: number): boolean {
    try {
      this.#read(bytes, length);
    } catch (error) {
      this.#owner.failed(error);
      this.#break(null);
    }
    return true;
  }

  #read(bytes: Buffer, length: number): void {
    switch (this.#mode) {
      case 'raw':
        this.#user?.answerData(bytes.subarray(0, length));
        return;
      case 'head':
        this.answered = true;
        if (this.#partial === null) {
          this.#readHead(bytes, 0, length);
        } else {
          const all = Buffer.concat([this.#partial, bytes.subarray(0, length)]);
          this.#partial = null;
          this.#readHead(all, 0, all.length);
        }
        return;
      case 'body':
      case 'until-end':
        this.#readBody(bytes, 0, length);
        return;
      case 'idle':
        // Nobody has asked: an answer to nothing must never become the answer to what is asked next.
        this.#break('bytes without a request');
        return;
      case 'connecting':
      case 'over':
    }
  }

  #readHead(bytes: Buffer, start: number, to: number): void {
    let from = start;
    for (;;) {
      const parsed = parseAnswerHead(bytes, from, to, this.#method, this.#owner.limits);
      if (parsed === null) {
        this.#partial = from < to ? Buffer.from(bytes.subarray(from, to)) : null;
        return;
      }
      if ('fault' in parsed) {
        this.#break(parsed.fault);
        return;
      }
      from = parsed.end;
      if (parsed.status >= 200) {
        this.#begin(parsed, bytes, to);
        return;
      }
      if (parsed.status === 101) {
        this.#mode = 'raw';
        this.#user?.switched(parsed);
        if (from < to) this.#user?.answerData(bytes.subarray(from, to));
        return;
      }
      const user = this.#user;
      user?.interim(parsed);
      if (this.#user !== user || from === to) return;
    }
  }

  #begin(answer: ParsedAnswer, bytes: Buffer, to: number): void {
    const { body, end } = answer;
    this.#keepAlive = answer.keepAlive;
    this.#keepAliveHeader = answer.keepAliveField;
    if (body === null) {
      this.#mode = 'until-end';
    } else {
      this.#mode = 'body';
      (this.#body ??= new BodyReader()).start(body);
    }
    const user = this.#user;
    user?.answerHead(answer);
    if (this.#user !== user) return;
    if (this.#mode === 'body' && this.#body?.done === true) {
      if (end < to) this.#keepAlive = false;
      this.#complete([]);
    } else if (end < to) {
      this.#readBody(bytes, end, to);
    } else {
      user?.answerPause();
    }
  }

  #readBody(bytes: Buffer, from: number, to: number): void {
    const user = this.#user;
    const body = this.#body;
    if (this.#mode === 'until-end' || body === null) {
      user?.answerData(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to));
    } else {
      const end = body.read(bytes, from, to, this);
      if (this.#user !== user) return;
      if (body.fault !== null) {
        this.#break(body.fault);
        return;
      }
      if (body.done) {
        // What follows an answer answers nothing.
        if (end < to) this.#keepAlive = false;
        this.#complete(body.trailers);
        return;
      }
    }
    if (this.#user === user) user?.answerPause();
  }

  /** A piece of the answer's body. */
  piece(bytes: Buffer): void {
    this.#user?.answerData(bytes);
  }

  #complete(trailers: readonly string[]): void {
    const user = this.#user;
    this.#user = null;
    if (this.#keepAlive && this.#reusable && this.#requestDone && this.#mode === 'body') {
      this.#mode = 'idle';
      // An idle connection is read, or nobody would see it end.
      this.resume();
      this.#owner.released(this, this.#keepAliveHeader);
    } else {
      this.discard();
    }
    user?.answerEnd(trailers);
  }
}

const connectionOf = Symbol('connection');
type Owned = net.Socket & { [connectionOf]?: InstanceConnection };

function onConnect(this: Owned): void {
  this[connectionOf]?.connected();
}

function onDrain(this: Owned): void {
  this[connectionOf]?.drained();
}

function onEnd(this: Owned): void {
  this[connectionOf]?.ended();
}

function onClose(this: Owned): void {
  this[connectionOf]?.closed();
}

/** `close` follows. */
function onError(): void {}
