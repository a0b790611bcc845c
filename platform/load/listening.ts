import { z } from 'zod';
import { makeAudio } from '../seed/audio.ts';
import type { Random } from '../seed/random.ts';
import type { Account } from './account.ts';
import { Mismatch, nothing, readJson, same, sameBytes, type Answer, type Asker } from './ask.ts';
import type { Tally } from './tally.ts';
import type { KnownTrack, KnownTracks } from './tracks.ts';

const track = z.object({ id: z.uuid(), title: z.string() });
const discovered = z.object({
  items: z.array(
    z.object({
      track,
      score: z.number(),
      because: z.array(z.object({ reason: z.string().min(1), points: z.number() })).min(1),
    }),
  ),
});
const found = z.object({ items: z.array(z.unknown()) });
const media = z.object({ url: z.string().min(1), hls: z.string().nullable().optional() });

/** What people do who listen: they discover, search, play, and look at what they have heard. */
export class Listening {
  readonly #asker: Asker;
  readonly #tally: Tally;
  readonly #random: Random;
  readonly #tracks: KnownTracks;

  constructor(asker: Asker, tally: Tally, random: Random, tracks: KnownTracks) {
    this.#asker = asker;
    this.#tally = tally;
    this.#random = random;
    this.#tracks = tracks;
  }

