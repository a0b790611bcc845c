import { once } from 'node:events';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { Pool, request } from 'undici';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startService, type StartedService } from '../kit/service.ts';
import { startS3, type S3Server } from '../rig/s3-server.ts';
import { createStorage } from '../storage/create-storage.ts';
import type { ObjectStorage } from '../storage/object-storage.ts';
import { bodyOf, heldBytes, never, noise, openHandles, sha256Of, until } from '../storage/testing.ts';
import { frameOf, id3Tag, infoFrame } from './mp3/testing.ts';
import { streamService } from './service.ts';
import { audioPath, parseMediaKeys, playlistPath, segmentPath, signPath } from './signed-url.ts';

const MEDIA_KEY = 'm'.repeat(32);
const keys = parseMediaKeys(MEDIA_KEY);
const key = 'tracks/0b8f1c5e-4f0e-4a63-9d5a-0d6a5e1f1c11';

let folder: string;
let storage: ObjectStorage;
let service: StartedService;
let now = 1_800_000_000_000;

const start = async (environment: Record<string, string> = {}): Promise<void> => {
  const base = { PORT: '0', METRICS_PORT: 'any', LOG_LEVEL: 'silent', MEDIA_KEY, STORAGE_URL: `file://${folder}` };
  service = await startService(streamService, { ...base, ...environment }, { clock: () => now });
};

beforeEach(async () => {
  now = 1_800_000_000_000;
  folder = await mkdtemp(join(tmpdir(), 'veza-stream-'));
  storage = createStorage(`file://${folder}`);
});
afterEach(async () => {
  await service.stop();
  await rm(folder, { recursive: true, force: true });
});

const store = (content: Uint8Array, contentType = 'audio/wav') =>
  storage.put(key, bodyOf(content), { contentType, signal: never });
const sign = (path: string): string => signPath(keys, path, now / 1000 + 3_600);
const ask = async (
  path: string,
  headers: Record<string, string> = {},
  method: 'GET' | 'HEAD' = 'GET',
): Promise<{ status: number; headers: Record<string, string | string[] | undefined>; body: Buffer }> => {
  const answer = await request(service.url + path, { headers, method });
  return { status: answer.statusCode, headers: answer.headers, body: Buffer.from(await answer.body.arrayBuffer()) };
};
const problemOf = ({ status, body }: { status: number; body: Buffer }): [number, unknown] => [
  status,
  (JSON.parse(body.toString()) as { code: unknown }).code,
];

/** A client that reads nothing until it is told to. */
async function slowClient(path: string): Promise<Socket> {
  const { hostname, port } = new URL(service.url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  return socket;
}

async function metric(name: string): Promise<number> {
  const { body } = await request(service.metricsUrl ?? '');
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await body.text())?.[1]);
}

