import { z } from 'zod';
import type { ApiParts } from '../parts.ts';
import { readTracks, trackView } from '../tracks.ts';
import { PERIOD_MS } from './pool.ts';
import { rank } from './ranking.ts';
import { keptTaste, readTaste, toTaste } from './taste.ts';

/** Tracks on a page. */
export const PAGE = 20;
/** Drawn beside, in case that some have been removed since the pool was read. */
const SPARE = 10;
const TASTE_TTL_MS = 60_000;

export const discovered = z.object({
  items: z.array(
    z.object({
      track: trackView,
      score: z.number(),
      because: z.array(
        z.object({
          reason: z.enum(['your-turn', 'genre-you-play', 'not-heard-yet', 'new-release']),
          points: z.number(),
        }),
      ),
    }),
  ),
});

/**
 * A page of tracks to discover, the same for a person for an hour unless they listen to something meanwhile. How it is made,
 * and that nobody is favoured: docs/discovery.md.
 *
 * @param language only tracks in that language; null for all
 */
export async function discover(
  parts: Pick<ApiParts, 'database' | 'remembered' | 'cacheKeys' | 'clock' | 'pools'>,
  personId: string,
  language: string | null,
): Promise<z.infer<typeof discovered>> {
  const { database, remembered, cacheKeys, clock, pools } = parts;
  const tasteKey = cacheKeys.taste(personId);
  const [pool, taste] = await Promise.all([
    pools.get(language),
    remembered.get(tasteKey, TASTE_TTL_MS, keptTaste, () => readTaste(database.read, personId)),
  ]);
  const nowMs = clock();
  const ranked = rank(
    pool.filter((track) => track.artistId !== personId),
    toTaste(taste),
    { seed: `${tasteKey}\n${Math.floor(nowMs / PERIOD_MS)}`, nowMs, count: PAGE + SPARE },
  );
  const found = await readTracks(
    database.read,
    ranked.map(({ id }) => id),
  );
  const byId = new Map(found.map((track) => [track.id, track]));
  const items = ranked.flatMap(({ id, score, because }) => {
    const track = byId.get(id);
    return track === undefined ? [] : [{ track, score, because: [...because] }];
  });
  return { items: items.slice(0, PAGE) };
}
