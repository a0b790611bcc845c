import type { Kysely, Selectable, Transaction } from 'kysely';
import { z } from 'zod';
import { Problem } from '../kit/problem.ts';
import { readCursor, writeCursor } from './cursor.ts';
import { id, line } from './fields.ts';
import type { ApiTables } from './schema.ts';
import { readTracks, trackView } from './tracks.ts';
import { changedMeanwhile } from './version-tag.ts';

export const MAX_PLAYLIST_TRACKS = 1000;
export const MAX_PLAYLISTS = 500;

const visibility = z.enum(['private', 'public']);

export const newPlaylist = z.strictObject({
  /** Chosen by whoever makes it, so that a request that is sent again makes no second one. */
  id: id.optional(),
  name: line(120),
  visibility: visibility.default('private'),
});

export const playlistSettings = z.strictObject({ name: line(120), visibility });

export const playlistTracks = z.strictObject({ trackIds: z.array(id).max(MAX_PLAYLIST_TRACKS) });

export const playlistSummary = z.object({
  id,
  name: z.string(),
  visibility,
  owner: z.object({ id }),
  version: z.number(),
});
export type PlaylistSummary = z.infer<typeof playlistSummary>;

export const playlistView = playlistSummary.extend({ trackIds: z.array(id), tracks: z.array(trackView) });
export type PlaylistView = z.infer<typeof playlistView>;

export const playlistPage = z.object({ items: z.array(playlistSummary), next: z.string().nullable() });

type PlaylistRow = Selectable<ApiTables['playlists']>;

/** @throws Problem 409 `id-taken`; 429 `too-many-playlists` */
export async function makePlaylist(
  db: Kysely<ApiTables>,
  ownerId: string,
  playlist: { readonly id: string; readonly name: string; readonly visibility: 'private' | 'public' },
  now: Date,
): Promise<PlaylistSummary> {
  const made = await db
    .insertInto('playlists')
    .values({ ...playlist, owner_id: ownerId, created_at: now, updated_at: now })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .returningAll()
    .executeTakeFirst();
  if (made === undefined) {
    const there = await db.selectFrom('playlists').selectAll().where('id', '=', playlist.id).executeTakeFirst();
    if (there?.owner_id === ownerId && there.name === playlist.name) return toSummary(there);
    throw new Problem(409, 'id-taken', 'Another playlist has that id.');
  }
  const { count } = await db
    .selectFrom('playlists')
    .select((select) => select.fn.countAll<number>().as('count'))
    .where('owner_id', '=', ownerId)
    .executeTakeFirstOrThrow();
  if (count > MAX_PLAYLISTS) {
    await db.deleteFrom('playlists').where('id', '=', made.id).execute();
    throw new Problem(429, 'too-many-playlists', `You have ${MAX_PLAYLISTS} playlists: delete some.`);
  }
  return toSummary(made);
}

/** A playlist that somebody may see: a public one, or one's own. Null otherwise, also when it exists. */
export async function findPlaylist(
  db: Kysely<ApiTables>,
  playlistId: string,
  personId: string,
): Promise<PlaylistView | null> {
  // Version and tracks have to belong together: one snapshot for both.
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (transaction) => {
      const row = await visible(transaction, playlistId, personId).executeTakeFirst();
      if (row === undefined) return null;
      const entries = await transaction
        .selectFrom('playlist_tracks')
        .select('track_id')
        .where('playlist_id', '=', playlistId)
        .orderBy('position')
        .execute();
      const ids = entries.map((entry) => entry.track_id);
      const found = new Map((await readTracks(transaction, [...new Set(ids)])).map((track) => [track.id, track]));
      const tracks = ids.flatMap((trackId) => found.get(trackId) ?? []);
      return { ...toSummary(row), trackIds: tracks.map((track) => track.id), tracks };
    });
}

/**
 * Changes a playlist of one's own, if it is one of the versions that the change was made for.
 *
 * @param versions null for any
 * @param change is given the transaction; what it returns is set beside the new version
 * @throws Problem 404; 403 `not-your-playlist`; 412 `changed-meanwhile`; what `change` throws, and nothing has changed then
 */
