import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { dateHeader } from '../http-date.ts';
import { chunkHead, lastChunk } from './chunked.ts';
import { latin1 } from './latin1.ts';

/** Characters up to which pieces are put together as text: one plain write is cheaper than a gathering one. */
const joinBelow = 24_576;

/**
 * Writes answers to a client, each framed anew. Small pieces are held back until `flush` or `end`, so that a head and a
 * body that came together go out together.
 */
export class AnswerWriter {
  readonly #socket: Socket;
  /** Text that has not been written; one character a byte. */
  #held = '';
  #version10 = false;
  #chunked = false;
  #left = -1;
  begun = false;
  /** The connection ends behind this answer. */
  close = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  start(version10: boolean, close: boolean): void {
    this.#version10 = version10;
    this.#chunked = false;
    this.#left = -1;
    this.begun = false;
    this.close = close;
  }

  inform(status: 100 | 103, headers: readonly string[]): void {
    if (this.#version10 || this.begun) return;
    this.#socket.write(`${statusLine(status, '')}${fields(headers)}\r\n`, 'latin1');
  }

  begin(status: number, reason: string, headers: readonly string[], length: number | null, withBody: boolean): void {
    let lines = '';
    let dated = false;
    for (let i = 0; i + 1 < headers.length; i += 2) {
      const name = headers[i] ?? '';
      lines += `${name}: ${headers[i + 1] ?? ''}\r\n`;
      if (name.length === 4 && !dated) dated = name === 'Date' || name.toLowerCase() === 'date';
    }
    this.beginLines(status, reason, lines, dated, length, withBody);
  }

  /** @param lines headers as they are sent @param dated there is a `date` among them */
  beginLines(
    status: number,
    reason: string,
    lines: string,
    dated: boolean,
    length: number | null,
    withBody: boolean,
  ): void {
    this.begun = true;
    let text = statusLine(status, reason) + lines;
    if (!dated) text += dateHeader();
    if (length !== null) {
      if (withBody || status !== 204) text += `content-length: ${length}\r\n`;
      if (withBody) this.#left = length;
    } else if (withBody) {
      if (this.#version10) {
        this.close = true;
      } else {
        this.#chunked = true;
        text += 'transfer-encoding: chunked\r\n';
      }
    }
    if (this.close) text += 'connection: close\r\n';
    else if (this.#version10) text += 'connection: keep-alive\r\n';
    this.#held = `${text}\r\n`;
  }

  /** @returns false when the client does not keep up */
  write(bytes: Buffer): boolean {
    const { length } = bytes;
    if (length === 0) return true;
    if (length + this.#held.length <= joinBelow) {
      const text = latin1(bytes, 0, length);
      this.#held += this.#chunked ? `${chunkHead(length)}${text}\r\n` : text;
    } else {
      // The memory is the caller's again: what the system does not take at once would be overwritten.
      const own = Buffer.from(bytes);
      if (this.#chunked) {
        this.#socket.cork();
        this.#held += chunkHead(length);
        this.flush();
        this.#socket.write(own);
        this.#socket.write('\r\n', 'latin1');
        this.#socket.uncork();
      } else {
        this.flush();
        this.#socket.write(own);
      }
    }
    if (this.#left > 0) {
      this.#left -= length;
      if (this.#left === 0) this.flush();
    }
    return !this.#socket.writableNeedDrain;
  }

  flush(): void {
    if (this.#held === '') return;
    const text = this.#held;
    this.#held = '';
    this.#socket.write(text, 'latin1');
  }

  end(trailers: readonly string[] | null): void {
    if (this.#chunked) this.#held += lastChunk(trailers);
    this.flush();
  }
}

const lines = new Map<number, string>();

function statusLine(status: number, reason: string): string {
  if (reason !== '' && reason !== STATUS_CODES[status]) return `HTTP/1.1 ${status} ${reason}\r\n`;
  let line = lines.get(status);
  if (line === undefined) {
    line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
    lines.set(status, line);
  }
  return line;
}

function fields(flat: readonly string[]): string {
  let text = '';
  for (let i = 0; i + 1 < flat.length; i += 2) text += `${flat[i] ?? ''}: ${flat[i + 1] ?? ''}\r\n`;
  return text;
}
