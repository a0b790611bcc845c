import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { EndReason, Flight } from './flight.ts';
import type { InstanceConnection, InstanceUser } from './http1/instance-connection.ts';
import type { Upstream } from './upstream.ts';
import { handOver, type SocketUser } from './http1/socket-user.ts';
import { closeFrame, FrameScanner } from './websocket-frames.ts';

/** Milliseconds that a fragmented message gets to end before the Close goes between its fragments. */
const messageGraceMs = 1_000;
/** Milliseconds for the other side's Close before the connection is closed without it. */
const closeReplyMs = 3_000;

const closeCodes: Readonly<Record<EndReason, { readonly code: number; readonly reason: string }>> = {
  drain: { code: 1001, reason: 'instance is going away' },
  shutdown: { code: 1012, reason: 'service restart' },
};

/**
 * Carries bytes between a client and an instance after an upgrade, with backpressure. Of a WebSocket it follows the
 * frames, so that it can end it as the protocol wants (RFC 6455, 7.1): a Close to both sides, each between two frames,
 * the client's Close awaited, then TCP. There may be very many of these, most of them idle: each is a few numbers.
 */
export class Tunnel implements Flight, InstanceUser, SocketUser {
  previous: Flight | null = null;
  following: Flight | null = null;
  readonly isStream = true;
  readonly waiting = null;
  readonly #client: Duplex;
  readonly #instance: InstanceConnection;
  readonly #idleTimeoutMs: number;
  readonly #clock: { now(): number };
  readonly #service: { streams: number };
  readonly #upstream: Upstream;
  #over = false;
  /** Frames from the instance to the client, and from the client to the instance; null of other protocols. */
  readonly #down: FrameScanner | null;
  readonly #up: FrameScanner | null;
  #closing: { readonly code: number; readonly reason: string; readonly since: number } | null = null;
  #finishing = false;
  #closeSentDown = false;
  #closeSentUp = false;
  #clientOpen = true;
  #instanceOpen = true;
  #lastActivity: number;

  /**
   * @param idleTimeoutMs milliseconds without a byte in either direction
   * @param clock milliseconds, monotonic
   * @param service counts it until both sides are closed
   * @param upstream whose flight it is until then
   */
  constructor(
    client: Duplex,
    instance: InstanceConnection,
    webSocket: boolean,
    idleTimeoutMs: number,
    clock: { now(): number },
    service: { streams: number },
    upstream: Upstream,
  ) {
    this.#client = client;
    this.#instance = instance;
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#clock = clock;
    this.#service = service;
    this.#upstream = upstream;
    this.#down = webSocket ? new FrameScanner() : null;
    this.#up = webSocket ? new FrameScanner() : null;
    this.#lastActivity = clock.now();
  }

  /** @param head bytes that the client sent right behind its request */
  start(head: Buffer): void {
    const client = this.#client;
    handOver(client, this);
    if (head.length > 0) this.received(head, head.length);
    client.resume();
    // One side may have gone while the other was still agreeing.
    if (client.destroyed) this.closed();
  }

