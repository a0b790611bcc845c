import type { Kysely } from 'kysely';
import { Problem } from '../kit/problem.ts';
import { ChecksumMismatch, NoUpload, OffsetConflict, TooLong } from '../storage/errors.ts';
import type { ObjectStorage } from '../storage/object-storage.ts';
import type { ApiTables } from './schema.ts';
import { ensureProfile } from './profiles.ts';
import { withStorage } from './storage-problem.ts';
import { MAX_UNFINISHED, type TrackDeclaration, type TrackRow, trackKey } from './tracks.ts';

/** How long an upload that nobody goes on with is kept. */
export const UPLOAD_KEPT_MS = 24 * 60 * 60 * 1000;
/** How long the storage may take for what moves no audio. */
const STORAGE_MS = 5_000;
/** How long it may take to check and put together what has arrived. */
const FINISH_MS = 60_000;

interface UploadParts {
  readonly db: Kysely<ApiTables>;
  readonly storage: ObjectStorage;
  readonly now: Date;
}

/**
 * Writes down that a recording will be uploaded. The same declaration again, with the same id, is the same upload.
 *
 * @throws Problem 409 `id-taken` when there is another track under the id; 429 `too-many-uploads`
 */
export async function declareTrack(
  { db, now }: UploadParts,
  personId: string,
  trackId: string,
  declared: TrackDeclaration,
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await ensureProfile(transaction, personId);
    // Counting and adding are one step for a person: the profile's lock is the queue.
    await transaction
      .selectFrom('profiles')
      .select('person_id')
      .where('person_id', '=', personId)
      .forUpdate()
      .execute();
    const values = {
      artist_id: personId,
      title: declared.title,
      language: declared.language,
      genre: declared.genre,
      duration_ms: declared.durationMs ?? null,
      bytes: declared.bytes,
      sha256: declared.sha256,
      content_type: declared.contentType,
    };
    const there = await transaction
      .selectFrom('tracks')
      .select(['artist_id', 'title', 'language', 'genre', 'duration_ms', 'bytes', 'sha256', 'content_type', 'state'])
      .where('id', '=', trackId)
      .executeTakeFirst();
    if (there !== undefined) {
      const { state, ...rest } = there;
      if (state !== 'removing' && JSON.stringify(rest) === JSON.stringify(values)) return;
      throw idTaken();
    }
    const unfinished = await transaction
      .selectFrom('tracks')
      .select((select) => select.fn.countAll<number>().as('count'))
      .where('artist_id', '=', personId)
      .where('state', '=', 'uploading')
      .executeTakeFirstOrThrow();
    if (unfinished.count >= MAX_UNFINISHED) {
      throw new Problem(
        429,
        'too-many-uploads',
        `${MAX_UNFINISHED} of your uploads are unfinished: finish or delete some.`,
      );
    }
    const inserted = await transaction
      .insertInto('tracks')
      .values({
        id: trackId,
        ...values,
        created_at: now,
        published_at: null,
        upload_until: new Date(now.getTime() + UPLOAD_KEPT_MS),
      })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .executeTakeFirst();
    // Somebody else has taken the id since we looked.
    if (inserted.numInsertedOrUpdatedRows !== 1n) throw idTaken();
  });
}

/**
 * How many bytes of a track have arrived. The storage says it, not the database: it was there when the process that wrote
 * them died before anything else could be written down. So does what is complete in the storage become ready here, and
 * all of the track's bytes mean that it is published.
 *
 * @throws Problem 503, 507; 404 when the track was deleted meanwhile
 */
export async function uploadedBytes(parts: UploadParts, track: TrackRow): Promise<number> {
  if (track.state === 'ready') return track.bytes;
  const key = trackKey(track.id);
  const signal = AbortSignal.timeout(STORAGE_MS);
  const offset = await withStorage(() => parts.storage.uploaded(key, signal));
  if (offset === null) {
    const whole = await withStorage(() => parts.storage.head(key, signal));
    if (whole?.bytes !== track.bytes) return 0;
    await publish(parts, track.id);
  } else {
    if (offset < track.bytes) return offset;
    try {
      await finish(parts, track, AbortSignal.timeout(FINISH_MS));
    } catch (error) {
      if (error instanceof ChecksumMismatch) return 0;
      throw error;
    }
  }
  return track.bytes;
}

/**
 * Adds a piece to an upload. With the last byte the track is checked against its declaration, and published.
 *
 * @returns the offset after the piece; all of the track's bytes mean that it is published
 * @throws Problem with the offset at which to go on: 409 when the piece belongs elsewhere, 413 when it passes what was
 *   declared, 422 when what has arrived is not what was declared (it starts again at 0)
 *   And 404, 503, 507; what the body throws
 */
