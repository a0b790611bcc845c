import { argon2Sync } from 'node:crypto';
import { seededPassword, type Catalogue } from './catalogue.ts';

/** Rows of one table, by the names of its columns. */
export interface TableRows {
  /** With its schema. */
  readonly table: string;
  readonly columns: readonly string[];
  readonly rows: Iterable<Readonly<Record<string, unknown>>>;
}

/** The data as the services keep it, table by table in an order in which what is referred to comes first. */
export function* rowsOf(catalogue: Catalogue): Generator<TableRows> {
  const { people, tracks, playlists, plays, rooms, messages } = catalogue;
  const password = hashOfSeededPassword();
  yield rowsFrom('identity.people', people, (person) => ({
    id: person.id,
    email: person.email,
    password_hash: password,
    display_name: person.displayName,
    language: person.language,
    created_at: person.joinedAt,
  }));
  yield rowsFrom('api.profiles', people, (person) => ({
    person_id: person.id,
    display_name: person.displayName,
    bio: person.bio,
    language: person.language,
    gender: person.gender,
    version: 1,
    created_at: person.joinedAt,
    updated_at: person.joinedAt,
  }));
  yield rowsFrom('api.tracks', tracks, (track) => ({
    id: track.id,
    artist_id: track.artist.id,
    title: track.title,
    language: track.artist.language,
    genre: track.genre,
    duration_ms: track.durationMs,
    bytes: track.bytes,
    sha256: track.sha256,
    content_type: track.contentType,
    state: 'ready',
    created_at: track.publishedAt,
    published_at: track.publishedAt,
  }));
  yield rowsFrom('api.plays', plays, (play) => ({
    id: play.id,
    person_id: play.person.id,
    track_id: play.track.id,
    ms: play.listenedMs,
    played_at: play.at,
  }));
  yield rowsFrom('api.playlists', playlists, (playlist) => ({
    id: playlist.id,
    owner_id: playlist.owner.id,
    name: playlist.title,
    visibility: 'public',
    version: 1,
    created_at: playlist.createdAt,
    updated_at: playlist.createdAt,
  }));
  yield rowsFrom(
    'api.playlist_tracks',
    playlists.flatMap((playlist) => playlist.tracks.map((track, position) => ({ playlist, track, position }))),
    ({ playlist, track, position }) => ({ playlist_id: playlist.id, position, track_id: track.id }),
  );
  yield rowsFrom('chat.members', people, (person) => ({
    id: person.id,
    name: person.displayName,
    since: person.joinedAt,
  }));
  const last = new Map(messages.map((message) => [message.room, message.seq]));
  yield rowsFrom('chat.rooms', rooms, (room) => ({
    id: room.id,
    name: room.name,
    created_by: room.owner.id,
    created_at: room.createdAt,
    last_seq: last.get(room) ?? 0,
  }));
  yield rowsFrom('chat.messages', messages, (message) => ({
    room: message.room.id,
    seq: message.seq,
    id: message.id,
    author: message.author.id,
    text: message.text,
    at: message.at,
  }));
}

function rowsFrom<Item>(
  table: string,
  items: readonly Item[],
  toRow: (item: Item) => Readonly<Record<string, unknown>>,
): TableRows {
  const [first] = items;
  return { table, columns: first === undefined ? [] : Object.keys(toRow(first)), rows: mapped(items, toRow) };
}

function* mapped<Item, Row>(items: readonly Item[], toRow: (item: Item) => Row): Generator<Row> {
  for (const item of items) yield toRow(item);
}

/**
 * Argon2id as identity stores it, with a salt that is always the same and one hash for everybody: it is a well-known password of
 * people who do not exist, and hundreds of hashes would take seconds.
 */
function hashOfSeededPassword(): string {
  const nonce = Buffer.from('seeded salt, 16b');
  const [memory, passes, parallelism] = [19_456, 2, 1];
  const tag = argon2Sync('argon2id', { message: seededPassword, nonce, memory, passes, parallelism, tagLength: 32 });
  const text = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${text(nonce)}$${text(tag)}`;
}
