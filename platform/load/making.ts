import { z } from 'zod';
import { languages, genres } from '../seed/words.ts';
import type { Random } from '../seed/random.ts';
import type { Account } from './account.ts';
import { Mismatch, nothing, readJson, same, sameBytes, type Answer, type Asker } from './ask.ts';
import { compose, type KnownTracks } from './tracks.ts';

const profile = z.object({ displayName: z.string(), bio: z.string(), language: z.string() });
const begun = z.object({ id: z.uuid(), upload: z.object({ url: z.string(), offset: z.literal(0) }) });
const track = z.object({ id: z.uuid(), title: z.string(), bytes: z.number(), sha256: z.string() });
const playlist = z.object({ id: z.uuid(), name: z.string(), tracks: z.array(z.object({ id: z.uuid() })) });

/** What people do who make something: they upload, keep playlists, and say who they are. What they write they read again. */
export class Making {
  readonly #asker: Asker;
  readonly #random: Random;
  readonly #tracks: KnownTracks;
  readonly #run: string;
  #number = 0;

  constructor(asker: Asker, random: Random, tracks: KnownTracks, run: string) {
    this.#asker = asker;
    this.#random = random;
    this.#tracks = tracks;
    this.#run = run;
  }

  async profile(account: Account, dueMs: number): Promise<void> {
    const written = {
      displayName: account.displayName,
      bio: `bio ${this.#next()} of ${this.#run}, naïve ✓`,
      language: this.#random.pick(languages),
    };
    const path = '/api/v1/me/profile';
    const step = { operation: 'profile', path, as: account, signedIn: true, expect: [200] } as const;
    const changed = await this.#asker.ask({ ...step, dueMs, method: 'PUT', json: written, read: nothing });
    if (changed === null) return;
    await this.#asker.ask({
      ...step,
      method: 'GET',
      read: (answer) => {
        const its = readJson(profile, answer);
        for (const field of ['displayName', 'bio', 'language'] as const) same(field, its[field], written[field]);
      },
    });
  }

  /** In two parts, as if the connection had broken in between: where to go on is asked, and what came is read back. */
  async upload(account: Account, dueMs: number): Promise<void> {
    const { audio, bytes, sha256, contentType } = compose(this.#random);
    const title = `song ${this.#next()} of ${this.#run}`;
    const language = this.#random.pick(languages);
    const json = {
      title,
      language,
      genre: this.#random.pick(genres),
      durationMs: audio.durationMs,
      bytes: bytes.length,
      sha256,
      contentType,
    };
    const mine = { operation: 'upload', as: account, signedIn: true } as const;
    const created = await this.#asker.ask({
      ...mine,
      dueMs,
      method: 'POST',
      path: '/api/v1/tracks',
      json,
      expect: [201],
      read: (answer) => readJson(begun, answer),
    });
    if (created === null) return;
    const { id } = created.value;
    const path = `/api/v1/tracks/${id}/upload`;
    const middle = this.#random.between(1, bytes.length - 1);
    const first = await this.#patch(account, path, 0, bytes.subarray(0, middle));
    // Who does not know how much has arrived asks, as after a broken connection.
    const offset = await this.#asker.ask({
      ...mine,
      method: 'HEAD',
      path,
      expect: [200, 204],
      read: ({ headers }) => {
        const at = Number(headers['upload-offset']);
        if (first ? at !== middle : at !== 0 && at !== middle)
          throw new Mismatch(`upload-offset is ${at} instead of ${middle}`);
        return at;
      },
    });
    if (offset === null || !(await this.#patch(account, path, offset.value, bytes.subarray(offset.value)))) return;
    const read = await this.#asker.ask({
      ...mine,
      method: 'GET',
      path: `/api/v1/tracks/${id}`,
      expect: [200],
      read: (answer) => {
        const its = readJson(track, answer);
        same('title', its.title, title);
        same('sha256', its.sha256, sha256);
        same('bytes', its.bytes, bytes.length);
      },
    });
    if (read === null) return;
    const downloaded = await this.#asker.ask({
      ...mine,
      method: 'GET',
      path: `/api/v1/tracks/${id}/download`,
      expect: [200],
      read: (answer) => sameBytes('download', answer.bytes, bytes),
    });
    if (downloaded !== null) this.#tracks.add({ id, title, bytes: bytes.length, contentType, audio });
  }

  /** A playlist is made, changed with the right version, refused with an old one, and read. */
  async playlist(account: Account, dueMs: number): Promise<void> {
    const name = `list ${this.#next()} of ${this.#run}`;
    const mine = { operation: 'playlist', as: account, signedIn: true } as const;
    const made = await this.#asker.ask({
      ...mine,
      dueMs,
      method: 'POST',
      path: '/api/v1/playlists',
      json: { name },
      expect: [201],
      read: (answer) => ({ id: readJson(playlist.pick({ id: true }), answer).id, tag: tagOf(answer) }),
    });
    if (made === null) return;
    const { id, tag } = made.value;
    const path = `/api/v1/playlists/${id}`;
    const trackIds = this.#tracks.some(this.#random, 3).map((its) => its.id);
    const put = { ...mine, method: 'PUT', path: `${path}/tracks`, json: { trackIds }, headers: ifMatch(tag) } as const;
    const changed = await this.#asker.ask({ ...put, expect: [200, 204], read: nothing });
    if (changed === null) return;
    await this.#asker.ask({ ...put, expect: [412], read: nothing });
    await this.#asker.ask({
      ...mine,
      method: 'GET',
      path,
      expect: [200],
      read: (answer) => {
        const its = readJson(playlist, answer);
        same('name', its.name, name);
        same('tracks', its.tracks.map((track) => track.id).join(), trackIds.join());
        if (tagOf(answer) === tag) throw new Mismatch('the ETag did not change with the playlist');
      },
    });
    if (this.#random.chance(0.5)) return;
    const gone = await this.#asker.ask({ ...mine, method: 'DELETE', path, expect: [200, 204], read: nothing });
    if (gone !== null) await this.#asker.ask({ ...mine, method: 'GET', path, expect: [404], read: nothing });
  }

  async #patch(account: Account, path: string, offset: number, body: Buffer): Promise<boolean> {
    const asked = await this.#asker.ask({
      operation: 'upload',
      method: 'PATCH',
      path,
      headers: { 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' },
      body,
      expect: [200, 201, 204],
      as: account,
      signedIn: true,
      read: nothing,
    });
    return asked !== null;
  }

  #next(): number {
    this.#number += 1;
    return this.#number;
  }
}

/** @throws Mismatch when the answer has no ETag */
function tagOf(answer: Answer): string {
  const { etag } = answer.headers;
  if (etag === undefined) throw new Mismatch('no ETag');
  return etag;
}

const ifMatch = (tag: string): Readonly<Record<string, string>> => ({ 'if-match': tag });
