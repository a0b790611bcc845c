import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../rig/program.ts';
import { createStorage } from '../storage/create-storage.ts';
import { audioPath, parseMediaKeys, playlistPath, verifySignature } from '../stream/signed-url.ts';
import {
  type ApiRig,
  ask,
  type Asked,
  declare,
  MEDIA_KEY,
  sha256Of,
  startApi,
  type TestPerson,
} from './testing/api-rig.ts';
import { connectForTests } from './testing/connect.ts';
import { sweep } from './removals.ts';
import { trackKey } from './tracks.ts';

const NOW = Date.parse('2026-11-23T12:01:00Z');
const audio = randomBytes(100_000);
const etag = `"${sha256Of(audio)}"`;
let rig: ApiRig;
let artist: TestPerson;
let listener: TestPerson;
let id: string;
let path: string;
beforeAll(async () => {
  rig = await startApi({ clock: () => NOW });
  [artist, listener] = [await rig.person(), await rig.person()];
  id = await rig.publish(artist, {}, audio);
  path = `/api/v1/tracks/${id}/download`;
});
afterAll(() => rig.stop());

const get = (headers: Readonly<Record<string, string>> = {}, method = 'GET') =>
  rig.ask(listener, method, path, { headers });

describe('a download', () => {
  it('is the audio, byte by byte, and says what it is', async () => {
    const answer = await get();

    expect(answer.status).toBe(200);
    expect(answer.bytes.equals(audio)).toBe(true);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'audio/wav',
      'content-length': String(audio.length),
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
      etag,
    });
  });

  it.each([
    ['bytes=0-0', 0, 0],
    ['bytes=10-19', 10, 19],
    ['bytes=99999-', 99_999, 99_999],
    ['bytes=-1', 99_999, 99_999],
    ['bytes=-100001', 0, 99_999],
    ['bytes=50000-999999999', 50_000, 99_999],
  ])('of %s is that part', async (range, first, last) => {
    const answer = await get({ range });

    expect(answer.status).toBe(206);
    expect(answer.headers.get('content-range')).toBe(`bytes ${first}-${last}/100000`);
    expect(answer.headers.get('content-length')).toBe(String(last - first + 1));
    expect(answer.bytes.equals(audio.subarray(first, last + 1))).toBe(true);
  });

  it.each([['bytes=100000-'], ['bytes=-0'], ['bytes=99999999999999999999-']])('of %s is refused', async (range) => {
    const answer = await get({ range });

    expect(answer.status).toBe(416);
    expect(answer.headers.get('content-range')).toBe('bytes */100000');
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
  });

  it.each([
    ['bytes=0-1,5-6'],
    ['bytes=5-1'],
    ['bytes='],
    ['items=0-1'],
    ['bytes=a-b'],
    [`bytes=${'0-0,'.repeat(500)}0-0`],
  ])('of %s is all of it', async (range) => {
    const answer = await get({ range });

    expect([answer.status, answer.bytes.length]).toEqual([200, audio.length]);
  });

  it.each([
    ['the same version', etag, 206],
    ['another version', '"other"', 200],
    ['a weak tag', `W/${etag}`, 200],
    ['a date', 'Mon, 23 Nov 2026 12:00:00 GMT', 200],
  ])('with If-Range of %s is %i', async (_what, ifRange, status) => {
    expect((await get({ range: 'bytes=0-9', 'if-range': ifRange })).status).toBe(status);
  });

  it.each([
    ['if-none-match', etag, 304],
    ['if-none-match', `"x", W/${etag}`, 304],
    ['if-none-match', '*', 304],
    ['if-none-match', '"x"', 200],
    ['if-match', etag, 200],
    ['if-match', '*', 200],
    ['if-match', '"x"', 412],
    ['if-match', `W/${etag}`, 412],
  ])('with %s: %s is %i', async (name, value, status) => {
    const answer = await get({ [name]: value });

    expect(answer.status).toBe(status);
    if (status === 304) expect([answer.bytes.length, answer.headers.get('etag')]).toEqual([0, etag]);
  });

  it('asked for by HEAD has the same headers and no body', async () => {
    const [got, head] = [await get(), await get({}, 'HEAD')];

    expect(head.status).toBe(200);
    expect(head.bytes).toHaveLength(0);
    for (const name of ['content-type', 'content-length', 'etag', 'accept-ranges']) {
      expect(head.headers.get(name)).toBe(got.headers.get(name));
    }
  });

  it('that somebody breaks off harms nobody', async () => {
    const big = await rig.publish(artist, {}, randomBytes(8_000_000));
    const { hostname, port } = new URL(rig.url);
    for (let index = 0; index < 20; index += 1) {
      const socket = connect(Number(port), hostname);
      socket.write(
        `GET /api/v1/tracks/${big}/download HTTP/1.1\r\nhost: api\r\nauthorization: Bearer ${listener.token}\r\n\r\n`,
      );
      await new Promise((resolve) => socket.once('data', resolve));
      socket.destroy();
    }

    expect((await get()).bytes.equals(audio)).toBe(true);
    // No file is left open.
    await expect
      .poll(() => process.getActiveResourcesInfo().filter((name) => name === 'FSReqPromise').length, { timeout: 5_000 })
      .toBe(0);
  });
});

