import type { Kysely } from 'kysely';
import type { Log } from '../kit/log.ts';
import type { ObjectStorage } from '../storage/object-storage.ts';
import type { ApiTables } from './schema.ts';
import { withStorage } from './storage-problem.ts';
import { trackKey } from './tracks.ts';

/** How many tracks one sweep removes at most. */
const SWEEP = 100;

/**
 * Removes a track: first from sight, then its audio, then the rest. Whatever breaks off in between, a later {@link sweep}
 * finishes. Idempotent.
 *
 * @throws Problem 503 when the storage is away; the track is out of sight all the same
 */
export async function removeTrack(db: Kysely<ApiTables>, storage: ObjectStorage, trackId: string): Promise<void> {
  await db.updateTable('tracks').set({ state: 'removing' }).where('id', '=', trackId).execute();
  await withStorage(() => storage.delete(trackKey(trackId), AbortSignal.timeout(10_000)));
  await db.deleteFrom('tracks').where('id', '=', trackId).where('state', '=', 'removing').execute();
}

/**
 * Gives up uploads that nobody has gone on with, and finishes removals that broke off. Several instances may do it at once.
 *
 * @returns how many tracks are gone
 */
export async function sweep(
  db: Kysely<ApiTables>,
  storage: ObjectStorage,
  now: Date,
  signal: AbortSignal,
): Promise<number> {
  await db
    .updateTable('tracks')
    .set({ state: 'removing' })
    .where('state', '=', 'uploading')
    .where('upload_until', '<', now)
    .execute();
  const due = await db.selectFrom('tracks').select('id').where('state', '=', 'removing').limit(SWEEP).execute();
  for (const { id } of due) {
    signal.throwIfAborted();
    await removeTrack(db, storage, id);
  }
  return due.length;
}

/** Time between two sweeps, in milliseconds. */
const EVERY_MS = 60_000;

/** Sweeps every minute until it is stopped. A sweep that fails is tried again with the next one. */
export function sweeping(parts: {
  readonly db: Kysely<ApiTables>;
  readonly storage: ObjectStorage;
  readonly clock: () => number;
  readonly log: Log;
}): { stop(): Promise<void> } {
  const stopped = new AbortController();
  let running = Promise.resolve();
  const timer = setInterval(() => {
    running = running
      .then(() => sweep(parts.db, parts.storage, new Date(parts.clock()), stopped.signal))
      .then((count) => {
        if (count > 0) parts.log.info({ operation: 'sweep', count }, 'tracks have been removed');
        return undefined;
      })
      .catch((error: unknown) => {
        if (!stopped.signal.aborted) parts.log.warn({ operation: 'sweep', error }, 'a sweep has failed');
      });
  }, EVERY_MS);
  timer.unref();
  return {
    stop() {
      clearInterval(timer);
      stopped.abort(new Error('the service stops'));
      return running;
    },
  };
}
