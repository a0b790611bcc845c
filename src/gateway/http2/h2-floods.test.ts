import { connect } from 'node:http2';
import { afterEach, describe, expect, test } from 'vitest';
import { startHttp2Server, type Http2Server, type Seen } from '../../../test/rig/http2-server.ts';
import {
  errorCode,
  flag,
  frame,
  frameType,
  get,
  headerBlock,
  RawHttp2,
  uint32,
} from '../../../test/rig/http2-frames.ts';
import { until } from '../../../test/contract/router-instance.ts';

// Each flood goes on until the connection is ended or it was longer than any that should be put up with.

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function server(answer?: (seen: Seen) => void): Promise<Http2Server> {
  const started = await startHttp2Server(answer);
  cleanups.push(() => started.close());
  return started;
}

async function raw(port: number, settings?: Buffer): Promise<RawHttp2> {
  const client = await RawHttp2.open(port, settings);
  cleanups.push(() => client.close());
  return client;
}

/** Sends pieces until the other side has ended it. @returns bytes that were sent */
async function flood(client: RawHttp2, piece: (n: number) => Buffer, most: number): Promise<number> {
  let sent = 0;
  for (let n = 0; n < most && client.goaway === null && !client.closed; n += 1) {
    const bytes = piece(n);
    sent += bytes.length;
    const keepsUp = client.send(bytes);
    if (!keepsUp) {
      await Promise.race([
        new Promise((resolve) => client.socket.once('drain', resolve)),
        new Promise((resolve) => client.socket.once('close', resolve)),
      ]);
    } else {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return sent;
}

async function answers(port: number): Promise<number> {
  const client = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, servername: 'a.test' });
  client.on('error', () => {});
  const status = await new Promise<number>((resolve, reject) => {
    const stream = client.request({ ':path': '/', ':authority': 'a.test' });
    stream.on('response', (headers) => resolve(headers[':status'] ?? 0));
    stream.on('error', reject);
    stream.resume();
  });
  client.destroy();
  return status;
}

const repeated = (bytes: Buffer, times: number): Buffer => Buffer.concat(Array.from({ length: times }, () => bytes));
const block = headerBlock(get());
const head = (stream: number, flags: number, bytes: Buffer = block): Buffer =>
  frame(frameType.headers, flags, stream, bytes);

interface Flood {
  readonly name: string;
  /** Before the flood. */
  readonly begin?: (client: RawHttp2) => void;
  readonly piece: (n: number) => Buffer;
  readonly most: number;
  /** How it ends; any of them. */
  readonly codes: readonly (number | null)[];
}

const calm = errorCode.enhanceYourCalm;
const floods: readonly Flood[] = [
  {
    name: 'rapid reset by the client (CVE-2023-44487)',
    piece: (n) =>
      Buffer.concat([
        head(2 * n + 1, flag.endHeaders | flag.endStream),
        frame(frameType.rstStream, 0, 2 * n + 1, uint32(errorCode.cancel)),
      ]),
    most: 5_000,
    codes: [calm, errorCode.internalError],
  },
  {
    name: 'resets provoked from the server (CVE-2025-8671)',
    piece: (n) =>
      Buffer.concat([
        head(2 * n + 1, flag.endHeaders),
        frame(frameType.windowUpdate, 0, 2 * n + 1, uint32(2 ** 31 - 1)),
      ]),
    most: 5_000,
    codes: [calm, errorCode.internalError, errorCode.flowControlError, null],
  },
  {
    name: 'malformed requests',
    piece: (n) => head(2 * n + 1, flag.endHeaders | flag.endStream, headerBlock([...get(), ['connection', 'close']])),
    most: 5_000,
    codes: [calm, errorCode.internalError, null],
  },
  {
    name: 'pings (CVE-2019-9512)',
    piece: () => repeated(frame(frameType.ping, 0, 0, Buffer.alloc(8)), 10),
    most: 5_000,
    codes: [calm],
  },
  {
    name: 'settings (CVE-2019-9515)',
    piece: () => repeated(frame(frameType.settings, 0, 0), 10),
    most: 5_000,
    codes: [calm],
  },
  {
    name: 'a SETTINGS frame of a thousand entries',
    piece: () => frame(frameType.settings, 0, 0, repeated(Buffer.from([0, 3, 0, 0, 0, 100]), 1_000)),
    most: 100,
    codes: [calm],
  },
  {
    name: 'CONTINUATION without end (CVE-2024-27983)',
    begin: (client) => client.send(frame(frameType.headers, flag.endStream, 1, block)),
    piece: () => frame(frameType.continuation, 0, 1, headerBlock([['x-a', 'y'.repeat(1_000)]])),
    most: 5_000,
    codes: [calm, errorCode.protocolError, errorCode.internalError, null],
  },
  {
    name: 'empty CONTINUATION frames',
    begin: (client) => client.send(frame(frameType.headers, flag.endStream, 1, block)),
    piece: () => repeated(frame(frameType.continuation, 0, 1), 10),
    most: 5_000,
    codes: [calm, errorCode.protocolError, errorCode.internalError, null],
  },
  {
    name: 'empty DATA frames (CVE-2019-9518)',
    begin: (client) => client.request(1, get('/upload'), false),
    piece: () => repeated(frame(frameType.data, 0, 1), 100),
    most: 5_000,
    codes: [calm, errorCode.protocolError, errorCode.internalError, null],
  },
  {
    name: 'window updates of one byte (CVE-2019-9511)',
    piece: () => repeated(frame(frameType.windowUpdate, 0, 0, uint32(1)), 1_000),
    most: 5_000,
    codes: [calm],
  },
  {
    name: 'a window that is too large',
    piece: () => frame(frameType.windowUpdate, 0, 0, uint32(2 ** 31 - 1)),
    most: 100,
    codes: [errorCode.flowControlError, null],
  },
  {
    name: 'priorities (CVE-2019-9513)',
    piece: (n) => repeated(frame(frameType.priority, 0, 2 * n + 1, Buffer.from([0, 0, 0, 0, 16])), 1_000),
    most: 5_000,
    codes: [calm, errorCode.internalError, errorCode.protocolError],
  },
  {
    name: 'more streams than are allowed, none ended',
    piece: (n) => head(2 * n + 1, flag.endHeaders),
    most: 5_000,
    codes: [calm, errorCode.internalError, errorCode.protocolError, null],
  },
  {
    name: 'frames of an unknown type',
    piece: () => repeated(frame(0xbe, 0, 0, Buffer.alloc(10)), 1_000),
    most: 5_000,
    codes: [calm],
  },
];