describe('where to listen', () => {
  it('is a signed path of the service stream, the same for some minutes', async () => {
    const mp3 = await rig.publish(artist, { contentType: 'audio/mpeg' });

    const answer = await rig.ask(listener, 'GET', `/api/v1/tracks/${mp3}/media`);

    const { url, hls, expiresAt } = answer.json<{ url: string; hls: string; expiresAt: string }>();
    expect(expiresAt).toBe('2026-11-23T13:05:00.000Z');
    for (const [signed, path] of [
      [url, audioPath(trackKey(mp3))],
      [hls, playlistPath(trackKey(mp3))],
    ] as const) {
      const { pathname, searchParams } = new URL(signed, 'http://stream');
      expect(pathname).toBe(path);
      const query = Object.fromEntries(searchParams);
      expect(verifySignature(parseMediaKeys(MEDIA_KEY), path, query, NOW)).toBe('valid');
      expect(verifySignature(parseMediaKeys(MEDIA_KEY), path, query, Date.parse(expiresAt))).toBe('expired');
    }
  });

  it('has no playlist for what cannot be cut', async () => {
    expect((await rig.ask(listener, 'GET', `/api/v1/tracks/${id}/media`)).json()).toMatchObject({ hls: null });
  });
});

describe('while the storage is away', () => {
  it('audio is 503 with Retry-After, everything else goes on, and audio is back when the storage is', async () => {
    const port = await freePort();
    const away = await rig.another({ STORAGE_URL: `s3://key:secret@127.0.0.1:${port}/bucket?tls=0` });
    // It is ready all the same.
    const ready = () => ask(away.url, null, 'GET', '/readyz').then(({ status }) => status);
    await expect.poll(ready, { timeout: 10_000 }).toBe(200);
    const later = { ...declare(Buffer.from('later')), title: 'Later' };
    const request = (person: TestPerson, method: string, at: string, asked: Asked = {}) =>
      ask(away.url, person, method, at, asked);
    const created = await request(artist, 'POST', '/api/v1/tracks', { json: later });
    const upload = created.json<{ upload: { url: string } }>().upload.url;

    const withAudio = [
      await request(listener, 'GET', path),
      await request(listener, 'HEAD', path),
      await request(artist, 'HEAD', upload),
      await request(artist, 'PATCH', upload, { headers: { 'upload-offset': '0' }, body: 'later' }),
    ];
    const without = [
      created,
      await request(listener, 'GET', '/api/v1/me/profile'),
      await request(listener, 'GET', '/api/v1/discover'),
      await request(listener, 'GET', '/api/v1/search?q=song'),
      await request(listener, 'GET', `/api/v1/tracks/${id}`),
      await request(listener, 'GET', `/api/v1/tracks/${id}/media`),
      await request(listener, 'POST', `/api/v1/tracks/${id}/plays`, { json: { ms: 1 } }),
    ];
    await away.stop();

    expect(withAudio.map(({ status }) => status)).toEqual([503, 503, 503, 503]);
    for (const { headers } of withAudio) expect(headers.get('retry-after')).toBe('2');
    expect(without.map(({ status }) => status)).toEqual([201, 200, 200, 200, 200, 200, 201]);
    const back = await rig.ask(artist, 'PATCH', upload, { headers: { 'upload-offset': '0' }, body: 'later' });
    expect([back.status, (await get()).status]).toEqual([200, 200]);
  });

  it('a removed track is out of sight at once, and its audio goes when the storage is back', async () => {
    const port = await freePort();
    const away = await rig.another({ STORAGE_URL: `s3://key:secret@127.0.0.1:${port}/bucket?tls=0` });
    const gone = await rig.publish(artist);

    const removed = await ask(away.url, artist, 'DELETE', `/api/v1/tracks/${gone}`);
    await away.stop();

    expect(removed.status).toBe(503);
    expect((await rig.ask(artist, 'GET', `/api/v1/tracks/${gone}`)).status).toBe(404);
    const connection = connectForTests(rig.databaseUrl);
    const storage = createStorage(pathToFileURL(rig.storageFolder).href);
    const signal = AbortSignal.timeout(30_000);
    expect(await storage.head(trackKey(gone), signal)).not.toBeNull();
    await sweep(connection.db, storage, new Date(NOW), signal);
    expect(await storage.head(trackKey(gone), signal)).toBeNull();
    await connection.close();
  });

  it('audio that the storage has lost is 503, since the track is there', async () => {
    const lost = await rig.publish(artist);
    const storage = createStorage(pathToFileURL(rig.storageFolder).href);
    await storage.delete(trackKey(lost), AbortSignal.timeout(30_000));

    const answers = [
      await rig.ask(listener, 'GET', `/api/v1/tracks/${lost}/download`),
      await rig.ask(listener, 'HEAD', `/api/v1/tracks/${lost}/download`),
    ];

    expect(answers.map(({ status }) => status)).toEqual([503, 503]);
  });
});