export async function appendToUpload(
  parts: UploadParts,
  track: TrackRow,
  offset: number,
  piece: { readonly body: AsyncIterable<Uint8Array>; readonly length: number | null; readonly signal: AbortSignal },
): Promise<number> {
  const arrived = await uploadedBytes(parts, track);
  if (offset !== arrived) throw wrongOffset(arrived);
  if (offset + (piece.length ?? 0) > track.bytes) throw tooLong(track, arrived);
  // A last piece that is repeated, because its answer was lost, has nothing left to add.
  if (arrived === track.bytes) return arrived;
  await (arrived === 0 ? begin(parts, track) : keep(parts.db, parts.now, track.id));
  try {
    const after = await withStorage(() =>
      parts.storage.append(trackKey(track.id), offset, piece.body, { limit: track.bytes, signal: piece.signal }),
    );
    if (after === track.bytes) await finish(parts, track, AbortSignal.timeout(FINISH_MS));
    return after;
  } catch (error) {
    throw await refusalOf(error, parts, track);
  }
}

/** A piece that was not taken, and where to go on: in header `upload-offset`, and as `offset` in the document. */
function uploadRefused(status: number, code: string, detail: string, offset: number): Problem {
  return new Problem(status, code, detail, { headers: { 'upload-offset': String(offset) }, members: { offset } });
}

/** Keeps an upload for another while. */
async function keep(db: Kysely<ApiTables>, now: Date, trackId: string): Promise<void> {
  const kept = await db
    .updateTable('tracks')
    .set({ upload_until: new Date(now.getTime() + UPLOAD_KEPT_MS) })
    .where('id', '=', trackId)
    .where('state', '=', 'uploading')
    .executeTakeFirst();
  if (kept.numUpdatedRows !== 1n) throw gone();
}

/** Begins the upload in the storage, unless somebody has. */
async function begin({ db, storage, now }: UploadParts, track: TrackRow): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    // Two that begin would throw away each other's bytes: with the row's lock the second sees what the first has done.
    await keep(transaction, now, track.id);
    await withStorage(async () => {
      const signal = AbortSignal.timeout(STORAGE_MS);
      if ((await storage.uploaded(trackKey(track.id), signal)) !== null) return;
      await storage.begin(trackKey(track.id), { contentType: track.content_type, signal });
    });
  });
}

async function finish(parts: UploadParts, track: TrackRow, signal: AbortSignal): Promise<void> {
  await withStorage(() => parts.storage.finish(trackKey(track.id), { sha256: track.sha256, signal }));
  await publish(parts, track.id);
}

async function publish({ db, storage, now }: UploadParts, trackId: string): Promise<void> {
  const published = await db
    .updateTable('tracks')
    .set({ state: 'ready', published_at: now, upload_until: null })
    .where('id', '=', trackId)
    .where('state', '=', 'uploading')
    .executeTakeFirst();
  if (published.numUpdatedRows === 1n) return;
  const there = await db.selectFrom('tracks').select('state').where('id', '=', trackId).executeTakeFirst();
  if (there?.state === 'ready') return;
  // It was deleted meanwhile: nothing would ever remove what has just been finished.
  await withStorage(() => storage.delete(trackKey(trackId), AbortSignal.timeout(STORAGE_MS)));
  throw gone();
}

async function refusalOf(error: unknown, parts: UploadParts, track: TrackRow): Promise<unknown> {
  if (error instanceof OffsetConflict) return wrongOffset(error.offset);
  if (error instanceof ChecksumMismatch) {
    return uploadRefused(
      422,
      'checksum-mismatch',
      'What has arrived does not have the SHA-256 that was declared: send it again from the start.',
      0,
    );
  }
  if (error instanceof TooLong) return tooLong(track, await uploadedBytes(parts, track));
  // Another request has finished or begun again what this one was adding to.
  if (error instanceof NoUpload) return wrongOffset(await uploadedBytes(parts, track));
  return error;
}

function wrongOffset(offset: number): Problem {
  return uploadRefused(409, 'wrong-offset', `Go on at byte ${offset}.`, offset);
}

function tooLong(track: TrackRow, offset: number): Problem {
  return uploadRefused(413, 'longer-than-declared', `The track was declared with ${track.bytes} bytes.`, offset);
}

function idTaken(): Problem {
  return new Problem(409, 'id-taken', 'Another track has that id.');
}

function gone(): Problem {
  return new Problem(404, 'track-not-found', 'There is no such track.');
}
