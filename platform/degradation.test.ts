import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { open, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { freshDatabase } from './rig/fresh-database.ts';
import { startPostgres, type Postgres } from './rig/postgres.ts';
import { accepts, freePort } from './rig/program.ts';
import { startRedis, type RedisServer } from './rig/redis.ts';

// The whole platform as processes, and what is behind it taken away. What people get then is in the table of
// docs/platform.md; and nothing has to be started again: the processes at the end are those of the beginning.

type Name = 'identity' | 'api' | 'chat' | 'stream' | 'web';
const NAMES: readonly Name[] = ['identity', 'api', 'chat', 'stream', 'web'];

let folder: string;
let postgres: Postgres;
let redis: RedisServer;
const urls = {} as Record<Name, string>;
const processes = new Map<Name, ChildProcess>();
let token: string;
let trackId: string;
let mediaUrl: string;
let room: string;
const email = `${randomUUID()}@example.com`;
const password = 'a password for the test';
const audio = Buffer.concat([Buffer.from('RIFF\u0000\u0000\u0000\u0000WAVEfmt '), Buffer.alloc(4000, 7)]);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'veza-degradation-'));
  [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
  const { url } = await freshDatabase(['identity', 'api', 'chat'], { server: postgres.url });
  await mkdir(join(folder, 'public/assets'), { recursive: true });
  for (const page of ['index.html', 'not-found.html']) await writeFile(join(folder, 'public', page), '<!doctype html>');
  for (const name of NAMES) urls[name] = `http://127.0.0.1:${await freePort()}`;
  const key = (letter: string): string => letter.repeat(40);
  for (const name of NAMES) {
    const child = spawn(process.execPath, [join(import.meta.dirname, name, 'main.ts')], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        PATH: process.env['PATH'],
        PORT: new URL(urls[name]).port,
        LOG_LEVEL: 'fatal',
        DATABASE_URL: url,
        REDIS_URL: redis.url,
        STORAGE_URL: pathToFileURL(join(folder, 'storage')).href,
        KEY_RING: key('k'),
        INTERNAL_KEY: key('i'),
        MEDIA_KEY: key('m'),
        LEDGER_KEY: key('l'),
        PUBLIC_FOLDER: join(folder, 'public'),
        IDENTITY_URL: urls.identity,
        API_URL: urls.api,
        CHAT_URL: urls.chat,
        STREAM_URL: urls.stream,
      },
    });
    processes.set(name, child);
  }
  await allReady();
  const registered = await ask('identity', '/auth/v1/register', { json: { email, password, displayName: 'Ada' } });
  expect(registered.status).toBe(201);
  ({ accessToken: token } = JSON.parse(registered.text) as { accessToken: string });
  const declared = await ask('api', '/api/v1/tracks', {
    json: {
      title: 'Here',
      language: 'en',
      genre: 'folk',
      bytes: audio.length,
      sha256: createHash('sha256').update(audio).digest('hex'),
      contentType: 'audio/wav',
    },
  });
  ({ id: trackId } = JSON.parse(declared.text) as { id: string });
  const uploaded = await ask('api', `/api/v1/tracks/${trackId}/upload`, {
    method: 'PATCH',
    body: audio,
    headers: { 'upload-offset': '0' },
  });
  expect(uploaded.status).toBe(200);
  const media = JSON.parse((await ask('api', `/api/v1/tracks/${trackId}/media`)).text) as { url: string };
  ({ id: room } = JSON.parse((await ask('chat', '/chat/v1/rooms', { json: { name: 'lobby' } })).text) as {
    id: string;
  });
  mediaUrl = media.url.replace(/^https?:\/\/[^/]+/, '');
}, 120_000);

afterAll(async () => {
  await Promise.all(
    [...processes.values()].map(async (child) => {
      if (child.exitCode !== null) return;
      const ended = once(child, 'close');
      child.kill('SIGTERM');
      await ended;
    }),
  );
  await Promise.all([postgres.stop(), redis.stop()]);
  await rm(folder, { recursive: true, force: true });
}, 60_000);

interface Asked {
  readonly method?: string;
  readonly json?: unknown;
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly retryAfter: string | null;
  readonly tookMs: number;
}

