import { type Kysely, sql } from 'kysely';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { Remembered } from '../../cache/remember.ts';
import type { CacheKeys } from '../cache-keys.ts';
import type { ApiTables } from '../schema.ts';
import type { Candidate } from './ranking.ts';

/** Tracks that are drawn from at most. Of a larger catalogue it is another sample every period. */
export const POOL_SIZE = 1_000;
/** How long a sample stays the same, and with it what is drawn from it for a person. */
export const PERIOD_MS = 60 * 60 * 1000;
/** How long a new track may be missing. One that was removed is missing at once: what is shown is read afresh. */
const POOL_TTL_MS = 60_000;
const HELD_MS = 5_000;

const rows = z.array(z.tuple([z.string(), z.string(), z.string(), z.number()]));
type Rows = z.infer<typeof rows>;

/** Samples of the catalogue to draw from. */
export class Pools {
  readonly #database: { readonly read: Kysely<ApiTables> };
  readonly #remembered: Remembered;
  readonly #keys: CacheKeys;
  readonly #clock: () => number;
  // Reading a thousand tracks out of a text takes longer than ranking them: what was read is held for some seconds.
  readonly #held = new LRUCache<string, { readonly candidates: Promise<readonly Candidate[]>; readonly until: number }>(
    {
      max: 50,
    },
  );

  constructor(parts: {
    readonly database: { readonly read: Kysely<ApiTables> };
    readonly remembered: Remembered;
    readonly cacheKeys: CacheKeys;
    readonly clock: () => number;
  }) {
    this.#database = parts.database;
    this.#remembered = parts.remembered;
    this.#keys = parts.cacheKeys;
    this.#clock = parts.clock;
  }

  /** @param language only tracks in that language; null for all */
  get(language: string | null): Promise<readonly Candidate[]> {
    const now = this.#clock();
    const period = Math.floor(now / PERIOD_MS);
    const key = this.#keys.pool(language, period);
    const held = this.#held.get(key);
    if (held !== undefined && now < held.until) return held.candidates;
    const candidates = this.#remembered
      .get(key, POOL_TTL_MS, rows, () => samplePool(this.#database.read, language, String(period)))
      .then((found) => found.map(([id, artistId, genre, publishedAt]) => ({ id, artistId, genre, publishedAt })));
    const entry = { candidates, until: now + HELD_MS };
    this.#held.set(key, entry);
    // Nobody is told of a failure twice: the next one who asks tries again.
    candidates.catch(() => {
      if (this.#held.peek(key) === entry) this.#held.delete(key);
    });
    return candidates;
  }
}

/** A sample in which every ready track has the same chance to be, whatever its id, age, artist or language. */
async function samplePool(db: Kysely<ApiTables>, language: string | null, seed: string): Promise<Rows> {
  let query = db
    .selectFrom('tracks')
    .select(['id', 'artist_id', 'genre', 'published_at'])
    .where('state', '=', 'ready')
    .orderBy(sql`md5(${seed}::text || id::text)`)
    .limit(POOL_SIZE);
  if (language !== null) query = query.where('language', '=', language);
  const found = await query.execute();
  return found.map((row) => [row.id, row.artist_id, row.genre, row.published_at?.getTime() ?? 0]);
}
