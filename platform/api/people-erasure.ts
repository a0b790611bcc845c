import type { Cache } from '../cache/cache.ts';
import type { Database } from '../database/connect.ts';
import type { Caller } from '../kit/call.ts';
import type { ErasureStep } from '../people/erasure.ts';
import { eraseRows, exportRows } from '../people/personal-data.ts';
import type { ObjectStorage } from '../storage/object-storage.ts';
import { POOLS, type CacheKeys } from './cache-keys.ts';
import { personalData } from './personal-data.ts';
import type { ApiTables } from './schema.ts';

export interface ErasureParts {
  readonly database: Database<ApiTables>;
  readonly storage: ObjectStorage;
  readonly cache: Cache;
  readonly cacheKeys: CacheKeys;
  /** call the internal paths of the others, with the key for them */
  readonly identity: Caller;
  readonly chat: Caller;
}

const STEP_MS = 20_000;

/** Does one step of erasing somebody. Each finds out by itself what is left to do. @throws what keeps it from being done */
export async function doErasureStep(
  parts: ErasureParts,
  step: ErasureStep,
  personId: string,
  stopped: AbortSignal,
): Promise<void> {
  const signal = AbortSignal.any([stopped, AbortSignal.timeout(STEP_MS)]);
  const { database, storage, cache, cacheKeys, identity, chat } = parts;
  switch (step) {
    case 'disable':
      return expectDone(await identity(`/internal/v1/people/${personId}/disable`, { method: 'POST', signal }));
    case 'chat':
      return expectDone(await chat(`/internal/v1/people/${personId}`, { method: 'DELETE', signal }));
    case 'files': {
      // Out of sight first, so that no upload is finished behind our back. The rows are the list of what to delete: they
      // go when it is deleted.
      await database.write.updateTable('tracks').set({ state: 'removing' }).where('artist_id', '=', personId).execute();
      const keys: string[] = [];
      for await (const found of exportRows(database.write, personalData, personId)) {
        if ('file' in found) keys.push(found.key);
      }
      for (const key of keys) await storage.delete(key, signal);
      return;
    }
    case 'api':
      // What search finds are columns of these rows.
      await eraseRows(database.write, personalData, personId);
      return;
    case 'cache': {
      // Pools name artists and tracks. A cache that is away holds it no longer than its own time.
      for (const key of cacheKeys.ofPerson(personId)) await cache.delete(key);
      await cache.deletePrefix(POOLS);
      return;
    }
    case 'identity':
      return expectDone(await identity(`/internal/v1/people/${personId}`, { method: 'DELETE', signal }));
  }
}

async function expectDone(answer: Response): Promise<void> {
  await answer.body?.cancel();
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
}