  /** Every item says why it is there, the reasons add up to its score, and the best comes first. */
  async discover(account: Account, dueMs: number): Promise<void> {
    const language = this.#random.pick(['', '?language=fr', '?language=en', '?language=wo']);
    await this.#asker.ask({
      operation: 'discover',
      dueMs,
      ...this.#get(account, `/api/v1/discover${language}`),
      read: (answer) => {
        const { items } = readJson(discovered, answer);
        for (const [index, { score, because, track: its }] of items.entries()) {
          const points = because.reduce((sum, reason) => sum + reason.points, 0);
          if (Math.abs(points - score) > 0.01) {
            throw new Mismatch(`the reasons for ${its.id} add up to ${points} instead of ${score}`);
          }
          const better = items[index - 1];
          if (better !== undefined && better.score < score - 0.01)
            throw new Mismatch(`item ${index} is better than the one before`);
        }
        const ids = new Set(items.map((item) => item.track.id));
        same('different tracks', ids.size, items.length);
      },
    });
  }

  /** A track that is known to be there is found by its title. */
  async search(account: Account, dueMs: number): Promise<void> {
    const known = this.#tracks.any(this.#random);
    if (known === null) return this.discover(account, dueMs);
    await this.#asker.ask({
      operation: 'search',
      dueMs,
      ...this.#get(account, `/api/v1/search?q=${encodeURIComponent(known.title)}`),
      read: (answer) => {
        const { items } = readJson(found, answer);
        if (!JSON.stringify(items).includes(known.id)) {
          throw new Mismatch(`"${known.title}" (${known.id}) is not among ${items.length} results`);
        }
      },
    });
  }

  /** Plays a track in two ranges, or by HLS, compares every byte, reports the play and finds it in the history. */
  async play(account: Account, dueMs: number): Promise<void> {
    const known = this.#tracks.any(this.#random);
    if (known === null) return this.discover(account, dueMs);
    const asked = await this.#asker.ask({
      operation: 'play',
      dueMs,
      ...this.#get(account, `/api/v1/tracks/${known.id}/media`),
      read: (answer) => readJson(media, answer),
    });
    if (asked === null) return;
    const bytes = makeAudio(known.audio);
    const { url, hls } = asked.value;
    const heard =
      known.audio.kind === 'mp3' && typeof hls === 'string' && this.#random.chance(0.5)
        ? await this.#playSegments(pathOf(hls), bytes)
        : await this.#playRanges(pathOf(url), bytes);
    if (heard) await this.#report(account, known);
  }

  async history(account: Account, dueMs: number): Promise<void> {
    await this.#asker.ask({
      operation: 'history',
      dueMs,
      ...this.#get(account, '/api/v1/me/history'),
      read: (answer) => {
        readJson(found, answer);
      },
    });
  }

  async #playRanges(path: string, bytes: Buffer): Promise<boolean> {
    const middle = this.#random.between(1, bytes.length - 1);
    for (const [from, to] of [
      [0, middle],
      [middle, bytes.length],
    ] as const) {
      const asked = await this.#asker.ask({
        operation: 'play',
        method: 'GET',
        path,
        headers: { range: `bytes=${from}-${to - 1}` },
        expect: [206],
        as: null,
        signedIn: false,
        read: (answer) => {
          same('content-range', answer.headers['content-range'], `bytes ${from}-${to - 1}/${bytes.length}`);
          sameBytes('audio', answer.bytes, bytes.subarray(from, to));
        },
      });
      if (asked === null) return false;
      this.#tally.audioBytes += to - from;
    }
    return true;
  }

  /** The segments without their ID3 tags, one after the other, are the file (RFC 8216, 3.4). */
  async #playSegments(path: string, bytes: Buffer): Promise<boolean> {
    const get = { operation: 'play', method: 'GET', expect: [200], as: null, signedIn: false } as const;
    const playlist = await this.#asker.ask({
      ...get,
      path,
      read: ({ bytes: text }) => {
        const lines = text.toString('utf8').split(/\r?\n/);
        same('first line of the playlist', lines[0], '#EXTM3U');
        return lines.filter((line) => line !== '' && !line.startsWith('#'));
      },
    });
    if (playlist === null) return false;
    const segments: Buffer[] = [];
    for (const segment of playlist.value) {
      const target = new URL(segment, `http://stream.invalid${path}`);
      const asked = await this.#asker.ask({
        ...get,
        path: `${target.pathname}${target.search}`,
        read: (answer) => withoutTag(answer),
      });
      if (asked === null) return false;
      segments.push(asked.value);
    }
    const whole = Buffer.concat(segments);
    if (whole.equals(bytes)) this.#tally.audioBytes += whole.length;
    else
      this.#tally.wrong(
        'play',
        null,
        `${segments.length} segments have ${whole.length} bytes that are not the file's ${bytes.length}`,
      );
    return whole.equals(bytes);
  }

  async #report(account: Account, { id, audio }: KnownTrack): Promise<void> {
    const play = { id: this.#random.uuid(), ms: this.#random.between(1, audio.durationMs) };
    const reported = await this.#asker.ask({
      operation: 'play',
      method: 'POST',
      path: `/api/v1/tracks/${id}/plays`,
      json: play,
      expect: [200, 201, 204],
      as: account,
      signedIn: true,
      read: nothing,
    });
    if (reported === null) return;
    await this.#asker.ask({
      operation: 'history',
      ...this.#get(account, '/api/v1/me/history'),
      read: (answer) => {
        const [newest] = readJson(found, answer).items;
        if (!JSON.stringify(newest ?? null).includes(id))
          throw new Mismatch(`the play of ${id} is not the newest in the history`);
      },
    });
  }

  #get(account: Account, path: string) {
    return { method: 'GET', path, expect: [200], as: account, signedIn: true } as const;
  }
}

/** Where a URL that the platform gives leads to on the same host. */
function pathOf(url: string): string {
  const { pathname, search } = new URL(url, 'http://stream.invalid');
  return `${pathname}${search}`;
}

/** Audio after its ID3v2 tag (ID3 2.4.0, 3.1: the size is four times seven bits). */
function withoutTag({ bytes }: Answer): Buffer {
  if (bytes.subarray(0, 3).toString('latin1') !== 'ID3') throw new Mismatch('a segment without an ID3 tag');
  const size = [...bytes.subarray(6, 10)].reduce((sum, byte) => sum * 128 + (byte & 0x7f), 0);
  return bytes.subarray(10 + size);
}