describe('audio', () => {
  const content = noise(200_000);

  test('is sent whole, with what a player needs to know', async () => {
    await start();
    const { etag } = await store(content);
    const answer = await ask(sign(audioPath(key)));
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      'content-type': 'audio/wav',
      'content-length': '200000',
      'accept-ranges': 'bytes',
      etag: `"${etag}"`,
      'x-content-type-options': 'nosniff',
      'cache-control': 'private, no-cache',
    });
    expect(answer.headers).not.toHaveProperty('set-cookie');
    expect(answer.body.equals(content)).toBe(true);
  });

  test('is told of by HEAD, which knows no ranges', async () => {
    await start();
    await store(content);
    const answer = await ask(sign(audioPath(key)), { range: 'bytes=0-9' }, 'HEAD');
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      'content-length': '200000',
      'accept-ranges': 'bytes',
      'content-type': 'audio/wav',
    });
    expect(answer.body).toHaveLength(0);
  });

  test('is sent in the ranges that are asked for, 10,000 of them', async () => {
    await start();
    await store(content);
    const path = sign(audioPath(key));
    const pool = new Pool(service.url, { connections: 8 });
    const wish = fc.record({
      from: fc.integer({ min: 0, max: content.length + 1_000 }),
      length: fc.integer({ min: 0, max: 3_000 }),
      suffix: fc.boolean(),
    });
    const check = async ({
      from,
      length,
      suffix,
    }: {
      from: number;
      length: number;
      suffix: boolean;
    }): Promise<void> => {
      const range = suffix ? `bytes=-${length}` : `bytes=${from}-${from + length}`;
      const answer = await pool.request({ method: 'GET', path, headers: { range } });
      const body = Buffer.from(await answer.body.arrayBuffer());
      const first = suffix ? content.length - length : from;
      const expected = content.subarray(first, suffix ? content.length : from + length + 1);
      if (expected.length === 0) {
        expect(answer.statusCode).toBe(416);
        expect(answer.headers['content-range']).toBe(`bytes */${content.length}`);
        return;
      }
      expect(answer.statusCode).toBe(206);
      expect(answer.headers['content-range']).toBe(`bytes ${first}-${first + expected.length - 1}/${content.length}`);
      expect(answer.headers['content-length']).toBe(String(expected.length));
      expect(body.equals(expected)).toBe(true);
    };
    try {
      // 8 at a time, 1,250 times.
      await fc.assert(
        fc.asyncProperty(fc.array(wish, { minLength: 8, maxLength: 8 }), async (wishes) => {
          await Promise.all(wishes.map(check));
        }),
        { numRuns: 1_250 },
      );
    } finally {
      await pool.close();
    }
  }, 300_000);

  test('is answered with less or nothing when the client has it, or another version', async () => {
    await start();
    const { etag } = await store(content);
    const path = sign(audioPath(key));
    expect(await ask(path, { 'if-none-match': `"${etag}"` })).toMatchObject({ status: 304, body: Buffer.alloc(0) });
    expect(await ask(path, { 'if-none-match': '"other"' })).toMatchObject({ status: 200 });
    expect(problemOf(await ask(path, { 'if-match': '"other"' }))).toEqual([412, 'changed-meanwhile']);
    expect(await ask(path, { range: 'bytes=0-9', 'if-range': `"${etag}"` })).toMatchObject({ status: 206 });
    expect(await ask(path, { range: 'bytes=0-9', 'if-range': '"other"' })).toMatchObject({ status: 200 });
    expect(problemOf(await ask(path, { range: 'bytes=200000-' }))).toEqual([416, 'range-not-satisfiable']);
  });

  test('of another kind is a file to keep, never a page', async () => {
    await start();
    await store(Buffer.from('<script>alert(1)</script>'), 'text/html');
    const { headers } = await ask(sign(audioPath(key)));
    expect(headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-disposition': 'attachment',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
    });
  });

  test('that is not there is 404, and so is a key that is none', async () => {
    await start();
    for (const missing of [key, '../../etc/passwd', '.uploads/x']) {
      expect(problemOf(await ask(sign(audioPath(missing))))).toEqual([404, 'no-such-audio']);
    }
  });

  test('that may be empty is sent empty', async () => {
    await start();
    await store(Buffer.alloc(0));
    expect(await ask(sign(audioPath(key)))).toMatchObject({ status: 200, body: Buffer.alloc(0) });
    expect(problemOf(await ask(sign(audioPath(key)), { range: 'bytes=0-' }))).toEqual([416, 'range-not-satisfiable']);
  });
});

describe('without a signature that holds', () => {
  test('nothing is told, not even whether it is there', async () => {
    await start();
    await store(noise(10), 'audio/mpeg');
    for (const path of [audioPath(key), playlistPath(key), segmentPath(key, 0)]) {
      const expired = signPath(keys, path, now / 1000);
      const foreign = signPath(parseMediaKeys('x'.repeat(32)), path, now / 1000 + 60);
      expect(problemOf(await ask(expired))).toEqual([403, 'url-expired']);
      for (const forged of [
        path,
        foreign,
        `${path}?sig=x`,
        sign(audioPath('tracks/other')).replace(/.*\?/, `${path}?`),
      ]) {
        expect(problemOf(await ask(forged)), forged).toEqual([403, 'url-not-signed']);
      }
    }
    expect(problemOf(await ask(audioPath('tracks/missing')))).toEqual([403, 'url-not-signed']);
  });

  test('the key may be replaced while URLs of the old one are out', async () => {
    await start({ MEDIA_KEY: `${'n'.repeat(32)},${MEDIA_KEY}` });
    await store(noise(10));
    expect((await ask(sign(audioPath(key)))).status).toBe(200);
    const byNew = signPath(parseMediaKeys('n'.repeat(32)), audioPath(key), now / 1000 + 60);
    expect((await ask(byNew)).status).toBe(200);
  });
});

