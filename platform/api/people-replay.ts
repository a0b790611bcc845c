import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { createCache } from '../cache/create-cache.ts';
import { createPrivateKeys } from '../cache/private-key.ts';
import { connect } from '../database/connect.ts';
import { createCaller, type Caller } from '../kit/call.ts';
import { createLog } from '../kit/log.ts';
import { createMetrics } from '../kit/metrics.ts';
import { readSettings } from '../kit/settings.ts';
import { linesOf } from '../people/archive.ts';
import { ErasureWorker } from '../people/erasure.ts';
import { listPeople } from '../people/personal-data.ts';
import { createSubjects } from '../people/subject.ts';
import { createStorage } from '../storage/create-storage.ts';
import { CACHE_PREFIX, createCacheKeys } from './cache-keys.ts';
import { doErasureStep } from './people-erasure.ts';
import { ERASURE_TIMES, PeopleJournal } from './people-journal.ts';
import { personalData } from './personal-data.ts';
import type { ApiTables } from './schema.ts';
import { apiSettings } from './settings.ts';

const ledgerLine = z.union([
  z.object({
    id: z.uuid(),
    subject: z.string().regex(/^[0-9a-f]{64}$/),
    requestedAt: z.string(),
    erasedAt: z.string().nullable(),
  }),
  z.object({ end: z.literal(true), lines: z.int() }),
]);
const personLine = z.union([z.object({ id: z.uuid() }), z.object({ end: z.literal(true), lines: z.int() })]);

export interface Replayed {
  /** entries of the ledger */
  readonly entries: number;
  /** people in it whose data was there again */
  readonly erasedAgain: number;
}

/**
 * After a restore: whoever was erased stays erased. Takes the ledger that was kept beside the backups, looks for its people in
 * every service, and erases them again. Nothing is served meanwhile, so this is run before the platform is started for people.
 *
 * @param ledger NDJSON, as `GET /internal/v1/erasures` gives it
 * @throws Error for a ledger that was cut short, a service that cannot be asked, an erasure that does not end in `withinMs`
 */
export async function replayErasures(
  environment: Readonly<Record<string, string | undefined>>,
  ledger: AsyncIterable<Uint8Array>,
  withinMs = 600_000,
): Promise<Replayed> {
  const settings = readSettings(apiSettings, environment);
  const { LEDGER_KEY, IDENTITY_URL, CHAT_URL } = settings;
  if (LEDGER_KEY === undefined || IDENTITY_URL === undefined || CHAT_URL === undefined) {
    throw new Error('a replay needs LEDGER_KEY, IDENTITY_URL and CHAT_URL');
  }
  const log = createLog({ level: settings.LOG_LEVEL, base: { service: 'api' } });
  const metrics = createMetrics({ service: 'api' });
  const database = connect<ApiTables>({ url: settings.DATABASE_URL, schema: 'api', metrics, log });
  const storage = createStorage(settings.STORAGE_URL);
  const cache = createCache({
    redisUrl: settings.REDIS_URL,
    prefix: CACHE_PREFIX,
    clock: Date.now,
    onChange: () => undefined,
  });
  const callerOf = (service: string, url: string): Caller =>
    createCaller({ service, url, key: settings.INTERNAL_KEY, timeoutMs: 15_000 });
  const [identity, chat] = [callerOf('identity', IDENTITY_URL), callerOf('chat', CHAT_URL)];
  const subjects = createSubjects(LEDGER_KEY);
  const journal = new PeopleJournal(database.write, subjects, ERASURE_TIMES);
  const cacheKeys = createCacheKeys(createPrivateKeys(settings.INTERNAL_KEY));
  const worker = new ErasureWorker({
    journal,
    doStep: (step, personId, signal) =>
      doErasureStep({ database, storage, cache, cacheKeys, identity, chat }, step, personId, signal),
    onFailure: (step, error) => log.warn({ operation: step, error }, 'a step of an erasure failed and is tried again'),
    onFinished: () => undefined,
    everyMs: 200,
  });
  try {
    const entries = await readLedger(journal, ledger);
    const erased = new Set<string>();
    for await (const { subject } of journal.ledger()) erased.add(subject);
    const back = new Set<string>();
    const people = [listPeople(database.write, personalData), peopleOf(identity), peopleOf(chat)];
    for (const list of people) for await (const id of list) if (erased.has(subjects.of(id))) back.add(id);
    for (const id of back) await journal.beginAgain(id);
    const deadline = performance.now() + withinMs;
    while ((await journal.running()) > 0) {
      if (performance.now() > deadline) throw new Error('not everybody could be erased again: run it once more');
      worker.wake();
      await sleep(50);
    }
    return { entries, erasedAgain: back.size };
  } finally {
    await worker.stop();
    metrics.close();
    await Promise.all([cache.close(), storage.close(), database.close()]);
  }
}

async function readLedger(journal: PeopleJournal, ledger: AsyncIterable<Uint8Array>): Promise<number> {
  let entries = 0;
  let isWhole = false;
  for await (const text of linesOf(ledger)) {
    const line = ledgerLine.parse(JSON.parse(text));
    if ('end' in line) {
      isWhole = line.lines === entries;
    } else {
      entries += 1;
      await journal.remember(line);
    }
  }
  if (!isWhole) throw new Error('the ledger was cut short');
  return entries;
}

async function* peopleOf(service: Caller): AsyncGenerator<string> {
  const answer = await service('/internal/v1/people');
  if (!answer.ok || answer.body === null) throw new Error(`a service answered ${answer.status}`);
  let people = 0;
  let isWhole = false;
  for await (const text of linesOf(answer.body)) {
    const line = personLine.parse(JSON.parse(text));
    if ('end' in line) {
      isWhole = line.lines === people;
    } else {
      people += 1;
      yield line.id;
    }
  }
  if (!isWhole) throw new Error('the list of people was cut short');
}
