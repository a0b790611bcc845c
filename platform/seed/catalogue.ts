import { createHash } from 'node:crypto';
import { contentTypes, makeAudio, type AudioRecipe } from './audio.ts';
import { Random } from './random.ts';
import * as words from './words.ts';

export const sizes = {
  tiny: { artists: 24, listeners: 24, tracksEach: 2, plays: 300, playlists: 12, rooms: 2, messages: 40 },
  demo: { artists: 96, listeners: 160, tracksEach: 3, plays: 4_000, playlists: 80, rooms: 6, messages: 300 },
  large: {
    artists: 2_400,
    listeners: 20_000,
    tracksEach: 5,
    plays: 400_000,
    playlists: 8_000,
    rooms: 120,
    messages: 60_000,
  },
} as const;
export type Size = keyof typeof sizes;

export function isSize(text: string): text is Size {
  return Object.hasOwn(sizes, text);
}

/** Everybody in the seeded data logs in with this; it is no secret, and nothing but development may be seeded with it. */
export const seededPassword = 'seeded, for development only';

export interface SeedPerson {
  readonly id: string;
  readonly email: string;
  readonly displayName: string;
  readonly bio: string;
  readonly language: words.Language;
  readonly gender: words.Gender;
  readonly joinedAt: Date;
  /** What kind of artist; null for somebody who only listens. */
  readonly artist: 'established' | 'new' | null;
}

export interface SeedTrack {
  readonly id: string;
  readonly artist: SeedPerson;
  readonly title: string;
  readonly genre: words.Genre;
  readonly publishedAt: Date;
  readonly durationMs: number;
  /** In object storage. */
  readonly key: string;
  readonly contentType: string;
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
  readonly audio: AudioRecipe;
}

export interface SeedPlaylist {
  readonly id: string;
  readonly owner: SeedPerson;
  readonly title: string;
  readonly createdAt: Date;
  readonly tracks: readonly SeedTrack[];
}

export interface SeedPlay {
  readonly id: string;
  readonly person: SeedPerson;
  readonly track: SeedTrack;
  readonly at: Date;
  readonly listenedMs: number;
}

export interface SeedMessage {
  readonly id: string;
  readonly room: SeedRoom;
  /** 1, 2, 3… within the room. */
  readonly seq: number;
  readonly author: SeedPerson;
  readonly text: string;
  readonly at: Date;
}

export interface SeedRoom {
  readonly id: string;
  readonly name: string;
  readonly owner: SeedPerson;
  readonly createdAt: Date;
}

export interface Catalogue {
  readonly people: readonly SeedPerson[];
  readonly tracks: readonly SeedTrack[];
  readonly playlists: readonly SeedPlaylist[];
  readonly plays: readonly SeedPlay[];
  readonly rooms: readonly SeedRoom[];
  readonly messages: readonly SeedMessage[];
}

/** The day the data is made for when nobody says another: fixed, so that the bytes are the same in every year. */
export const defaultNow = new Date('2026-11-01T12:00:00Z');
const dayMs = 86_400_000;

/**
 * Makes the data: the same for the same arguments, on every machine and at any time.
 *
 * Half of the artists are new (joined within 30 days, few plays), half established. Whether one is new, the language and the
 * gender are dealt out in turn so that each combination comes equally often: what is found about one of them is not the doing
 * of another.
 *
 * @param now end of the time in which all of it happened
 */
export function makeCatalogue(size: Size, seed: number, now: Date = defaultNow): Catalogue {
  const random = new Random(seed, size);
  const wanted = sizes[size];
  const people = makePeople(random.stream('people'), wanted.artists, wanted.listeners, now);
  const artists = people.filter(({ artist }) => artist !== null);
  const tracks = makeTracks(random.stream('tracks'), artists, wanted.tracksEach, now);
  const plays = makePlays(random.stream('plays'), people, tracks, wanted.plays, now);
  const playlists = makePlaylists(random.stream('playlists'), people, tracks, wanted.playlists, now);
  const rooms = makeRooms(random.stream('rooms'), people, wanted.rooms, now);
  const messages = makeMessages(random.stream('messages'), people, rooms, wanted.messages, now);
  return { people, tracks, playlists, plays, rooms, messages };
}

/** SHA-256 over everything, in hexadecimal; over the audio by its own checksums. */
export function digestOf(catalogue: Catalogue): string {
  const hash = createHash('sha256');
  for (const [table, rows] of Object.entries(catalogue) as [string, readonly object[]][]) {
    for (const row of rows) hash.update(`${table} ${JSON.stringify(row)}\n`);
  }
  return hash.digest('hex');
}