describe('HLS', () => {
  test('of an MP3 file has a playlist and segments that are the frames of the file, in order, with their times', async () => {
    await start();
    const sound = Buffer.concat(Array.from({ length: 1_000 }, (_, index) => frameOf(1 + (index % 14), index % 120)));
    await store(Buffer.concat([id3Tag(2_000), infoFrame(), sound]), 'audio/mpeg');
    const playlist = await ask(sign(playlistPath(key)));
    expect(playlist.status).toBe(200);
    expect(playlist.headers['content-type']).toBe('application/vnd.apple.mpegurl');
    const lines = playlist.body.toString().split('\n');
    expect(lines.slice(0, 5)).toEqual([
      '#EXTM3U',
      '#EXT-X-VERSION:3',
      '#EXT-X-TARGETDURATION:6',
      '#EXT-X-MEDIA-SEQUENCE:0',
      '#EXT-X-PLAYLIST-TYPE:VOD',
    ]);
    const durations = lines
      .filter((line) => line.startsWith('#EXTINF:'))
      .map((line) => Number.parseFloat(line.slice(8)));
    expect(durations.reduce((sum, seconds) => sum + seconds, 0)).toBeCloseTo((1_000 * 1_152) / 44_100, 4);

    const segments = lines.filter((line) => line !== '' && !line.startsWith('#'));
    const base = service.url + playlistPath(key);
    let seconds = 0;
    const frames: Buffer[] = [];
    for (const [index, uri] of segments.entries()) {
      const url = new URL(uri, base);
      const answer = await ask(url.pathname + url.search);
      expect(answer.status).toBe(200);
      expect(answer.headers).toMatchObject({
        'content-type': 'audio/mpeg',
        'content-length': String(answer.body.length),
      });
      const tagBytes = 10 + answer.body.readUInt32BE(6);
      expect(Number(answer.body.readBigUInt64BE(tagBytes - 8)) / 90_000).toBeCloseTo(seconds, 4);
      frames.push(answer.body.subarray(tagBytes));
      seconds += durations[index] ?? 0;
      const head = await ask(url.pathname + url.search, {}, 'HEAD');
      expect(head.headers['content-length']).toBe(answer.headers['content-length']);
      const etag = String(answer.headers['etag']);
      expect((await ask(url.pathname + url.search, { 'if-none-match': etag })).status).toBe(304);
    }
    expect(Buffer.concat(frames).equals(sound)).toBe(true);
    expect(problemOf(await ask(sign(segmentPath(key, segments.length))))).toEqual([404, 'no-such-segment']);
  });

  test('follows a file that is replaced', async () => {
    await start();
    const playlistOf = async () => (await ask(sign(playlistPath(key)))).body.toString().match(/#EXTINF/g)?.length;
    await store(Buffer.concat(Array.from({ length: 1_000 }, () => frameOf(9))), 'audio/mpeg');
    expect(await playlistOf()).toBe(5);
    await store(Buffer.concat(Array.from({ length: 100 }, () => frameOf(9))), 'audio/mpeg');
    expect(await playlistOf()).toBe(1);
  });

  test('is not to be had of what is no MP3', async () => {
    await start();
    await store(noise(10_000), 'audio/wav');
    expect(problemOf(await ask(sign(playlistPath(key))))).toEqual([404, 'no-hls']);
    await store(Buffer.alloc(10_000, 1), 'audio/mpeg');
    expect(problemOf(await ask(sign(playlistPath(key))))).toEqual([404, 'no-hls']);
    expect(problemOf(await ask(sign(segmentPath(key, 0))))).toEqual([404, 'no-hls']);
    await storage.delete(key, never);
    expect(problemOf(await ask(sign(playlistPath(key))))).toEqual([404, 'no-such-audio']);
  });
});

describe('readers', () => {
  const large = noise(32 * 1024 * 1024);

  test('that are slow cost no memory, and get every byte', async () => {
    await start();
    await store(large);
    const before = heldBytes();
    const clients = await Promise.all(Array.from({ length: 10 }, () => slowClient(sign(audioPath(key)))));
    await until(async () => (await metric('streams_open')) === 10, 'all are being sent to');
    // Others are served meanwhile; what was read ahead for the slow ones is bounded.
    expect((await ask(sign(audioPath(key)), { range: 'bytes=0-999999' })).body).toHaveLength(1_000_000);
    expect(heldBytes() - before).toBeLessThan(10 * 1024 * 1024);
    const [first, ...others] = clients;
    for (const other of others) other.destroy();
    const chunks: Buffer[] = [];
    for await (const chunk of first ?? []) chunks.push(chunk as Buffer);
    const answer = Buffer.concat(chunks);
    expect(sha256Of(answer.subarray(answer.indexOf('\r\n\r\n') + 4))).toBe(sha256Of(large));
  });

  test('that go away leave nothing open', async () => {
    await start();
    await store(large);
    const rest = async (): Promise<number> => (await openHandles()) - (await metric('streams_open'));
    await ask(sign(audioPath(key)), { range: 'bytes=0-9' });
    const before = await rest();
    for (let round = 0; round < 5; round += 1) {
      const clients = await Promise.all(Array.from({ length: 20 }, () => slowClient(sign(audioPath(key)))));
      await Promise.all(clients.map((client) => once(client.resume(), 'data')));
      for (const client of clients) client.destroy();
    }
    await until(async () => (await metric('streams_open')) === 0, 'no stream is open');
    await until(async () => (await rest()) <= before + 2, 'files and sockets are closed');
  });

  test('that are too many are told when to come back, and one that leaves makes room', async () => {
    await start({ STREAM_LIMIT: '3' });
    await store(large);
    const clients = await Promise.all(Array.from({ length: 3 }, () => slowClient(sign(audioPath(key)))));
    await until(async () => (await metric('streams_open')) === 3, 'three are being sent to');
    const refused = await ask(sign(audioPath(key)));
    expect(problemOf(refused)).toEqual([503, 'too-many-streams']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await ask(sign(audioPath(key)), {}, 'HEAD')).status).toBe(200);
    clients[0]?.destroy();
    await until(async () => (await ask(sign(audioPath(key)), { range: 'bytes=0-9' })).status === 206, 'there is room');
    for (const client of clients) client.destroy();
  });

  test('that take nothing any more are cut off', async () => {
    await start({ STREAM_STALLED_MS: '1000' });
    await store(large);
    const client = await slowClient(sign(audioPath(key)));
    client.on('error', () => undefined);
    await until(async () => (await metric('streams_open')) === 1, 'it is being sent to');
    await until(async () => {
      now += 300;
      return (await metric('streams_open')) === 0;
    }, 'it is cut off');
    expect(await metric('streams_stalled_total')).toBe(1);
    client.destroy();
  });

  test('get everything though the service is told to stop meanwhile', async () => {
    await start();
    await store(large);
    const client = await slowClient(sign(audioPath(key)));
    await until(async () => (await metric('streams_open')) === 1, 'it is being sent to');
    const stopped = service.stop();
    await until(
      () =>
        request(`${service.url}/livez`).then(
          () => false,
          () => true,
        ),
      'nobody else is taken',
    );
    const chunks: Buffer[] = [];
    for await (const chunk of client) chunks.push(chunk as Buffer);
    const answer = Buffer.concat(chunks);
    expect(sha256Of(answer.subarray(answer.indexOf('\r\n\r\n') + 4))).toBe(sha256Of(large));
    await stopped;
  });
});

