import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { EndReason, Flight } from './flight.ts';
import { closeFrame, FrameScanner } from './websocket-frames.ts';

/** Milliseconds that a fragmented message gets to end before the Close goes between its fragments. */
const messageGraceMs = 1_000;
/** Milliseconds for the other side's Close before the connection is closed without it. */
const closeReplyMs = 3_000;

const closeCodes: Readonly<Record<EndReason, { readonly code: number; readonly reason: string }>> = {
  drain: { code: 1001, reason: 'instance is going away' },
  shutdown: { code: 1012, reason: 'service restart' },
};

export interface TunnelOptions {
  readonly client: Duplex;
  readonly instance: Duplex;
  readonly webSocket: boolean;
  readonly idleTimeoutMs: number;
  /** Milliseconds, monotonic. */
  now(): number;
  /** Called once, when both sides are closed. */
  ended(): void;
}

/**
 * Carries bytes between a client and an instance after an upgrade, with backpressure. Of a WebSocket it follows the
 * frames, so that it can end it as the protocol wants (RFC 6455, 7.1): a Close to both sides, each between two frames,
 * the client's Close awaited, then TCP.
 */
export class Tunnel implements Flight {
  readonly isStream = true;
  readonly waiting = null;
  readonly #options: TunnelOptions;
  /** Frames from the instance to the client. */
  readonly #down = new FrameScanner();
  /** Frames from the client to the instance. */
  readonly #up = new FrameScanner();
  #closing: { readonly code: number; readonly reason: string; readonly since: number } | null = null;
  #closeSentDown = false;
  #closeSentUp = false;
  #lastActivity: number;
  #ended = false;
  #openSides = 2;

  constructor(options: TunnelOptions) {
    this.#options = options;
    this.#lastActivity = options.now();
  }

  /** @param head bytes that the client sent right behind its request */
  start(head: Buffer): void {
    const { client, instance } = this.#options;
    for (const [side, other] of [
      [client, instance],
      [instance, client],
    ] as const) {
      side.on('error', noop);
      side.on('drain', () => {
        this.#lastActivity = this.#options.now();
        other.resume();
      });
      side.once('close', () => {
        this.#openSides -= 1;
        if (this.#openSides === 0) {
          this.#end();
        } else if (side.errored !== null) {
          other.destroy();
        } else {
          // What was written before, a Close above all, still goes out; a peer that does not close is not waited for.
          other.end();
          other.resume();
          setTimeout(() => other.destroy(), closeReplyMs).unref();
        }
      });
    }
    instance.on('data', (chunk: Buffer) => this.#fromInstance(chunk));
    client.on('data', (chunk: Buffer) => this.#fromClient(chunk));
    instance.once('end', () => this.#instanceEnded());
    client.once('end', () => instance.end());
    if (head.length > 0) this.#fromClient(head);
    // One side may have gone while the other was still agreeing.
    if (client.destroyed || instance.destroyed) this.reset();
  }

  tell(reason: EndReason): void {
    if (!this.#options.webSocket || this.#closing !== null || this.#down.closeSeen) return;
    this.#closing = { ...closeCodes[reason], since: this.#options.now() };
    this.#closeDown();
    this.#closeUp();
  }

  reset(): void {
    this.#options.client.destroy();
    this.#options.instance.destroy();
  }

  sweep(now: number): void {
    if (this.#closing !== null) {
      const waited = now - this.#closing.since;
      if (waited > messageGraceMs) this.#closeDown(true);
      if (this.#closeSentDown && waited > messageGraceMs + closeReplyMs) this.#finishClosing();
    }
    if (now - this.#lastActivity <= this.#options.idleTimeoutMs) return;
    // A silent WebSocket is closed as a drained one is; what does not follow is cut.
    this.tell('drain');
    if (this.#closing === null || now - this.#closing.since > messageGraceMs + closeReplyMs) this.reset();
  }

  #fromInstance(chunk: Buffer): void {
    this.#lastActivity = this.#options.now();
    const { client, instance, webSocket } = this.#options;
    if (this.#closeSentDown) return;
    let end = chunk.length;
    if (webSocket) {
      for (let at = 0; at < chunk.length;) {
        at = this.#down.scan(chunk, at);
        if (this.#closing !== null && this.#mayCloseDown(false)) {
          end = at;
          break;
        }
      }
    }
    const flushed = client.write(end === chunk.length ? chunk : chunk.subarray(0, end));
    if (this.#closing !== null) this.#closeDown();
    if (!flushed && !this.#closeSentDown) instance.pause();
  }

  #fromClient(chunk: Buffer): void {
    this.#lastActivity = this.#options.now();
    const { client, instance, webSocket } = this.#options;
    let end = this.#closeSentUp ? 0 : chunk.length;
    if (webSocket) {
      for (let at = 0; at < chunk.length;) {
        at = this.#up.scan(chunk, at);
        if (this.#closing !== null && !this.#closeSentUp && this.#up.atFrameBoundary) {
          instance.write(chunk.subarray(0, at));
          this.#closeUp();
          end = 0;
        }
      }
    }
    if (end > 0 && !instance.write(chunk)) client.pause();
    if (this.#closeSentDown && this.#up.closeSeen) this.#finishClosing();
  }

  #mayCloseDown(overdue: boolean): boolean {
    const closing = this.#closing;
    if (closing === null || this.#closeSentDown || this.#down.closeSeen) return false;
    if (this.#down.atMessageBoundary) return true;
    return (overdue || this.#options.now() - closing.since > messageGraceMs) && this.#down.atFrameBoundary;
  }

  #closeDown(overdue = false): void {
    if (this.#closing === null || !this.#mayCloseDown(overdue)) return;
    this.#closeSentDown = true;
    const { client, instance } = this.#options;
    client.write(closeFrame(this.#closing.code, this.#closing.reason, null));
    // What the instance still says is read and dropped: nothing may follow a Close.
    instance.resume();
    if (this.#up.closeSeen) this.#finishClosing();
  }

  #closeUp(): void {
    if (this.#closing === null || this.#closeSentUp || this.#up.closeSeen || !this.#up.atFrameBoundary) return;
    this.#closeSentUp = true;
    this.#options.instance.write(closeFrame(this.#closing.code, this.#closing.reason, randomBytes(4)));
    this.#options.client.resume();
  }

  /** Both sides have said Close, or had the time to: now TCP, first towards the client (RFC 6455, 7.1.1). */
  #finishClosing(): void {
    const { client, instance } = this.#options;
    client.end(() => instance.end(() => this.reset()));
    // A client that does not take the last bytes is not waited for.
    if (this.#options.now() - (this.#closing?.since ?? 0) > messageGraceMs + closeReplyMs) this.reset();
  }

  #instanceEnded(): void {
    const { client, webSocket } = this.#options;
    // An instance that vanished without a Close: the client learns that coming back is worth while.
    if (webSocket && !this.#down.closeSeen && !this.#closeSentDown && this.#down.atFrameBoundary) {
      this.#closeSentDown = true;
      client.write(closeFrame(closeCodes.shutdown.code, closeCodes.shutdown.reason, null));
    }
    if (this.#closeSentDown && this.#closing !== null && !this.#up.closeSeen) return;
    client.end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.ended();
  }
}

const noop = (): void => {};
