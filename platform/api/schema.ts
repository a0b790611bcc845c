import type { ColumnType, Generated, GeneratedAlways } from 'kysely';
import type { ErasureState } from '../people/erasure.ts';

/**
 * The tables of schema `api`, as Kysely sees them: written by hand, and compared with the migrated database, column by
 * column, in `schema.test.ts`. A migration comes with its change here.
 */
export interface ApiTables {
  readonly profiles: ProfilesTable;
  readonly tracks: TracksTable;
  readonly plays: PlaysTable;
  readonly playlists: PlaylistsTable;
  readonly playlist_tracks: PlaylistTracksTable;
  readonly erasures: ErasuresTable;
}

/** Set by the database when it is not given. */
type Moment = ColumnType<Date, Date | undefined, Date>;
/** Made by the database, used inside of queries only. */
type SearchVector = GeneratedAlways<unknown>;

export type Gender = 'woman' | 'man' | 'non-binary';
export type TrackState = 'uploading' | 'ready' | 'removing';
export type Visibility = 'private' | 'public';

interface ProfilesTable {
  person_id: string;
  display_name: string;
  bio: Generated<string>;
  language: Generated<string>;
  gender: ColumnType<Gender | null, Gender | null | undefined, Gender | null>;
  version: Generated<number>;
  created_at: Moment;
  updated_at: Moment;
  search: SearchVector;
}

interface TracksTable {
  id: string;
  artist_id: string;
  title: string;
  language: string;
  genre: string;
  duration_ms: number | null;
  bytes: number;
  sha256: string;
  content_type: string;
  state: Generated<TrackState>;
  created_at: Moment;
  published_at: Date | null;
  upload_until: Date | null;
  search: SearchVector;
}

interface PlaysTable {
  seq: GeneratedAlways<number>;
  id: string;
  person_id: string;
  track_id: string;
  ms: number;
  played_at: Moment;
}

interface PlaylistsTable {
  id: string;
  owner_id: string;
  name: string;
  visibility: Generated<Visibility>;
  version: Generated<number>;
  created_at: Moment;
  updated_at: Moment;
}

interface PlaylistTracksTable {
  playlist_id: string;
  position: number;
  track_id: string;
}

interface ErasuresTable {
  id: string;
  subject: string;
  sealed_person: string | null;
  state: Generated<ErasureState>;
  done: Generated<string>;
  requested_at: Moment;
  erased_at: Date | null;
  settled_at: Date | null;
  due_at: Moment;
  leased_until: Date | null;
  epoch: Generated<number>;
  failures: Generated<number>;
  failed_step: string | null;
}
