import net from 'node:net';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';

// A client that sends bytes as they are, in the pieces it is told, and keeps what comes back.

export type Mode = 'whole' | 'bytes' | 'random';
export const modes: readonly Mode[] = ['whole', 'bytes', 'random'];

/** Bytes beyond these go in larger pieces, so that a flood of headers does not take a write each byte. */
const singleBytes = 700;

/** How a text is cut in a mode. Together the pieces are the text. */
export function cut(text: Buffer, mode: Mode, random: () => number): readonly Buffer[] {
  if (mode === 'whole') return [text];
  const pieces: Buffer[] = [];
  let at = 0;
  while (at < text.length) {
    const step = mode === 'bytes' ? (at < singleBytes ? 1 : 997) : 1 + Math.floor(random() * (at < 2_000 ? 40 : 8_000));
    pieces.push(text.subarray(at, at + step));
    at += step;
  }
  return pieces;
}

export interface Heard {
  readonly bytes: Buffer;
  /** How the connection ended, seen from the client; null while it is open. */
  readonly closed: 'ended' | 'reset' | null;
}

export class RawClient {
  readonly socket: net.Socket;
  #chunks: Buffer[] = [];
  #closed: 'ended' | 'reset' | null = null;
  #wake: (() => void) | null = null;

  constructor(port: number) {
    this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    this.socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#tell();
    });
    this.socket.once('end', () => {
      this.#closed ??= 'ended';
      this.#tell();
    });
    this.socket.on('error', () => {
      this.#closed ??= 'reset';
      this.#tell();
    });
    this.socket.once('close', () => {
      this.#closed ??= 'reset';
      this.#tell();
    });
  }

  heard(): Heard {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return { bytes: this.#chunks[0] ?? Buffer.alloc(0), closed: this.#closed };
  }

  /** Sends the pieces one after another, and stops when the connection is closed from the other side. */
  async send(pieces: readonly Buffer[]): Promise<void> {
    if (this.socket.connecting)
      await Promise.race([new Promise((resolve) => this.socket.once('connect', resolve)), this.#next(2_000)]);
    for (const piece of pieces) {
      if (this.#closed !== null) return;
      this.socket.write(piece);
      if (pieces.length > 1) await turn();
    }
  }

  /** Resolves when the condition holds or the time is over. */
  async until(condition: (heard: Heard) => boolean, timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      if (condition(this.heard())) return true;
      const left = deadline - performance.now();
      if (left <= 0) return false;
      await this.#next(left);
    }
  }

  destroy(): void {
    this.socket.destroy();
  }

  #next(timeoutMs: number): Promise<void> {
    return Promise.race([
      new Promise<void>((resolve) => (this.#wake = resolve)),
      sleep(timeoutMs, undefined, { ref: false }),
    ]);
  }

  #tell(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
