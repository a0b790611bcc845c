import type { Kysely } from 'kysely';
import { z } from 'zod';
import { id, languageTag, line, paragraphs } from './fields.ts';
import type { ApiTables, Gender } from './schema.ts';
import { changedMeanwhile } from './version-tag.ts';

/** What a person says about themselves. */
export const profileSettings = z.strictObject({
  displayName: line(80),
  bio: paragraphs(2000),
  language: languageTag,
  /** Left out or null: not told. Shown to nobody but the person. */
  gender: z.enum(['woman', 'man', 'non-binary']).nullish(),
});
export type ProfileSettings = z.infer<typeof profileSettings>;

export const ownProfile = z.object({
  id,
  displayName: z.string(),
  bio: z.string(),
  language: z.string(),
  gender: z.enum(['woman', 'man', 'non-binary']).nullable(),
});
export type OwnProfile = z.infer<typeof ownProfile>;

/** What everybody may see. */
export const publicProfile = z.object({ id, displayName: z.string(), bio: z.string(), language: z.string() });
export type PublicProfile = z.infer<typeof publicProfile>;

const UNTOLD = { displayName: 'Somebody', bio: '', language: 'en', gender: null } as const;

/** A person's own profile and its version; version 0 of somebody who has told nothing yet. */
export async function readOwnProfile(
  db: Kysely<ApiTables>,
  personId: string,
): Promise<{ readonly profile: OwnProfile; readonly version: number }> {
  const row = await db
    .selectFrom('profiles')
    .select(['display_name', 'bio', 'language', 'gender', 'version'])
    .where('person_id', '=', personId)
    .executeTakeFirst();
  if (row === undefined) return { profile: { id: personId, ...UNTOLD }, version: 0 };
  const { display_name: displayName, bio, language, gender, version } = row;
  return { profile: { id: personId, displayName, bio, language, gender }, version };
}

/** What everybody may see of a person; null for somebody who has told and published nothing. */
export async function readPublicProfile(db: Kysely<ApiTables>, personId: string): Promise<PublicProfile | null> {
  const row = await db
    .selectFrom('profiles')
    .select(['display_name', 'bio', 'language'])
    .where('person_id', '=', personId)
    .executeTakeFirst();
  return row === undefined
    ? null
    : { id: personId, displayName: row.display_name, bio: row.bio, language: row.language };
}

/**
 * Replaces a person's profile, if it is one of the versions that the new one was made for.
 *
 * @param versions null for any
 * @throws Problem 412 `changed-meanwhile`
 */
export async function writeProfile(
  db: Kysely<ApiTables>,
  personId: string,
  settings: ProfileSettings,
  versions: readonly number[] | null,
  now: Date,
): Promise<void> {
  const gender: Gender | null = settings.gender ?? null;
  const values = { display_name: settings.displayName, bio: settings.bio, language: settings.language, gender };
  await db.transaction().execute(async (transaction) => {
    if (versions === null || versions.includes(0)) {
      const made = await transaction
        .insertInto('profiles')
        .values({ person_id: personId, ...values, created_at: now, updated_at: now })
        .onConflict((conflict) => conflict.column('person_id').doNothing())
        .executeTakeFirst();
      if (made.numInsertedOrUpdatedRows === 1n) return;
    }
    let update = transaction
      .updateTable('profiles')
      .set((row) => ({ ...values, version: row('version', '+', 1), updated_at: now }))
      .where('person_id', '=', personId);
    if (versions !== null) update = update.where('version', 'in', versions.length === 0 ? [-1] : versions);
    const changed = await update.executeTakeFirst();
    if (changed.numUpdatedRows === 1n) return;
    throw changedMeanwhile((await readOwnProfile(transaction, personId)).version);
  });
}

/** Makes sure that there is a profile to publish tracks under, of version 0: nothing has been told. Changes none that is there. */
export async function ensureProfile(db: Kysely<ApiTables>, personId: string): Promise<void> {
  await db
    .insertInto('profiles')
    .values({ person_id: personId, display_name: UNTOLD.displayName, version: 0 })
    .onConflict((conflict) => conflict.column('person_id').doNothing())
    .execute();
}
