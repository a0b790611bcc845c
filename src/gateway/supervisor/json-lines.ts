import type { Duplex } from 'node:stream';

/** Bytes of one line; a table of 10,000 endpoints has a few megabytes. */
const maxLineBytes = 64 * 1024 * 1024;

/**
 * Messages as JSON lines over a stream. What cannot be read ends the connection: both ends are programs of one version.
 *
 * @param head bytes that came before the stream was handed over
 */
export class JsonLines<In, Out> {
  readonly #stream: Duplex;
  readonly #head: Buffer;
  readonly #onMessage: (message: In) => void;
  readonly #parts: Buffer[] = [];
  #bytes = 0;

  constructor(stream: Duplex, head: Buffer, onMessage: (message: In) => void, onGone: () => void) {
    this.#stream = stream;
    this.#head = head;
    this.#onMessage = onMessage;
    stream.on('error', () => stream.destroy());
    // The server's end of a connection would stay half open.
    stream.on('end', () => stream.destroy());
    stream.once('close', onGone);
  }

  /** Messages come from here on. */
  start(): void {
    if (this.#head.length > 0) this.#take(this.#head);
    this.#stream.on('data', (bytes: Buffer) => this.#take(bytes));
  }

  send(message: Out): void {
    if (this.#stream.writable) this.#stream.write(`${JSON.stringify(message)}\n`);
  }

  close(): void {
    this.#stream.destroy();
  }

  #take(bytes: Buffer): void {
    let from = 0;
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, from)) {
      this.#parts.push(bytes.subarray(from, at));
      const line = Buffer.concat(this.#parts).toString();
      this.#parts.length = 0;
      this.#bytes = 0;
      from = at + 1;
      let message: In;
      try {
        message = JSON.parse(line) as In;
      } catch {
        this.#stream.destroy();
        return;
      }
      this.#onMessage(message);
    }
    if (from === bytes.length) return;
    const rest = bytes.subarray(from);
    this.#parts.push(rest);
    this.#bytes += rest.length;
    if (this.#bytes > maxLineBytes) this.#stream.destroy();
  }
}
