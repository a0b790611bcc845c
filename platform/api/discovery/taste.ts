import type { Kysely } from 'kysely';
import { z } from 'zod';
import type { ApiTables } from '../schema.ts';
import type { Taste } from './ranking.ts';

/** How many of the last plays say what somebody likes. */
const PLAYS = 300;

/** A taste as it is kept: arrays, since JSON has neither maps nor sets. */
export const keptTaste = z.object({ genres: z.array(z.tuple([z.string(), z.number()])), heard: z.array(z.string()) });
export type KeptTaste = z.infer<typeof keptTaste>;

/** What somebody has listened to last, of which the ranking knows nothing more than genres and ids. */
export async function readTaste(db: Kysely<ApiTables>, personId: string): Promise<KeptTaste> {
  const plays = await db
    .selectFrom('plays')
    .innerJoin('tracks', 'tracks.id', 'plays.track_id')
    .select(['plays.track_id', 'tracks.genre'])
    .where('plays.person_id', '=', personId)
    .orderBy('plays.seq', 'desc')
    .limit(PLAYS)
    .execute();
  const counts = new Map<string, number>();
  for (const { genre } of plays) counts.set(genre, (counts.get(genre) ?? 0) + 1);
  return {
    genres: [...counts].map(([genre, count]): [string, number] => [genre, count / plays.length]),
    heard: [...new Set(plays.map((play) => play.track_id))],
  };
}

export function toTaste(kept: KeptTaste): Taste {
  return { genres: new Map(kept.genres), heard: new Set(kept.heard) };
}