function makePeople(random: Random, artists: number, listeners: number, now: Date): readonly SeedPerson[] {
  return Array.from({ length: artists + listeners }, (_, index): SeedPerson => {
    const isArtist = index < artists;
    const isNew = index % 2 === 0;
    const language = words.languages[Math.floor(index / 2) % words.languages.length] ?? 'en';
    const gender = words.genders[Math.floor(index / 2 / words.languages.length) % words.genders.length] ?? null;
    const ageDays = isArtist && isNew ? random.between(1, 30) : random.between(200, 900);
    const given = random.pick(words.givenNames);
    const family = random.pick(words.familyNames);
    return {
      id: random.uuid(),
      email: `person-${index + 1}@seed.invalid`,
      displayName: `${given} ${family}`,
      bio: `${random.pick(words.adjectives)} ${random.pick(words.nouns)}, ${random.pick(words.genres)}`,
      language,
      gender,
      joinedAt: before(now, ageDays, random),
      artist: isArtist ? (isNew ? 'new' : 'established') : null,
    };
  });
}

function makeTracks(random: Random, artists: readonly SeedPerson[], each: number, now: Date): readonly SeedTrack[] {
  return artists.flatMap((artist) =>
    Array.from({ length: each }, (_, index): SeedTrack => {
      const id = random.uuid();
      const durationMs = random.between(4, 10) * 500;
      const audio: AudioRecipe = { kind: index % 3 === 2 ? 'mp3' : 'wav', seed: id, durationMs };
      const bytes = makeAudio(audio);
      return {
        id,
        artist,
        title: `${random.pick(words.adjectives)} ${random.pick(words.nouns)} ${random.between(1, 99)}`,
        genre: random.pick(words.genres),
        publishedAt: between(artist.joinedAt, now, random),
        durationMs,
        key: `tracks/${id}`,
        contentType: contentTypes[audio.kind],
        bytes: bytes.length,
        sha256: createHash('sha256').update(bytes).digest('hex'),
        audio,
      };
    }),
  );
}

/** Few tracks are heard often and many seldom, and those of established artists ten times as often. */
function makePlays(
  random: Random,
  people: readonly SeedPerson[],
  tracks: readonly SeedTrack[],
  count: number,
  now: Date,
): readonly SeedPlay[] {
  const known = random.sample(
    tracks.filter(({ artist }) => artist.artist === 'established'),
    tracks.length,
  );
  const fresh = random.sample(
    tracks.filter(({ artist }) => artist.artist === 'new'),
    tracks.length,
  );
  return Array.from({ length: count }, (): SeedPlay => {
    const from = random.chance(10 / 11) ? known : fresh;
    const track = from[random.rank(from.length)] ?? random.pick(tracks);
    return {
      id: random.uuid(),
      person: random.pick(people),
      track,
      at: between(track.publishedAt, now, random),
      listenedMs: random.between(1, track.durationMs),
    };
  });
}

function makePlaylists(
  random: Random,
  people: readonly SeedPerson[],
  tracks: readonly SeedTrack[],
  count: number,
  now: Date,
): readonly SeedPlaylist[] {
  return Array.from({ length: count }, () => ({
    id: random.uuid(),
    owner: random.pick(people),
    title: `${random.pick(words.adjectives)} ${random.pick(words.nouns)}s`,
    createdAt: before(now, random.integer(100), random),
    tracks: random.sample(random.sample(tracks.slice(0, 200), 30), random.between(2, 12)),
  }));
}

function makeRooms(random: Random, people: readonly SeedPerson[], count: number, now: Date): readonly SeedRoom[] {
  return Array.from({ length: count }, (_, index) => ({
    id: random.uuid(),
    name: `${random.pick(words.genres)}-${index + 1}`,
    owner: random.pick(people),
    createdAt: before(now, 100, random),
  }));
}

function makeMessages(
  random: Random,
  people: readonly SeedPerson[],
  rooms: readonly SeedRoom[],
  count: number,
  now: Date,
): readonly SeedMessage[] {
  const last = new Map<SeedRoom, number>();
  return Array.from({ length: count }, (_, index) => {
    const room = random.pick(rooms);
    const seq = (last.get(room) ?? 0) + 1;
    last.set(room, seq);
    // One after another over the last 90 days, so that order by time and by number are the same.
    const at = new Date(now.getTime() - 90 * dayMs + Math.floor(((index + 1) * 90 * dayMs) / (count + 1)));
    return { id: random.uuid(), room, seq, author: random.pick(people), text: random.pick(words.remarks), at };
  });
}

function before(now: Date, days: number, random: Random): Date {
  return new Date(now.getTime() - days * dayMs - random.integer(dayMs));
}

/** Some time from one to the other. */
function between(from: Date, to: Date, random: Random): Date {
  return new Date(from.getTime() + Math.floor(random.fraction() * (to.getTime() - from.getTime())));
}
