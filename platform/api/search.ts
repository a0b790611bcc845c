import { type Kysely, sql } from 'kysely';
import { z } from 'zod';
import { readCursor, writeCursor } from './cursor.ts';
import { id } from './fields.ts';
import type { ApiTables } from './schema.ts';
import { selectTracks, toView, trackView } from './tracks.ts';

export const searchPage = z.object({
  items: z.array(trackView),
  /** Give it as `cursor` to go on; null at the end. */
  next: z.string().nullable(),
});

const cursor = z.tuple([z.int().min(0).max(2), z.string().regex(/^[0-9a-f]{32}$/), id]);

/**
 * Ready tracks of which every word of the question begins a word of title, genre or artist's name; without case, accents and
 * punctuation. First those with that very title, then those whose title begins so, then the rest. Among equals the order is
 * that of a hash of question and id: it is the same on every page, and no id, age or artist is always first.
 */
export async function searchTracks(
  db: Kysely<ApiTables>,
  question: string,
  page: { readonly cursor: string | undefined; readonly limit: number },
): Promise<z.infer<typeof searchPage>> {
  const folded = sql<string>`fold(${question}::text)`;
  const some = sql`any_word(${folded})`;
  const title = sql<string>`fold(tracks.title)`;
  const closeness = sql<number>`CASE WHEN ${title} = ${folded} THEN 2 WHEN starts_with(${title}, ${folded}) THEN 1 ELSE 0 END`;
  const turn = sql<string>`md5(${folded} || tracks.id::text)`;

  // Both indexes find who has some of the words; only of these is looked whether they have all of them between them.
  const candidates = sql<string>`(
    SELECT t.id FROM tracks t WHERE t.search @@ ${some}
    UNION SELECT t.id FROM tracks t JOIN profiles p ON p.person_id = t.artist_id WHERE p.search @@ ${some}
  )`;

  let query = selectTracks(db)
    .where('tracks.state', '=', 'ready')
    .where(sql<boolean>`tracks.id IN ${candidates}`)
    .where(sql<boolean>`(tracks.search || profiles.search) @@ all_words(${folded})`)
    .select([closeness.as('closeness'), turn.as('turn')])
    .orderBy(closeness, 'desc')
    .orderBy(turn)
    .orderBy('tracks.id')
    .limit(page.limit + 1);
  if (page.cursor !== undefined) {
    const [afterCloseness, afterTurn, afterId] = readCursor(page.cursor, cursor);
    query = query.where(
      sql<boolean>`(-(${closeness}), ${turn}, tracks.id) > (${-afterCloseness}::integer, ${afterTurn}::text, ${afterId}::uuid)`,
    );
  }
  const rows = await query.execute();
  const shown = rows.slice(0, page.limit);
  const last = shown.at(-1);
  return {
    items: shown.map(toView),
    next: last === undefined || rows.length <= page.limit ? null : writeCursor([last.closeness, last.turn, last.id]),
  };
}
