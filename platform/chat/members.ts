import { createHash } from 'node:crypto';
import { sql, type Kysely, type Transaction } from 'kysely';
import { eraseRows } from '../people/personal-data.ts';
import type { Room } from './message.ts';
import { personalData } from './personal-data.ts';
import type { ChatTables } from './schema.ts';

/** Longer than an access token lives: after it, nobody who was erased can come back with one. */
const DEPARTED_FOR = sql`interval '1 hour'`;

/** Who may take part. Whoever is admitted and whoever is erased at the same moment wait for each other. */
export class Members {
  readonly #db: Kysely<ChatTables>;

  constructor(db: Kysely<ChatTables>) {
    this.#db = db;
  }

  /** The name under which somebody is known here; null for somebody who was never here. */
  async nameOf(person: string): Promise<string | null> {
    const row = await this.#db.selectFrom('members').select('name').where('id', '=', person).executeTakeFirst();
    return row?.name ?? null;
  }

  /**
   * Makes somebody a member, or renames one.
   * @returns false when the person was erased
   */
  async admit(person: string, name: string): Promise<boolean> {
    return this.#db.transaction().execute(async (transaction) => {
      if (await departed(transaction, person)) return false;
      await transaction
        .insertInto('members')
        .values({ id: person, name })
        .onConflict((conflict) => conflict.column('id').doUpdateSet({ name }).where('members.name', '<>', name))
        .execute();
      return true;
    });
  }

  /** @returns null when the person was erased */
  async createRoom(person: string, room: { readonly id: string; readonly name: string }): Promise<Room | null> {
    return this.#db.transaction().execute(async (transaction) => {
      if (await departed(transaction, person)) return null;
      await transaction
        .insertInto('rooms')
        .values({ ...room, created_by: person })
        .execute();
      return { ...room, last: 0 };
    });
  }

  /** Those of the people given who are not members any more. */
  async missing(people: readonly string[]): Promise<string[]> {
    if (people.length === 0) return [];
    const { rows } = await sql<{ id: string }>`
      select id from unnest(${[...people]}::uuid[]) as asked (id)
      where not exists (select from members where members.id = asked.id)
    `.execute(this.#db);
    return rows.map(({ id }) => id);
  }

  /** Erases everything of a person in this schema; again and again if need be. */
  async erase(person: string): Promise<Readonly<Record<string, number>>> {
    return this.#db.transaction().execute(async (transaction) => {
      await lock(transaction, person);
      await transaction
        .insertInto('departures')
        .values({ subject: subjectOf(person) })
        .onConflict((conflict) => conflict.column('subject').doNothing())
        .execute();
      return eraseRows(transaction, personalData, person);
    });
  }

  async forgetDepartures(): Promise<void> {
    await this.#db
      .deleteFrom('departures')
      .where(sql<boolean>`at < now() - ${DEPARTED_FOR}`)
      .execute();
  }
}

async function departed(transaction: Transaction<ChatTables>, person: string): Promise<boolean> {
  await lock(transaction, person);
  const row = await transaction
    .selectFrom('departures')
    .select('at')
    .where('subject', '=', subjectOf(person))
    .executeTakeFirst();
  return row !== undefined;
}

async function lock(transaction: Transaction<ChatTables>, person: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`chat/${person}`}, 0))`.execute(transaction);
}

function subjectOf(person: string): Buffer {
  return createHash('sha256').update(`veza-chat-departure/${person}`).digest();
}