export async function changePlaylist(
  db: Kysely<ApiTables>,
  playlistId: string,
  personId: string,
  versions: readonly number[] | null,
  now: Date,
  change: (
    transaction: Transaction<ApiTables>,
  ) => Promise<{ readonly name?: string; readonly visibility?: 'private' | 'public' }>,
): Promise<PlaylistSummary> {
  return db.transaction().execute(async (transaction) => {
    await lockOwn(transaction, playlistId, personId, versions);
    const values = await change(transaction);
    const changed = await transaction
      .updateTable('playlists')
      .set((row) => ({ ...values, version: row('version', '+', 1), updated_at: now }))
      .where('id', '=', playlistId)
      .returningAll()
      .executeTakeFirstOrThrow();
    return toSummary(changed);
  });
}

/** @throws Problem 422 `unknown-tracks` when one of the tracks is not there for everybody to hear */
export async function replaceTracks(
  transaction: Transaction<ApiTables>,
  playlistId: string,
  trackIds: readonly string[],
): Promise<void> {
  const distinct = [...new Set(trackIds)];
  // Locked, so that none is removed between looking and adding: that would be an error of the database, not an answer.
  const known =
    distinct.length === 0
      ? []
      : await transaction
          .selectFrom('tracks')
          .select('id')
          .where('id', 'in', distinct)
          .where('state', '=', 'ready')
          .orderBy('id')
          .forKeyShare()
          .execute();
  if (known.length < distinct.length) {
    throw new Problem(422, 'unknown-tracks', `${distinct.length - known.length} of the tracks are not there.`);
  }
  await transaction.deleteFrom('playlist_tracks').where('playlist_id', '=', playlistId).execute();
  if (trackIds.length === 0) return;
  await transaction
    .insertInto('playlist_tracks')
    .values(trackIds.map((trackId, position) => ({ playlist_id: playlistId, position, track_id: trackId })))
    .execute();
}

/** Deletes a playlist of one's own. @throws Problem as {@link changePlaylist} */
export async function deletePlaylist(
  db: Kysely<ApiTables>,
  playlistId: string,
  personId: string,
  versions: readonly number[] | null,
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await lockOwn(transaction, playlistId, personId, versions);
    await transaction.deleteFrom('playlists').where('id', '=', playlistId).execute();
  });
}

/** Somebody's own playlists, page by page. */
export async function listPlaylists(
  db: Kysely<ApiTables>,
  ownerId: string,
  page: { readonly cursor: string | undefined; readonly limit: number },
): Promise<z.infer<typeof playlistPage>> {
  let query = db
    .selectFrom('playlists')
    .selectAll()
    .where('owner_id', '=', ownerId)
    .orderBy('id')
    .limit(page.limit + 1);
  if (page.cursor !== undefined) query = query.where('id', '>', readCursor(page.cursor, z.tuple([id]))[0]);
  const rows = await query.execute();
  const shown = rows.slice(0, page.limit);
  const last = shown.at(-1);
  return {
    items: shown.map(toSummary),
    next: last === undefined || rows.length <= page.limit ? null : writeCursor([last.id]),
  };
}

async function lockOwn(
  transaction: Transaction<ApiTables>,
  playlistId: string,
  personId: string,
  versions: readonly number[] | null,
): Promise<void> {
  const row = await visible(transaction, playlistId, personId).forUpdate().executeTakeFirst();
  if (row === undefined) throw playlistNotFound();
  if (row.owner_id !== personId) throw new Problem(403, 'not-your-playlist', 'The playlist belongs to somebody else.');
  if (versions !== null && !versions.includes(row.version)) throw changedMeanwhile(row.version);
}

function visible(db: Kysely<ApiTables>, playlistId: string, personId: string) {
  return db
    .selectFrom('playlists')
    .selectAll()
    .where('id', '=', playlistId)
    .where((where) => where.or([where('owner_id', '=', personId), where('visibility', '=', 'public')]));
}

/** Also for what others must not know of. */
export function playlistNotFound(): Problem {
  return new Problem(404, 'playlist-not-found', 'There is no such playlist.');
}

function toSummary(row: PlaylistRow): PlaylistSummary {
  return { id: row.id, name: row.name, visibility: row.visibility, owner: { id: row.owner_id }, version: row.version };
}
