import { randomBytes, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { personalData as apiData } from '../api/personal-data.ts';
import { replayErasures } from '../api/people-replay.ts';
import { personalData as chatData } from '../chat/personal-data.ts';
import { until } from '../chat/test-rig.ts';
import { personalData as identityData } from '../identity/personal-data.ts';
import type { StartedService } from '../kit/service.ts';
import { createStorage } from '../storage/create-storage.ts';
import { askForErasure, PASSWORD, startTestPlatform, type TestPlatform } from './test-platform.ts';
import {
  dump,
  fillRow,
  personalTables,
  rowsOf,
  sha256Of,
  telling,
  type FilledRow,
  type Given,
} from './test-sentinels.ts';
import { verifyArchive } from './verify-archive.ts';

const CATALOGUES = [identityData, apiData, chatData];
const SCHEMAS = CATALOGUES.map(({ schema }) => schema);
const TABLES = personalTables(CATALOGUES);

interface Filled {
  readonly id: string;
  readonly token: string;
  readonly email: string;
  readonly rows: readonly FilledRow[];
  readonly audio: Buffer;
}

let platform: TestPlatform;
let api: StartedService;
let client: pg.Client;
let redis: Redis;
let [anna, ben]: Filled[] = [];

beforeAll(async () => {
  platform = await startTestPlatform();
  api = await platform.api({ everyMs: 50, times: { leaseMs: 1000, settleMs: 0, retryMs: 50 } });
  client = new pg.Client({ connectionString: platform.databaseUrl });
  await client.connect();
  redis = new Redis(platform.redisUrl);
  [anna, ben] = [await fill('Anna'), await fill('Ben')];
});
afterAll(async () => {
  redis.disconnect();
  await client.end();
  await platform.stop();
});

/** Somebody who has something in every table of every service, a file, and something in the cache. */
async function fill(name: string): Promise<Filled> {
  const { id, token, email } = await platform.register(`${name} ${randomBytes(8).toString('hex')}`);
  const audio = randomBytes(5000);
  const [track, playlist, room, seq] = [randomUUID(), randomUUID(), randomUUID(), 7];
  const own = (): string => id;
  const given: Given = {
    'api.profiles.person_id': own,
    'api.profiles.language': () => 'pt-BR',
    'api.profiles.gender': () => 'non-binary',
    'api.tracks.id': () => track,
    'api.tracks.artist_id': own,
    'api.tracks.language': () => 'fr',
    'api.tracks.genre': () => `genre ${randomBytes(8).toString('hex')}`,
    'api.tracks.bytes': () => audio.length,
    'api.tracks.sha256': () => sha256Of(audio),
    'api.tracks.state': () => 'ready',
    'api.plays.person_id': own,
    'api.plays.track_id': () => track,
    'api.playlists.id': () => playlist,
    'api.playlists.owner_id': own,
    'api.playlists.visibility': () => 'private',
    'api.playlist_tracks.playlist_id': () => playlist,
    'api.playlist_tracks.track_id': () => track,
    'api.playlist_tracks.position': () => 0,
    'chat.members.id': own,
    'chat.rooms.id': () => room,
    'chat.rooms.created_by': own,
    'chat.rooms.last_seq': () => seq,
    'chat.messages.room': () => room,
    'chat.messages.seq': () => seq,
    'chat.messages.author': own,
    'chat.presence.room': () => room,
    'chat.presence.person': own,
    // Presence of the past would be swept while the test looks.
    'chat.presence.until': () => new Date(Date.now() + 3_600_000),
  };
  const order = ['api.profiles', 'api.tracks', 'api.plays', 'api.playlists', 'api.playlist_tracks'];
  order.push('chat.members', 'chat.rooms', 'chat.messages', 'chat.presence');
  const rows: FilledRow[] = [];
  for (const table of order) {
    const [schema = '', tableName = ''] = table.split('.');
    rows.push(await fillRow(client, schema, tableName, given));
  }
  const storage = createStorage(platform.environment['STORAGE_URL'] ?? '');
  const signal = AbortSignal.timeout(10_000);
  await storage.put(`tracks/${track}`, Readable.from([audio]), { contentType: 'audio/wav', signal });
  await storage.close();
  for (const path of [`/api/v1/people/${id}`, '/api/v1/discover']) {
    expect((await fetch(api.url + path, { headers: { authorization: `Bearer ${token}` } })).status).toBe(200);
  }
  return { id, token, email, rows, audio };
}

function exportOf(token: string): Promise<Response> {
  return fetch(`${api.url}/api/v1/me/data-export`, { method: 'POST', headers: { authorization: `Bearer ${token}` } });
}

async function redisText(): Promise<string> {
  const keys = await redis.keys('*');
  const values = await Promise.all(keys.map((key) => redis.get(key).catch(() => null)));
  return keys.map((key, place) => `${key} ${values[place] ?? ''}`).join('\n');
}

/** All values of a person, by whether they may leave and whether they may stay. */
async function valuesOf(person: Filled): Promise<{ exported: string[]; secret: string[]; mustGo: string[] }> {
  const [exported, secret, mustGo]: [string[], string[], string[]] = [[], [], []];
  for (const entry of TABLES) {
    for (const row of await rowsOf(client, entry, person.id)) {
      for (const [column, kind] of Object.entries(entry.table.columns)) {
        const values = telling(row[column]);
        if (kind === 'export') exported.push(...values);
        if (kind === 'secret') secret.push(...values);
        const { erase } = entry.table;
        if (typeof erase === 'string' || column in erase.anonymise) mustGo.push(...values);
      }
    }
  }
  const kept: string[] = [];
  for (const entry of TABLES) {
    const { erase } = entry.table;
    if (typeof erase === 'string') continue;
    for (const row of await rowsOf(client, entry, person.id)) {
      kept.push(...Object.keys(erase.kept).flatMap((column) => telling(row[column])));
    }
  }
  return { exported, secret, mustGo: mustGo.filter((value) => !kept.includes(value)) };
}

/** Of each table, in one order. */
async function allRowsOf(person: Filled): Promise<Record<string, unknown>[][]> {
  const all: Record<string, unknown>[][] = [];
  for (const entry of TABLES) all.push(await rowsOf(client, entry, person.id));
  return all;
}

const need = (person: Filled | undefined): Filled => {
  if (person === undefined) throw new Error('nobody');
  return person;
};

test('both have something in every table that belongs to people', async () => {
  for (const person of [need(anna), need(ben)]) {
    for (const entry of TABLES)
      expect([entry.name, await rowsOf(client, entry, person.id)]).not.toEqual([entry.name, []]);
  }
});

test('the export has every column of mine that may leave, my files, nothing of others and no secret', async () => {
  const [mine, other] = [await valuesOf(need(anna)), await valuesOf(need(ben))];
  const answer = await exportOf(need(anna).token);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/x-tar']);
  const bytes = Buffer.from(await answer.arrayBuffer());
  const { manifest, rows } = await verifyArchive(Readable.from([bytes]));

  const found = new Map([...rows].map(([name, lines]) => [name.replace(/-\d{4}\.ndjson$/, ''), lines]));
  for (const entry of TABLES) {
    const columns = Object.entries(entry.table.columns)
      .filter(([, kind]) => kind === 'export')
      .map(([column]) => column);
    const expected = (await rowsOf(client, entry, need(anna).id)).map((row) =>
      Object.fromEntries(columns.map((column) => [column, row[column]])),
    );
    const exported = (found.get(`${entry.schema}/${entry.name}`) ?? []) as Record<string, unknown>[];
    expect(exported.map((row) => JSON.stringify(sorted(row))).toSorted()).toEqual(
      expected.map((row) => JSON.stringify(sorted(row))).toSorted(),
    );
    expect(manifest.services[entry.schema]?.[entry.name]).toBe(expected.length);
  }
  expect(manifest.files.filter(({ name }) => name.startsWith('files/')).map(({ sha256 }) => sha256)).toEqual([
    sha256Of(need(anna).audio),
  ]);
  expect(manifest.missing).toEqual([]);

  const text = bytes.toString('latin1');
  expect(mine.exported.filter((value) => !text.includes(value))).toEqual([]);
  expect(mine.secret.length).toBeGreaterThan(1);
  expect(mine.secret.filter((value) => text.includes(value))).toEqual([]);
  expect(other.mustGo.filter((value) => !mine.exported.includes(value) && text.includes(value))).toEqual([]);
  expect(bytes.includes(need(ben).audio.subarray(0, 64))).toBe(false);
});

test('an archive that was cut short anywhere is recognised', async () => {
  const bytes = Buffer.from(await (await exportOf(need(anna).token)).arrayBuffer());
  const end = bytes.length - 1024; // two empty blocks end a tar archive
  const cuts = [0, 100, 512, 1024, Math.floor(end / 2), end - 1024, end - 512, end - 1];
  for (const cut of cuts) {
    await expect(verifyArchive(Readable.from([bytes.subarray(0, cut)])), `cut at ${cut}`).rejects.toThrow();
  }
  const changed = Buffer.from(bytes);
  changed[600] = (changed[600] ?? 0) ^ 1;
  await expect(verifyArchive(Readable.from([changed]))).rejects.toThrow();
});

test('without the password nobody is erased', async () => {
  const refused = await askForErasure(api.url, need(anna).token, 'not the password');
  expect(refused?.status).toBe(403);
  expect((await fetch(`${api.url}/api/v1/me`, { method: 'DELETE' })).status).toBeGreaterThanOrEqual(400);
  expect((await client.query('select from api.erasures')).rows).toEqual([]);
});

test('erased: nothing of mine is left in any table, file or cache, others keep all, and the ledger names nobody', async () => {
  const { mustGo } = await valuesOf(need(anna));
  const before = await allRowsOf(need(ben));
  expect(mustGo.length).toBeGreaterThan(20);

  const answer = await askForErasure(api.url, need(anna).token);
  if (answer === null) throw new Error('no answer');
  expect(answer.status).toBe(202);
  const { erasure } = (await answer.json()) as { erasure: { id: string; state: string } };
  expect(erasure.state).toBe('running');
  await until('settled', async () => {
    const state = await fetch(`${api.url}/api/v1/erasures/${erasure.id}`);
    return ((await state.json()) as { erasure: { state: string } }).erasure.state === 'settled';
  });

  const everything = [await dump(client, SCHEMAS), await redisText(), await platform.filesText()].join('\n');
  expect(everything).toContain(need(ben).id);
  expect(mustGo.filter((value) => everything.includes(value))).toEqual([]);
  expect(everything).not.toContain(need(anna).id);
  expect(everything).not.toContain(need(anna).audio.toString('latin1').slice(0, 64));
  expect(everything).toContain(need(ben).audio.toString('latin1').slice(0, 64));
  const after = await allRowsOf(need(ben));
  expect(after).toEqual(before);

  const login = await fetch(`${platform.identityUrl}/auth/v1/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: need(anna).email, password: PASSWORD }),
  });
  expect(login.status).toBe(401);
});

test('after a restore the ledger is replayed, and who was erased is erased again', async () => {
  const ledger = await fetch(`${api.url}/internal/v1/erasures`, {
    headers: { authorization: `Bearer ${platform.environment['INTERNAL_KEY'] ?? ''}` },
  });
  const text = Buffer.from(await ledger.arrayBuffer());
  // The restored database is older: it has the person, and knows of no erasure.
  await client.query('delete from api.erasures');
  await client.query(`insert into api.profiles (person_id, display_name) values ($1, 'Anna is back')`, [need(anna).id]);
  await client.query(`insert into chat.rooms (id, name, created_by) values ($1, 'a room', $2)`, [
    randomUUID(),
    need(anna).id,
  ]);

  await expect(replayErasures(platform.environment, Readable.from([text.subarray(0, -20)]))).rejects.toThrow(
    /cut short/,
  );
  const replayed = await replayErasures(platform.environment, Readable.from([text]));

  expect(replayed).toEqual({ entries: 1, erasedAgain: 1 });
  // The second round is done by whatever instance runs sixteen minutes later.
  expect((await client.query(`select from api.erasures where state = 'running'`)).rowCount).toBe(0);
  const everything = await dump(client, SCHEMAS);
  expect(everything).not.toContain(need(anna).id);
  expect(everything).not.toContain('Anna is back');
  expect(everything).toContain(need(ben).id);
});

function sorted(row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
