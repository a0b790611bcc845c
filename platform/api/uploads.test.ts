import { randomBytes, randomUUID } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createStorage } from '../storage/create-storage.ts';
import { type Answer, ask, type ApiRig, declare, startApi, type TestPerson } from './testing/api-rig.ts';
import { sweep } from './removals.ts';
import { trackKey } from './tracks.ts';
import { connectForTests } from './testing/connect.ts';

const HOUR = 3_600_000;
let now = Date.parse('2026-11-23T12:00:00Z');
let rig: ApiRig;
let artist: TestPerson;
const signal = AbortSignal.timeout(120_000);
beforeAll(async () => {
  rig = await startApi({ clock: () => now });
  artist = await rig.person();
});
afterAll(() => rig.stop());

const storage = () => createStorage(pathToFileURL(rig.storageFolder).href);

async function begin(audio: Buffer, track: Parameters<typeof declare>[1] = {}): Promise<{ id: string; path: string }> {
  const answer = await rig.ask(artist, 'POST', '/api/v1/tracks', { json: declare(audio, track) });
  expect(answer.status).toBe(201);
  const { id, upload } = answer.json<{ id: string; upload: { url: string; offset: number } }>();
  return { id, path: upload.url };
}

function patch(path: string, offset: number, piece: Buffer, person = artist, url = rig.url): Promise<Answer> {
  return ask(url, person, 'PATCH', path, {
    headers: { 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' },
    body: new Uint8Array(piece),
  });
}

async function offsetOf(path: string): Promise<number> {
  const answer = await rig.ask(artist, 'HEAD', path);
  expect(answer.status).toBe(200);
  return Number(answer.headers.get('upload-offset'));
}

/** Bytes of pieces that are just arriving. */
async function arrivedInStorage(): Promise<number> {
  const files = await readdir(rig.storageFolder, { recursive: true });
  const spools = files.filter((file) => basename(file).startsWith('spool-'));
  const sizes = await Promise.all(
    spools.map((file) =>
      stat(join(rig.storageFolder, file)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

describe('an upload', () => {
  it('in one piece is published with the last byte', async () => {
    const audio = randomBytes(100_000);
    const { id, path } = await begin(audio, { title: 'Whole' });

    const answer = await patch(path, 0, audio);

    expect([answer.status, answer.json()]).toEqual([200, { offset: audio.length, complete: true }]);
    const track = await rig.ask(await rig.person(), 'GET', `/api/v1/tracks/${id}`);
    expect(track.json()).toMatchObject({
      title: 'Whole',
      state: 'ready',
      bytes: audio.length,
      artist: { id: artist.id },
      publishedAt: new Date(now).toISOString(),
    });
  });

  it('goes on where it broke off, in pieces of any size', async () => {
    const audio = randomBytes(300_000);
    const { id, path } = await begin(audio);

    for (const [from, to] of [
      [0, 1],
      [1, 1],
      [1, 200_000],
      [200_000, 300_000],
    ] as const) {
      expect(await offsetOf(path)).toBe(from);
      const answer = await patch(path, from, audio.subarray(from, to));
      expect(answer.json()).toEqual({ offset: to, complete: to === audio.length });
    }

    const downloaded = await rig.ask(artist, 'GET', `/api/v1/tracks/${id}/download`);
    expect(downloaded.bytes.equals(audio)).toBe(true);
  });

  it('that breaks off in the middle of a piece keeps what arrived', async () => {
    const audio = randomBytes(200_000);
    const { path } = await begin(audio);
    const { hostname, port } = new URL(rig.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    socket.write(`PATCH ${path} HTTP/1.1\r\nhost: api\r\nauthorization: Bearer ${artist.token}\r\n`);
    socket.write(`upload-offset: 0\r\ncontent-length: ${audio.length}\r\n\r\n`);
    socket.write(audio.subarray(0, 50_000));
    await expect.poll(arrivedInStorage, { timeout: 10_000 }).toBe(50_000);
    socket.destroy();

    await expect.poll(() => offsetOf(path), { timeout: 10_000 }).toBe(50_000);
    await expect
      .poll(async () => (await patch(path, 50_000, audio.subarray(50_000))).json(), { timeout: 10_000 })
      .toEqual({ offset: audio.length, complete: true });
  });

  it('of the same declaration twice is one upload, and goes on where it was', async () => {
    const audio = randomBytes(1_000);
    const id = randomUUID();
    const { path } = await begin(audio, { id });
    await patch(path, 0, audio.subarray(0, 400));

    const again = await rig.ask(artist, 'POST', '/api/v1/tracks', { json: declare(audio, { id }) });

    expect([again.status, again.json()]).toMatchObject([201, { id, upload: { offset: 400 } }]);
  });

  it('under an id that another track has is refused', async () => {
    const audio = randomBytes(10);
    const { id } = await begin(audio);

    const answers = [
      await rig.ask(artist, 'POST', '/api/v1/tracks', { json: declare(audio, { id, title: 'Another' }) }),
      await rig.ask(await rig.person(), 'POST', '/api/v1/tracks', { json: declare(audio, { id }) }),
    ];

    expect(answers.map((answer) => [answer.status, answer.json().code])).toEqual([
      [409, 'id-taken'],
      [409, 'id-taken'],
    ]);
  });

  it('is told the right offset when a piece belongs elsewhere', async () => {
    const audio = randomBytes(1_000);
    const { path } = await begin(audio);
    await patch(path, 0, audio.subarray(0, 600));

    for (const wrong of [0, 599, 601, 1_000, 5_000]) {
      const answer = await patch(path, wrong, audio.subarray(0, 10));
      expect([answer.status, answer.headers.get('upload-offset')]).toEqual([409, '600']);
      expect(answer.json()).toMatchObject({ code: 'wrong-offset', offset: 600 });
    }
  });

  it('takes the last piece again when its answer was lost, and the whole of it not', async () => {
    const audio = randomBytes(1_000);
    const { path } = await begin(audio);
    await patch(path, 0, audio);

    const empty = await patch(path, 1_000, Buffer.alloc(0));
    const whole = await patch(path, 0, audio);

    expect([empty.status, empty.json()]).toEqual([200, { offset: 1_000, complete: true }]);
    expect([whole.status, whole.headers.get('upload-offset')]).toEqual([409, '1000']);
  });

  it('by two writers at once takes each byte once', async () => {
    const audio = randomBytes(3_000_000);
    const { id, path } = await begin(audio);
    const second = await rig.another();
    /** What a client does: ask, send a piece from there, and so on, whatever happens. */
    const write = async (url: string, step: number): Promise<void> => {
      for (;;) {
        const at = Number((await ask(url, artist, 'HEAD', path)).headers.get('upload-offset'));
        if (at === audio.length) return;
        const answer = await patch(path, at, audio.subarray(at, at + step), artist, url);
        expect([200, 409]).toContain(answer.status);
      }
    };

    await Promise.all([write(rig.url, 170_000), write(second.url, 230_000), write(rig.url, 90_000)]);

    const downloaded = await rig.ask(artist, 'GET', `/api/v1/tracks/${id}/download`);
    expect(downloaded.bytes.equals(audio)).toBe(true);
    await second.stop();
  });

  it('with another checksum starts again at 0, and can then be completed', async () => {
    const audio = randomBytes(1_000);
    const { path } = await begin(audio);

    const wrong = await patch(path, 0, randomBytes(1_000));

    expect([wrong.status, wrong.headers.get('upload-offset')]).toEqual([422, '0']);
    expect(wrong.json()).toMatchObject({ code: 'checksum-mismatch', offset: 0 });
    expect(await offsetOf(path)).toBe(0);
    expect((await patch(path, 0, audio)).json()).toMatchObject({ complete: true });
  });

  it('that is longer than declared is refused before it is read, when it says so', async () => {
    const audio = randomBytes(1_000);
    const { path } = await begin(audio);
    await patch(path, 0, audio.subarray(0, 300));

    const answer = await patch(path, 300, randomBytes(701));

    expect([answer.status, answer.headers.get('upload-offset')]).toEqual([413, '300']);
  });

  it('that is longer than declared and does not say so keeps what was declared, and no byte more', async () => {
    const audio = randomBytes(100_000);
    const { path } = await begin(audio);

    const answer = await ask(rig.url, artist, 'PATCH', path, {
      headers: { 'upload-offset': '0' },
      body: new Blob([new Uint8Array(audio), new Uint8Array(50_000)]).stream(),
    });

    expect(answer.status).toBe(413);
    const { bytes } =
      (await rig.sql<{ bytes: number }>('SELECT bytes FROM tracks WHERE id = $1', [path.split('/')[4]]))[0] ?? {};
    expect(await offsetOf(path)).toBeLessThanOrEqual(bytes ?? 0);
  });

  it('survives a crash after the storage took a piece and before anything was written down', async () => {
    const audio = randomBytes(1_000);
    const { id, path } = await begin(audio);
    await patch(path, 0, audio.subarray(0, 100));
    // What the crashed process had done: the bytes are there, and nobody has heard of them.
    await storage().append(trackKey(id), 100, Readable.from([audio.subarray(100, 700)]), { signal });

    expect(await offsetOf(path)).toBe(700);
    expect((await patch(path, 700, audio.subarray(700))).json()).toMatchObject({ complete: true });
  });

  it.each([
    ['after the last byte', false],
    ['after the storage made the object', true],
  ])('survives a crash %s: asking publishes it', async (_when, finished) => {
    const audio = randomBytes(1_000);
    const { id, path } = await begin(audio);
    await patch(path, 0, audio.subarray(0, 1));
    await storage().append(trackKey(id), 1, Readable.from([audio.subarray(1)]), { signal });
    if (finished) await storage().finish(trackKey(id), { sha256: declare(audio).sha256 ?? '', signal });

    expect(await offsetOf(path)).toBe(1_000);

    expect((await rig.ask(artist, 'GET', `/api/v1/tracks/${id}`)).json()).toMatchObject({ state: 'ready' });
  });

  it('survives a crash before the storage has begun', async () => {
    const audio = randomBytes(1_000);
    const { path } = await begin(audio);

    expect(await offsetOf(path)).toBe(0);
    const answers = await Promise.all([patch(path, 0, audio), patch(path, 0, audio)]);

    expect(answers.map(({ status }) => status).sort()[0]).toBe(200);
    expect(await offsetOf(path)).toBe(1_000);
  });

  it('that nobody goes on with for a day is given up, and one that goes on is not', async () => {
    const audio = randomBytes(1_000);
    const [left, going] = [await begin(audio), await begin(audio)];
    await patch(left.path, 0, audio.subarray(0, 10));
    now += 20 * HOUR;
    artist = await rig.person(artist.id);
    await patch(going.path, 0, audio.subarray(0, 10));
    now += 5 * HOUR;
    artist = await rig.person(artist.id);
    const connection = connectForTests(rig.databaseUrl);

    await sweep(connection.db, storage(), new Date(now), signal);

    expect((await rig.ask(artist, 'HEAD', left.path)).status).toBe(404);
    expect(await offsetOf(going.path)).toBe(10);
    expect(await storage().uploaded(trackKey(left.id), signal)).toBeNull();
    await connection.close();
  });

  it('is one of twenty at most', async () => {
    const busy = await rig.person();
    const json = declare(randomBytes(10));
    const answers = await Promise.all(
      Array.from({ length: 25 }, () => rig.ask(busy, 'POST', '/api/v1/tracks', { json })),
    );

    expect(answers.filter(({ status }) => status === 201)).toHaveLength(20);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(5);
  });
});

describe('a track', () => {
  it('is nobody’s business until it is complete', async () => {
    const audio = randomBytes(1_000);
    const { id, path } = await begin(audio);
    const other = await rig.person();

    const answers = await Promise.all([
      rig.ask(other, 'GET', `/api/v1/tracks/${id}`),
      rig.ask(other, 'GET', `/api/v1/tracks/${id}/download`),
      rig.ask(other, 'GET', `/api/v1/tracks/${id}/media`),
      rig.ask(other, 'POST', `/api/v1/tracks/${id}/plays`, { json: { ms: 1 } }),
      rig.ask(other, 'HEAD', path),
      patch(path, 0, audio, other),
      rig.ask(other, 'DELETE', `/api/v1/tracks/${id}`),
    ]);

    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404, 404, 404]);
    expect((await rig.ask(artist, 'GET', `/api/v1/tracks/${id}/download`)).status).toBe(409);
  });

  it('of somebody else can be heard, and not changed', async () => {
    const id = await rig.publish(artist);
    const other = await rig.person();

    const answers = [
      await rig.ask(other, 'GET', `/api/v1/tracks/${id}/download`),
      await rig.ask(other, 'HEAD', `/api/v1/tracks/${id}/upload`),
      await patch(`/api/v1/tracks/${id}/upload`, 0, Buffer.from('x'), other),
      await rig.ask(other, 'DELETE', `/api/v1/tracks/${id}`),
    ];

    expect(answers.map(({ status }) => status)).toEqual([200, 403, 403, 403]);
    expect((await rig.ask(artist, 'GET', `/api/v1/tracks/${id}`)).status).toBe(200);
  });

  it('that is removed is gone everywhere, with its audio', async () => {
    const id = await rig.publish(artist, { title: 'Short-lived zyxw' });

    const removed = await rig.ask(artist, 'DELETE', `/api/v1/tracks/${id}`);

    expect(removed.status).toBe(204);
    expect((await rig.ask(artist, 'GET', `/api/v1/tracks/${id}`)).status).toBe(404);
    expect((await rig.ask(artist, 'GET', '/api/v1/search?q=zyxw')).json()).toMatchObject({ items: [] });
    expect(await storage().head(trackKey(id), signal)).toBeNull();
  });

  it('whose removal broke off is finished by a sweep, and not seen before', async () => {
    const id = await rig.publish(artist);
    await rig.sql(`UPDATE tracks SET state = 'removing' WHERE id = $1`, [id]);
    const connection = connectForTests(rig.databaseUrl);

    const before = (await rig.ask(artist, 'GET', `/api/v1/tracks/${id}`)).status;
    await sweep(connection.db, storage(), new Date(now), signal);

    expect(before).toBe(404);
    expect(await storage().head(trackKey(id), signal)).toBeNull();
    expect(await rig.sql('SELECT 1 FROM tracks WHERE id = $1', [id])).toEqual([]);
    await connection.close();
  });

  it.each([
    ['no title', { title: '' }],
    ['a title of 201 characters', { title: 'x'.repeat(201) }],
    ['a title of two lines', { title: 'a\u2028b' }],
    ['no bytes', { bytes: 0 }],
    ['more than 200 MiB', { bytes: 200 * 1024 * 1024 + 1 }],
    ['half a byte', { bytes: 1.5 }],
    ['a checksum in capitals', { sha256: 'A'.repeat(64) }],
    ['something that plays no music', { contentType: 'text/html' }],
    ['an id that is none', { id: 'tracks/../../x' }],
    ['another artist', { artist_id: randomUUID() }],
    ['a state', { state: 'ready' }],
  ])('with %s is refused', async (_what, wrong) => {
    const json = { ...declare(Buffer.from('x')), ...wrong };

    expect((await rig.ask(artist, 'POST', '/api/v1/tracks', { json })).status).toBe(400);
  });

  it.each([['nothing'], ['-1'], ['1e3'], ['0x10'], ['9'.repeat(20)], ['1,2']])(
    'takes no piece with upload-offset %s',
    async (offset) => {
      const { path } = await begin(randomBytes(10));

      const headers: Record<string, string> = offset === 'nothing' ? {} : { 'upload-offset': offset };
      const answer = await ask(rig.url, artist, 'PATCH', path, { headers, body: 'x' });

      expect(answer.status).toBe(400);
    },
  );
});