describe('a flood ends its connection, and nobody else’s', () => {
  test.each(floods)('$name', async ({ begin, piece, most, codes }) => {
    const started = await server(({ request, stream }) => {
      if (request.target !== '/upload' && request.body.kind === 'none') {
        stream.begin(200, '', [], 2, true);
        stream.write(Buffer.from('ok'));
        stream.end(null);
      } else {
        stream.resumeBody();
      }
    });
    const client = await raw(started.port);
    begin?.(client);
    const before = process.memoryUsage().rss;
    await flood(client, piece, most);
    await until(() => client.goaway !== null || client.closed, 'the connection is ended');
    expect(codes).toContain(client.goaway);
    expect(process.memoryUsage().rss - before).toBeLessThan(128 * 1_048_576);
    expect(await answers(started.port)).toBe(200);
    await until(() => started.connections[0]?.openStreams === 0, 'its streams are over');
    await until(() => started.sockets() <= 1 && client.closed, 'its socket is closed');
  });
});

describe('what is no flood', () => {
  test('a hundred requests at once, cancelled by a user who scrolls on', async () => {
    const { port } = await server(() => {});
    const client = await raw(port);
    for (let n = 0; n < 100; n += 1) client.request(2 * n + 1, get());
    for (let n = 0; n < 100; n += 1) client.send(frame(frameType.rstStream, 0, 2 * n + 1, uint32(errorCode.cancel)));
    client.send(frame(frameType.ping, 0, 0, Buffer.alloc(8)));
    await until(() => client.frames.some((one) => one.type === frameType.ping), 'the answer to the ping');
    expect(client.goaway).toBeNull();
  });

  test('a hundred thousand small messages on one stream', async () => {
    let received = 0;
    const { port, seen } = await server(({ stream }) => {
      stream.events.bodyData = (bytes) => {
        received += bytes.length;
      };
      stream.resumeBody();
    });
    const client = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, servername: 'a.test' });
    client.on('error', () => {});
    cleanups.push(() => client.destroy());
    const stream = client.request({ ':method': 'POST', ':authority': 'a.test' }, { endStream: false });
    stream.on('error', () => {});
    for (let n = 0; n < 100_000; n += 1) {
      if (!stream.write('12345')) await new Promise((resolve) => stream.once('drain', resolve));
    }
    stream.end();
    await until(() => seen[0]?.trailers !== null, 'the end of the body');
    expect(received).toBe(500_000);
  });
});

test('a client that reads nothing holds a bounded part of each answer, and its socket is closed with it', async () => {
  const chunk = Buffer.alloc(16_384, 'x');
  const started = await server(({ stream }) => {
    stream.begin(200, '', [], null, true);
    let blocked = false;
    while (!blocked) blocked = !stream.write(chunk);
  });
  // A window of 2 GB for each stream: what holds it back is that it does not read its socket.
  const client = await raw(started.port, Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff]));
  client.send(frame(frameType.windowUpdate, 0, 0, uint32(2 ** 31 - 1 - 65_535)));
  client.socket.pause();
  for (let n = 0; n < 100; n += 1) client.request(2 * n + 1, get());
  await until(() => started.seen.length === 100, 'a hundred requests');
  const pending = started.seen.reduce((sum, one) => sum + one.stream.pendingBytes, 0);
  expect(pending).toBeLessThanOrEqual(100 * (65_536 + chunk.length));
  started.connections[0]?.destroy();
  await until(() => started.sockets() === 0, 'its socket is closed');
});
