import { connect, type TLSSocket } from 'node:tls';

// A client of HTTP/2 that sends what it is told, frame by frame, also what no client may send.

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flag = { endStream: 1, ack: 1, endHeaders: 4, padded: 8 } as const;

export const errorCode = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  enhanceYourCalm: 11,
} as const;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** HPACK without a table and without Huffman: each field as it is (RFC 7541, 6.2.2). */
export function headerBlock(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), literal(name), literal(value)]));
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([integer(bytes.length, 7), bytes]);
}

function integer(value: number, bits: number): Buffer {
  const most = 2 ** bits - 1;
  if (value < most) return Buffer.of(value);
  const bytes = [most];
  let rest = value - most;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}

/** The fields of a GET; later ones replace earlier ones of the same name. */
export function get(path = '/', host = 'a.test'): [string, string][] {
  return [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':authority', host],
    [':path', path],
  ];
}

export class RawHttp2 {
  readonly socket: TLSSocket;
  readonly frames: Frame[] = [];
  closed = false;
  #rest: Buffer = Buffer.alloc(0);

  /** Connects, and sends the preface with these settings. */
  static async open(port: number, settings: Buffer = Buffer.alloc(0)): Promise<RawHttp2> {
    const socket = connect({
      port,
      host: '127.0.0.1',
      servername: 'a.test',
      ALPNProtocols: ['h2'],
      rejectUnauthorized: false,
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    });
    const client = new RawHttp2(socket);
    client.send(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(frameType.settings, 0, 0, settings));
    return client;
  }

  private constructor(socket: TLSSocket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.once('close', () => {
      this.closed = true;
    });
  }

  /** @returns false when the other side does not keep up */
  send(...frames: readonly Buffer[]): boolean {
    return !this.closed && this.socket.write(Buffer.concat(frames));
  }

  /** A request without a body, or the head of one with. */
  request(stream: number, fields: readonly (readonly [string, string])[], endStream = true): void {
    const flags = flag.endHeaders | (endStream ? flag.endStream : 0);
    this.send(frame(frameType.headers, flags, stream, headerBlock(fields)));
  }

  /** The error code of RST_STREAM for this stream, if one came. */
  resetOf(stream: number): number | null {
    const found = this.frames.find((one) => one.type === frameType.rstStream && one.stream === stream);
    return found?.payload.readUInt32BE(0) ?? null;
  }

  /** The error code of the last GOAWAY. */
  get goaway(): number | null {
    return this.frames.findLast((one) => one.type === frameType.goaway)?.payload.readUInt32BE(4) ?? null;
  }

  /** An answer has ended on this stream. */
  answered(stream: number): boolean {
    return this.frames.some(
      (one) =>
        one.stream === stream &&
        (one.type === frameType.data || one.type === frameType.headers) &&
        (one.flags & flag.endStream) !== 0,
    );
  }

  bodyOf(stream: number): Buffer {
    return Buffer.concat(
      this.frames.filter((one) => one.type === frameType.data && one.stream === stream).map((one) => one.payload),
    );
  }

  close(): void {
    this.socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= 9) {
      const length = this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < 9 + length) return;
      this.frames.push({
        type: this.#rest[3] ?? 0,
        flags: this.#rest[4] ?? 0,
        stream: this.#rest.readUInt32BE(5),
        payload: this.#rest.subarray(9, 9 + length),
      });
      this.#rest = this.#rest.subarray(9 + length);
    }
  }
}
