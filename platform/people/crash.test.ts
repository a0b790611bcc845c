import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../chat/test-rig.ts';
import { freePort } from '../rig/program.ts';
import { createStorage } from '../storage/create-storage.ts';
import { ERASURE_STEPS } from './erasure.ts';
import { askForErasure, startTestPlatform, type TestPlatform } from './test-platform.ts';
import { dump } from './test-sentinels.ts';

let platform: TestPlatform;
let client: pg.Client;

beforeAll(async () => {
  platform = await startTestPlatform();
  client = new pg.Client({ connectionString: platform.databaseUrl });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await platform.stop();
});

const POINTS = (['running', 'erased'] as const).flatMap((state) =>
  ERASURE_STEPS.flatMap((step) => ['before', 'after', 'noted'].map((place) => `${place}:${step}:${state}`)),
);

/** Somebody with a row in every service and a file. */
async function somebody(): Promise<{ id: string; token: string; words: string; track: string }> {
  const words = `words of ${randomUUID()}`;
  const { id, token } = await platform.register(words);
  const [track, room] = [randomUUID(), randomUUID()];
  await client.query(`insert into api.profiles (person_id, display_name) values ($1, $2)`, [id, words]);
  await client.query(
    `insert into api.tracks (id, artist_id, title, language, genre, bytes, sha256, content_type, state, published_at)
     values ($1, $2, $3, 'en', 'folk', 5, repeat('a', 64), 'audio/wav', 'ready', now())`,
    [track, id, words],
  );
  await client.query(`insert into chat.members (id, name) values ($1, $2)`, [id, words]);
  await client.query(`insert into chat.rooms (id, name, created_by, last_seq) values ($1, 'a room', $2, 1)`, [
    room,
    id,
  ]);
  await client.query(`insert into chat.messages values ($1, 1, $2, $3, $4, now())`, [room, randomUUID(), id, words]);
  const storage = createStorage(platform.environment['STORAGE_URL'] ?? '');
  const signal = AbortSignal.timeout(10_000);
  await storage.put(`tracks/${track}`, Readable.from([Buffer.from(words)]), { contentType: 'audio/wav', signal });
  await storage.close();
  return { id, token, words, track };
}

/** Api in a process of its own that dies at that point. @returns once it is ready */
async function doomed(point: string): Promise<{ url: string; died: Promise<unknown> }> {
  const port = await freePort();
  const child = spawn(process.execPath, [join(import.meta.dirname, 'test-crash-program.ts')], {
    env: { PATH: process.env['PATH'] ?? '', ...platform.environment, PORT: String(port), VEZA_TEST_KILL_AT: point },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const died = once(child, 'exit');
  const url = `http://127.0.0.1:${port}`;
  const ready = (): Promise<boolean> =>
    fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  await until('the process is ready', ready, 90_000);
  return { url, died };
}

test('there are as many points as steps, before, after and written down, in both rounds', () => {
  expect(POINTS).toHaveLength(ERASURE_STEPS.length * 3 * 2);
});

test.each(POINTS)('killed at %s, another instance finishes', { timeout: 180_000 }, async (point) => {
  const [gone, stays] = [await somebody(), await somebody()];
  const process = await doomed(point);

  await askForErasure(process.url, gone.token);
  expect(await process.died).toEqual([null, 'SIGKILL']);
  const [state] = (await client.query<{ state: string }>(`select state from api.erasures where state <> 'settled'`))
    .rows;
  expect(state?.state).toBe(point.split(':')[2]);

  const other = await platform.api({ everyMs: 50, times: { leaseMs: 500, settleMs: 0, retryMs: 50 } });
  await until(
    'settled',
    async () => (await client.query(`select from api.erasures where state <> 'settled'`)).rowCount === 0,
  );
  await other.stop();

  const everything = `${await dump(client, ['identity', 'api', 'chat'])}\n${await platform.filesText()}`;
  for (const trace of [gone.id, gone.words, gone.track]) expect(everything).not.toContain(trace);
  for (const trace of [stays.id, stays.words, stays.track]) expect(everything).toContain(trace);
});