  tell(reason: EndReason): void {
    if (this.#down === null || this.#closing !== null || this.#down.closeSeen) return;
    this.#closing = { ...closeCodes[reason], since: this.#clock.now() };
    this.#closeDown();
    this.#closeUp();
  }

  reset(): void {
    if (this.#over) return;
    this.#client.destroy();
    this.#instanceOpen = false;
    this.#instance.discard();
    if (!this.#clientOpen) this.#end();
  }

  sweep(now: number): void {
    if (this.#closing !== null) {
      const waited = now - this.#closing.since;
      if (waited > messageGraceMs) this.#closeDown(true);
      if (this.#closeSentDown && waited > messageGraceMs + closeReplyMs) this.#finishClosing();
    }
    if (now - this.#lastActivity <= this.#idleTimeoutMs) return;
    // A silent WebSocket is closed as a drained one is; what does not follow is cut.
    this.tell('drain');
    if (this.#closing === null || now - this.#closing.since > messageGraceMs + closeReplyMs) this.reset();
  }

  // What the instance says.

  /** The bytes are copied: their memory is used again. */
  answerData(bytes: Buffer): void {
    this.#lastActivity = this.#clock.now();
    if (this.#closeSentDown) return;
    const down = this.#down;
    let end = bytes.length;
    if (down !== null) {
      for (let at = 0; at < bytes.length;) {
        at = down.scan(bytes, at);
        if (this.#closing !== null && this.#mayCloseDown(down, false)) {
          end = at;
          break;
        }
      }
    }
    const flushed = this.#client.write(Buffer.from(end === bytes.length ? bytes : bytes.subarray(0, end)));
    if (this.#closing !== null) this.#closeDown();
    if (!flushed && !this.#closeSentDown) this.#instance.pause();
  }

  instanceEnded(): void {
    // An instance that vanished without a Close: the client learns that coming back is worth while.
    const down = this.#down;
    if (down !== null && !down.closeSeen && !this.#closeSentDown && down.atFrameBoundary) {
      this.#closeSentDown = true;
      this.#client.write(closeFrame(closeCodes.shutdown.code, closeCodes.shutdown.reason, null));
    }
    if (this.#closeSentDown && this.#closing !== null && this.#up?.closeSeen !== true) return;
    this.#client.end();
  }

  instanceDrained(): void {
    this.#lastActivity = this.#clock.now();
    this.#client.resume();
  }

  /** The connection to the instance has ended. */
  broken(connection: InstanceConnection): void {
    this.#instanceOpen = false;
    const client = this.#client;
    if (!this.#clientOpen) this.#end();
    else if (this.#closing !== null && this.#closeSentDown && this.#up?.closeSeen !== true) {
      // The client has been told and has yet to answer: closing before that can cost it the Close (RFC 6455, 7.1.1), above
      // all when another proxy is in between. `sweep` does not wait for ever.
      client.resume();
    } else if (connection.errored) client.destroy();
    else {
      // What was written before, a Close above all, still goes out; a client that does not close is not waited for.
      client.end();
      client.resume();
      setTimeout(() => client.destroy(), closeReplyMs).unref();
    }
  }

  connected(): void {}
  interim(): void {}
  answerHead(): void {}
  answerPause(): void {}
  answerEnd(): void {}
  switched(): void {}

  // What the client says.

  /** The bytes are copied: their memory is used again. */
  received(memory: Buffer, length: number): void {
    const bytes = Buffer.from(memory.subarray(0, length));
    this.#lastActivity = this.#clock.now();
    const up = this.#up;
    let end = this.#closeSentUp ? 0 : bytes.length;
    if (up !== null) {
      for (let at = 0; at < bytes.length;) {
        at = up.scan(bytes, at);
        if (this.#closing !== null && !this.#closeSentUp && up.atFrameBoundary) {
          this.#instance.writeRaw(bytes.subarray(0, at));
          this.#closeUp();
          end = 0;
        }
      }
    }
    if (end > 0 && !this.#instance.writeRaw(bytes)) this.#client.pause();
    if (this.#closeSentDown && up?.closeSeen === true) this.#finishClosing();
  }

  drained(): void {
    this.#lastActivity = this.#clock.now();
    this.#instance.resume();
  }

  ended(): void {
    this.#instance.endRaw();
  }

  closed(): void {
    if (!this.#clientOpen) return;
    this.#clientOpen = false;
    const instance = this.#instance;
    if (!this.#instanceOpen) this.#end();
    else if (this.#client.errored !== null) this.#dropInstance();
    else {
      instance.endRaw();
      instance.resume();
      setTimeout(() => {
        if (this.#instanceOpen) this.#dropInstance();
      }, closeReplyMs).unref();
    }
  }

  #dropInstance(): void {
    this.#instanceOpen = false;
    this.#instance.discard();
    this.#end();
  }

  #mayCloseDown(down: FrameScanner, overdue: boolean): boolean {
    const closing = this.#closing;
    if (closing === null || this.#closeSentDown || down.closeSeen) return false;
    if (down.atMessageBoundary) return true;
    return (overdue || this.#clock.now() - closing.since > messageGraceMs) && down.atFrameBoundary;
  }

  #closeDown(overdue = false): void {
    const down = this.#down;
    if (this.#closing === null || down === null || !this.#mayCloseDown(down, overdue)) return;
    this.#closeSentDown = true;
    this.#client.write(closeFrame(this.#closing.code, this.#closing.reason, null));
    // What the instance still says is read and dropped: nothing may follow a Close.
    this.#instance.resume();
    if (this.#up?.closeSeen === true) this.#finishClosing();
  }

  #closeUp(): void {
    const up = this.#up;
    if (this.#closing === null || up === null || this.#closeSentUp || up.closeSeen || !up.atFrameBoundary) return;
    this.#closeSentUp = true;
    this.#instance.writeRaw(closeFrame(this.#closing.code, this.#closing.reason, randomBytes(4)));
    this.#client.resume();
  }

  /**
   * Both sides have said Close, or had the time to: now TCP, first towards the client (RFC 6455, 7.1.1). What the instance still
   * says is read to its end: a connection that is given up with something unread is reset, and the reset overtakes the Close.
   */
  #finishClosing(): void {
    if (this.#finishing) return;
    this.#finishing = true;
    this.#client.end();
    if (this.#instanceOpen) {
      this.#instance.endRaw();
      this.#instance.resume();
    }
    // Who does not end his side, or take the last bytes, is not waited for.
    const waited = this.#clock.now() - (this.#closing?.since ?? 0);
    if (waited > messageGraceMs + closeReplyMs) this.reset();
    else setTimeout(() => this.reset(), closeReplyMs).unref();
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#service.streams -= 1;
    this.#upstream.leave(this);
  }
}
