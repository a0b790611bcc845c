import type { Kysely, Selectable } from 'kysely';
import { z } from 'zod';
import { id, languageTag, line, sha256, written } from './fields.ts';
import type { ApiTables } from './schema.ts';

/** The largest recording that may be uploaded, in bytes. */
export const MAX_TRACK_BYTES = 200 * 1024 * 1024;
/** How many uploads of one person may be unfinished at the same time. */
export const MAX_UNFINISHED = 20;

export const CONTENT_TYPES = ['audio/mpeg', 'audio/wav', 'audio/flac', 'audio/ogg', 'audio/aac', 'audio/mp4'] as const;

/** What is said about a recording before its first byte is sent. */
export const trackDeclaration = z.strictObject({
  /** May be chosen by whoever uploads: a declaration that is sent again, because the answer was lost, makes no second track. */
  id: id.optional(),
  title: line(200),
  language: languageTag,
  genre: line(40),
  durationMs: z.int().min(1).max(86_400_000).optional(),
  bytes: z.int().min(1).max(MAX_TRACK_BYTES),
  sha256,
  contentType: z.enum(CONTENT_TYPES),
});
export type TrackDeclaration = z.infer<typeof trackDeclaration>;

export const trackView = z.object({
  id,
  title: z.string(),
  artist: z.object({ id, name: z.string() }),
  language: z.string(),
  genre: z.string(),
  durationMs: z.number().nullable(),
  bytes: z.number(),
  sha256: z.string(),
  contentType: z.string(),
  state: z.enum(['uploading', 'ready']),
  publishedAt: z.string().nullable(),
});
export type TrackView = z.infer<typeof trackView>;

/** Where the audio of a track lies in object storage. */
export function trackKey(trackId: string): string {
  return `tracks/${trackId}`;
}

export type TrackRow = Pick<
  Selectable<ApiTables['tracks']>,
  | 'id'
  | 'artist_id'
  | 'title'
  | 'language'
  | 'genre'
  | 'duration_ms'
  | 'bytes'
  | 'sha256'
  | 'content_type'
  | 'state'
  | 'published_at'
> & { readonly display_name: string };

/** Tracks with their artists' names, of which `where` and the rest may be asked. Those that are being removed are not there. */
export function selectTracks(db: Kysely<ApiTables>) {
  return db
    .selectFrom('tracks')
    .innerJoin('profiles', 'profiles.person_id', 'tracks.artist_id')
    .where('tracks.state', '!=', 'removing')
    .select([
      'tracks.id',
      'tracks.artist_id',
      'tracks.title',
      'tracks.language',
      'tracks.genre',
      'tracks.duration_ms',
      'tracks.bytes',
      'tracks.sha256',
      'tracks.content_type',
      'tracks.state',
      'tracks.published_at',
      'profiles.display_name',
    ]);
}

export function toView(row: TrackRow): TrackView {
  return {
    id: row.id,
    title: row.title,
    artist: { id: row.artist_id, name: row.display_name },
    language: row.language,
    genre: row.genre,
    durationMs: row.duration_ms,
    bytes: row.bytes,
    sha256: row.sha256,
    contentType: row.content_type,
    state: row.state === 'ready' ? 'ready' : 'uploading',
    publishedAt: row.published_at === null ? null : written(row.published_at),
  };
}

/** A track that somebody may see: every one that is ready, and one's own. Null otherwise, also when it exists. */
export async function findTrack(db: Kysely<ApiTables>, trackId: string, personId: string): Promise<TrackRow | null> {
  const row = await selectTracks(db)
    .where('tracks.id', '=', trackId)
    .where((where) => where.or([where('tracks.state', '=', 'ready'), where('tracks.artist_id', '=', personId)]))
    .executeTakeFirst();
  return row ?? null;
}

/** Ready tracks by id, in the order of the ids. What is not there (any more) is left out. */
export async function readTracks(db: Kysely<ApiTables>, ids: readonly string[]): Promise<readonly TrackView[]> {
  if (ids.length === 0) return [];
  const rows = await selectTracks(db).where('tracks.state', '=', 'ready').where('tracks.id', 'in', ids).execute();
  const found = new Map(rows.map((row) => [row.id, toView(row)]));
  return ids.flatMap((trackId) => found.get(trackId) ?? []);
}