/** A request; one that is not answered within 15 seconds hangs, and fails the test. */
async function ask(name: Name, path: string, asked: Asked = {}): Promise<Answer> {
  const began = performance.now();
  const response = await fetch(urls[name] + path, {
    method: asked.method ?? (asked.json === undefined ? 'GET' : 'POST'),
    signal: AbortSignal.timeout(15_000),
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(asked.json !== undefined && { 'content-type': 'application/json' }),
      ...asked.headers,
    },
    ...(asked.json !== undefined && { body: JSON.stringify(asked.json) }),
    ...(asked.body !== undefined && { body: asked.body }),
  });
  const text = await response.text();
  return {
    status: response.status,
    text,
    retryAfter: response.headers.get('retry-after'),
    tookMs: performance.now() - began,
  };
}

const codeOf = ({ text }: Answer): unknown => (JSON.parse(text) as { code?: unknown }).code;

async function until(condition: () => Promise<boolean>, withinMs = 20_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await condition().catch(() => false))) {
    if (performance.now() > deadline) throw new Error('it did not come about in time');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const isReady = async (name: Name): Promise<boolean> => (await ask(name, '/readyz')).status === 200;
const allReady = (): Promise<void> =>
  until(async () => (await Promise.all(NAMES.map(isReady))).every((ready) => ready), 60_000);

/** Every service once, as people use it. */
async function everything(): Promise<Record<string, number>> {
  const answers = {
    'who am I': ask('identity', '/auth/v1/me'),
    'log in': ask('identity', '/auth/v1/login', { json: { email, password } }),
    'my profile': ask('api', '/api/v1/me/profile'),
    search: ask('api', '/api/v1/search?q=here'),
    discover: ask('api', '/api/v1/discover'),
    'a track': ask('api', `/api/v1/tracks/${trackId}`),
    audio: ask('stream', mediaUrl),
    rooms: ask('chat', '/chat/v1/rooms'),
    'the page': ask('web', '/'),
  };
  return Object.fromEntries(
    await Promise.all(Object.entries(answers).map(async ([what, answer]) => [what, (await answer).status] as const)),
  );
}

const ALL_WELL = {
  'who am I': 200,
  'log in': 200,
  'my profile': 200,
  search: 200,
  discover: 200,
  'a track': 200,
  audio: 200,
  rooms: 200,
  'the page': 200,
};

/** Says something in a room over a WebSocket, and waits until it is acknowledged and seen. */
async function chatOnce(withinMs = 8000): Promise<boolean> {
  const socket = new WebSocket(`${urls.chat.replace('http', 'ws')}/chat/v1/socket`);
  const id = randomUUID();
  const seen = new Set<string>();
  try {
    return await new Promise<boolean>((resolve) => {
      const late = setTimeout(() => resolve(false), withinMs);
      const end = (outcome: boolean): void => {
        clearTimeout(late);
        resolve(outcome);
      };
      socket.on('error', () => end(false));
      socket.on('close', () => end(false));
      socket.on('open', () => socket.send(JSON.stringify({ type: 'hello', token })));
      socket.on('message', (data: Buffer) => {
        const frame = JSON.parse(data.toString('utf8')) as { type: string; id?: string };
        if (frame.type === 'welcome') socket.send(JSON.stringify({ type: 'join', room }));
        if (frame.type === 'joined') socket.send(JSON.stringify({ type: 'say', room, id, text: 'here' }));
        if (frame.type === 'refused') end(false);
        if (frame.id === id) seen.add(frame.type);
        if (seen.has('said') && seen.has('message')) end(true);
      });
    });
  } finally {
    socket.terminate();
  }
}

function expectSameProcesses(): void {
  for (const [name, child] of processes) expect([name, child.exitCode, child.signalCode]).toEqual([name, null, null]);
}

/** Asks until everything is well; what is not in time is told. */
async function untilWell(): Promise<void> {
  await expect.poll(everything, { interval: 50, timeout: 30_000 }).toEqual(ALL_WELL);
}

async function allWell(): Promise<void> {
  await allReady();
  await untilWell();
  expectSameProcesses();
}

describe('the platform', () => {
  test('serves everything while all is there', async () => {
    expect(await everything()).toEqual(ALL_WELL);
    await until(() => chatOnce());
  }, 60_000);

  test('PostgreSQL killed: what needs it is a 503 with Retry-After at once, the rest goes on; then it is all back', async () => {
    await postgres.kill();
    const answers = await Promise.all([
      ask('identity', '/auth/v1/login', { json: { email, password } }),
      ask('api', '/api/v1/me/profile'),
      ask('api', `/api/v1/tracks/${trackId}`),
      ask('chat', '/chat/v1/rooms'),
    ]);
    for (const answer of answers) {
      expect([answer.status, codeOf(answer)]).toEqual([503, 'database-unavailable']);
      expect(Number(answer.retryAfter)).toBeGreaterThan(0);
      expect(answer.tookMs).toBeLessThan(5000);
    }
    expect((await ask('stream', mediaUrl)).status).toBe(200);
    expect((await ask('web', '/')).status).toBe(200);
    await until(async () => !(await isReady('api')) && !(await isReady('identity')) && !(await isReady('chat')));
    for (const name of NAMES) expect((await ask(name, '/livez')).status).toBe(200);
    await postgres.start();
    await allWell();
    await until(() => chatOnce());
  }, 90_000);

  test('PostgreSQL standing still: nothing hangs for more than twelve seconds; then it is all back', async () => {
    postgres.pause();
    try {
      const answers = await Promise.all([
        ask('identity', '/auth/v1/login', { json: { email, password } }),
        ask('api', '/api/v1/me/profile'),
        ask('chat', '/chat/v1/rooms'),
      ]);
      for (const answer of answers) {
        expect([answer.status, codeOf(answer)]).toEqual([503, 'database-unavailable']);
        expect(answer.tookMs).toBeLessThan(13_000);
      }
      expect((await ask('stream', mediaUrl)).status).toBe(200);
    } finally {
      postgres.resume();
    }
    await allWell();
    await until(() => chatOnce());
  }, 120_000);

  test.each(['killed', 'standing still'] as const)(
    'Redis %s: nobody notices more than time',
    async (how) => {
      if (how === 'killed') await redis.kill();
      else redis.pause();
      try {
        await untilWell();
        for (const name of NAMES) expect([name, await isReady(name)]).toEqual([name, true]);
        await until(() => chatOnce(), 40_000);
      } finally {
        if (how === 'killed') await redis.start();
        else redis.resume();
      }
      expect(await accepts(redis.port)).toBe(true);
      await allWell();
      await until(() => chatOnce());
    },
    120_000,
  );

  test('a disk that does not answer for one object: its audio waits, all else goes on; then it plays', async () => {
    // Opening a pipe that nobody writes to waits as a disk does that does not answer.
    const object = join(folder, 'storage/objects/tracks', `${trackId}~`);
    await rename(object, `${object}.kept`);
    await promisify(execFile)('mkfifo', [object]);
    const waiting = ask('stream', mediaUrl).catch(() => null);
    await until(async () => {
      const { audio: _, ...rest } = await everythingBut();
      return Object.values(rest).every((status) => status === 200);
    });
    await rename(`${object}.kept`, `${object}.back`);
    // The disk answers: who waited reads an end, which is no audio.
    const pipe = await open(object, 'w');
    await pipe.close();
    const answer = await waiting;
    expect(answer === null || answer.status >= 500 || answer.status === 404).toBe(true);
    await rm(object);
    await rename(`${object}.back`, object);
    await allWell();
  }, 90_000);
});

/** As `everything`, without the audio. */
async function everythingBut(): Promise<Record<string, number>> {
  const answers = {
    'who am I': ask('identity', '/auth/v1/me'),
    'my profile': ask('api', '/api/v1/me/profile'),
    discover: ask('api', '/api/v1/discover'),
    rooms: ask('chat', '/chat/v1/rooms'),
    'stream is alive': ask('stream', '/readyz'),
    'the page': ask('web', '/'),
    audio: Promise.resolve({ status: 0 }),
  };
  return Object.fromEntries(
    await Promise.all(Object.entries(answers).map(async ([what, answer]) => [what, (await answer).status] as const)),
  );
}
