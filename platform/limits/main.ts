import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { freshDatabase } from '../rig/fresh-database.ts';
import { startPostgres } from '../rig/postgres.ts';
import { makeCatalogue, seededPassword } from '../seed/catalogue.ts';
import { write } from '../seed/write.ts';
import { createStorage } from '../storage/create-storage.ts';
import { parseMediaKeys, audioPath, signPath } from '../stream/signed-url.ts';
import { asker, driveToLimit, Talker, type Asked, type Limit } from './drive.ts';
import { PinnedService } from './pinned.ts';

// What each service can do on one core: how fast it restarts, what memory it holds, and how long its answers take when it
// is asked as much as it can answer. Prints JSON lines; `bench/platform.bench.ts` makes a table of them. The services must have
// been built: `node build.mjs identity chat stream api web`.

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } });
const driveMs = values.quick ? 1_000 : 10_000;
const restarts = values.quick ? 2 : 10;
const connections = 32;
/** The service's; what drives it and PostgreSQL have the others. */
const core = 0;
const dist = join(import.meta.dirname, '../dist');

const folder = await mkdtemp(join(tmpdir(), 'veza-limits-'));
const postgres = await startPostgres();
try {
  await measure();
} finally {
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  const database = await freshDatabase(['identity', 'chat', 'api'], { server: postgres.url });
  const key = (): string => randomBytes(32).toString('base64url');
  const STORAGE_URL = pathToFileURL(join(folder, 'storage')).href;
  const shared = {
    DATABASE_URL: database.url,
    STORAGE_URL,
    KEY_RING: key(),
    INTERNAL_KEY: key(),
    MEDIA_KEY: key(),
    LEDGER_KEY: key(),
  };
  const catalogue = makeCatalogue('tiny', 1);
  const storage = createStorage(STORAGE_URL);
  await write(catalogue, database.url, storage, AbortSignal.timeout(60_000));
  await storage.close();

  const tokens: string[] = [];
  const credentials = { email: 'person-1@seed.invalid', password: seededPassword };
  await withService('identity', shared, async (service) => {
    // As many people as there are talkers: chat lets nobody have all connections.
    for (let person = 1; person <= connections; person += 1) {
      const email = `person-${person}@seed.invalid`;
      tokens.push(await logIn(service.url, { email, password: seededPassword }));
    }
    const authorization = `Bearer ${tokens[0]}`;
    await limit('identity', 'who am I', service, { path: '/auth/v1/me', headers: { authorization }, expect: 200 });
    const post = { method: 'POST', path: '/auth/v1/login', json: credentials, expect: 200 };
    // More at once would be shed: each log-in is 19 MiB of Argon2id.
    await limit('identity', 'log in', service, post, 4);
  });
  const authorization = `Bearer ${tokens[0]}`;
  await withService('api', shared, async (service) => {
    await limit('api', 'discover', service, { path: '/api/v1/discover', headers: { authorization }, expect: 200 });
    const path = `/api/v1/search?q=${encodeURIComponent(catalogue.tracks[0]?.title ?? '')}`;
    await limit('api', 'search', service, { path, headers: { authorization }, expect: 200 });
  });
  await withService('stream', shared, async (service) => {
    const track = catalogue.tracks.find(({ bytes }) => bytes > 65_536) ?? catalogue.tracks[0];
    if (track === undefined) throw new Error('no tracks');
    const path = signPath(parseMediaKeys(shared.MEDIA_KEY), audioPath(track.key), Date.now() / 1_000 + 3_600);
    const last = Math.min(65_536, track.bytes) - 1;
    await limit('stream', 'a range of 64 KiB', service, { path, headers: { range: `bytes=0-${last}` }, expect: 206 });
  });
  await withService('web', shared, async (service) => {
    await limit('web', 'the page', service, { path: '/', expect: 200 });
  });
  await withService('chat', { ...shared, CHAT_MESSAGES_PER_SECOND: '100000' }, async (service) => {
    const room = catalogue.rooms[0]?.id ?? '';
    const talkers = await Promise.all(tokens.map((token) => Talker.join(service.url, token, room)));
    await report('chat', 'a message, to all 32 in the room', service, () =>
      driveToLimit(connections, driveMs, async (worker) => talkers[worker]?.say(randomUUID())),
    );
    for (const talker of talkers) talker.close();
  });
  await database.drop();
}

/** Restarts it some times, then lets it be used. */
async function withService(
  name: string,
  environment: Readonly<Record<string, string>>,
  use: (service: PinnedService) => Promise<void>,
): Promise<void> {
  const program = join(dist, name, 'main.js');
  const starts: number[] = [];
  const stops: number[] = [];
  for (let restart = 0; restart < restarts; restart += 1) {
    const { service, ms } = await PinnedService.start(program, core, environment);
    starts.push(ms);
    stops.push(await service.stop());
  }
  const { service } = await PinnedService.start(program, core, environment);
  try {
    const idleBytes = await service.residentBytes();
    print({ service: name, startMs: median(starts), stopMs: median(stops), idleMb: idleBytes / 1e6 });
    await use(service);
    print({ service: name, usedMb: (await service.residentBytes()) / 1e6 });
  } finally {
    await service.stop();
  }
}

async function limit(
  name: string,
  what: string,
  service: PinnedService,
  asked: Asked,
  workers = connections,
): Promise<void> {
  const { ask, close } = asker(service.url);
  await report(name, what, service, () => driveToLimit(workers, driveMs, () => ask(asked)));
  close();
}

async function report(name: string, what: string, service: PinnedService, drive: () => Promise<Limit>): Promise<void> {
  const [cpu, began] = [await service.cpuSeconds(), performance.now()];
  const reached = await drive();
  const core = (await service.cpuSeconds()) - cpu;
  print({ service: name, what, ...reached, coreShare: (core * 1_000) / (performance.now() - began) });
}

async function logIn(url: string, json: { readonly email: string; readonly password: string }): Promise<string> {
  const answer = await fetch(`${url}/auth/v1/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(json),
  });
  const { accessToken } = (await answer.json()) as { readonly accessToken?: string };
  if (accessToken === undefined) throw new Error(`log-in: status ${answer.status}`);
  return accessToken;
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}