describe('with an S3 bucket', () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3();
  }, 900_000);
  afterAll(async () => {
    await server.stop();
  });

  test('plays out of it, says when to come back while it is away, and plays again by itself', async () => {
    await start({ STORAGE_URL: server.url });
    storage = createStorage(server.url);
    const content = Buffer.concat(Array.from({ length: 1_000 }, (_, index) => frameOf(9, index % 120)));
    await store(content, 'audio/mpeg');
    const path = sign(audioPath(key));
    expect((await ask(path)).body.equals(content)).toBe(true);
    expect((await ask(path, { range: 'bytes=-100' })).body.equals(content.subarray(-100))).toBe(true);
    expect((await ask(sign(segmentPath(key, 1)))).status).toBe(200);

    await server.kill();
    for (const url of [path, sign(playlistPath(key)), sign(segmentPath(key, 1))]) {
      const began = performance.now();
      const away = await ask(url);
      expect(problemOf(away)).toEqual([503, 'storage-unavailable']);
      expect(Number(away.headers['retry-after'])).toBeGreaterThan(0);
      expect(performance.now() - began).toBeLessThan(6_000);
    }
    // The service itself is well: it is not taken out for what it cannot help.
    expect((await ask('/readyz')).status).toBe(200);

    await server.restart();
    expect((await ask(path)).body.equals(content)).toBe(true);
    await storage.close();
  });

  test('does not hang when it answers nothing', async () => {
    await start({ STORAGE_URL: server.url });
    storage = createStorage(server.url);
    await store(noise(1_000));
    server.pause();
    try {
      expect(problemOf(await ask(sign(audioPath(key))))).toEqual([503, 'storage-unavailable']);
    } finally {
      server.resume();
    }
    await storage.close();
  });
});

test('a damaged file is said to be one, and one that turns out to be is cut off, never taken for whole', async () => {
  await start();
  await store(noise(300_000));
  const file = await open(join(folder, 'objects', `${key}~`), 'r+');
  await file.write(Buffer.from([1, 2, 3]), 0, 3, 512 + 200_000);
  await file.close();
  await expect(ask(sign(audioPath(key)))).rejects.toThrow();
  const again = await open(join(folder, 'objects', `${key}~`), 'r+');
  await again.truncate(1_000);
  await again.close();
  expect(problemOf(await ask(sign(audioPath(key))))).toEqual([502, 'audio-damaged']);
});

test('a service that cannot run says what is missing, and no value', async () => {
  await start();
  const wrong = startService(streamService, {
    PORT: '0',
    MEDIA_KEY: 'too short to be one',
    STORAGE_URL: 'ftp://secret@x/',
  });
  const told = await wrong.then(() => '', String);
  expect(told).toContain('MEDIA_KEY');
  expect(told).toContain('STORAGE_URL');
  expect(told).not.toContain('too short to be one');
  expect(told).not.toContain('secret@x');
});
