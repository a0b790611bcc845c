import { type Kysely, sql } from 'kysely';
import { z } from 'zod';
import { readCursor, writeCursor } from './cursor.ts';
import { id, written } from './fields.ts';
import type { ApiTables } from './schema.ts';
import { selectTracks, toView, trackView } from './tracks.ts';

export interface Play {
  readonly id: string;
  readonly personId: string;
  readonly trackId: string;
  readonly ms: number;
  readonly at: Date;
}

/** Records that somebody has listened. The same report again changes nothing. @returns false when there is no such track */
export async function recordPlay(db: Kysely<ApiTables>, play: Play): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await db
    .insertInto('plays')
    .columns(['id', 'person_id', 'track_id', 'ms', 'played_at'])
    .expression((select) =>
      select
        .selectFrom('tracks')
        .select([
          sql<string>`${play.id}::uuid`.as('id'),
          sql<string>`${play.personId}::uuid`.as('person_id'),
          'tracks.id as track_id',
          sql<number>`${play.ms}::integer`.as('ms'),
          sql<Date>`${play.at}::timestamptz`.as('played_at'),
        ])
        .where('tracks.id', '=', play.trackId)
        .where('tracks.state', '=', 'ready'),
    )
    .onConflict((conflict) => conflict.columns(['person_id', 'id']).doNothing())
    .executeTakeFirstOrThrow();
  if (numInsertedOrUpdatedRows === 1n) return true;
  const known = await db
    .selectFrom('plays')
    .select('track_id')
    .where('person_id', '=', play.personId)
    .where('id', '=', play.id)
    .executeTakeFirst();
  return known?.track_id === play.trackId;
}

export const history = z.object({
  items: z.array(z.object({ id, track: trackView, ms: z.number(), at: z.string() })),
  /** Give it as `before` to go on; null at the end. */
  next: z.string().nullable(),
});

const cursor = z.tuple([z.int().min(0)]);

/** What somebody has listened to, the latest first. */
export async function readHistory(
  db: Kysely<ApiTables>,
  personId: string,
  page: { readonly before: string | undefined; readonly limit: number },
): Promise<z.infer<typeof history>> {
  let query = selectTracks(db)
    .innerJoin('plays', 'plays.track_id', 'tracks.id')
    .where('plays.person_id', '=', personId)
    .where('tracks.state', '=', 'ready')
    .select(['plays.seq', 'plays.id as play_id', 'plays.ms', 'plays.played_at'])
    .orderBy('plays.seq', 'desc')
    .limit(page.limit + 1);
  if (page.before !== undefined) query = query.where('plays.seq', '<', readCursor(page.before, cursor)[0]);
  const rows = await query.execute();
  const shown = rows.slice(0, page.limit);
  const last = shown.at(-1);
  return {
    items: shown.map((row) => ({ id: row.play_id, track: toView(row), ms: row.ms, at: written(row.played_at) })),
    next: last === undefined || rows.length <= page.limit ? null : writeCursor([last.seq]),
  };
}
