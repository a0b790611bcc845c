import { sql, type Kysely } from 'kysely';
import type { Message, Room, Saying, SayingOutcome } from './message.ts';
import type { ChatTables } from './schema.ts';

/**
 * Rooms and their messages in PostgreSQL. Everything reads from the primary: a replica that is a second behind would answer
 * that a message just acknowledged is not there.
 */
export class Rooms {
  readonly #db: Kysely<ChatTables>;

  constructor(db: Kysely<ChatTables>) {
    this.#db = db;
  }

  /** @param after the id of the last room of the page before */
  async list(options: { readonly after?: string | undefined; readonly limit: number }): Promise<Room[]> {
    let query = this.#db.selectFrom('rooms').select(['id', 'name', 'last_seq']);
    const { after } = options;
    if (after !== undefined) {
      query = query.where(
        sql<boolean>`(created_at, id) > (select created_at, id from rooms where id = ${after}::uuid)`,
      );
    }
    const rows = await query.orderBy('created_at').orderBy('id').limit(options.limit).execute();
    return rows.map(({ id, name, last_seq }) => ({ id, name, last: last_seq }));
  }

  /** The number of the newest message of each room; rooms that do not exist are not in it. */
  async last(rooms: readonly string[]): Promise<Map<string, number>> {
    if (rooms.length === 0) return new Map();
    const rows = await this.#db
      .selectFrom('rooms')
      .select(['id', 'last_seq'])
      .where(sql<boolean>`id = any(${[...rooms]}::uuid[])`)
      .execute();
    return new Map(rows.map(({ id, last_seq }) => [id, last_seq]));
  }

  /** Up to `limit` messages that come after number `after`, in order. */
  async messages(room: string, after: number, limit: number): Promise<Message[]> {
    const rows = await this.#db
      .selectFrom('messages')
      .leftJoin('members', 'members.id', 'messages.author')
      .select([
        'messages.seq',
        'messages.id',
        'messages.author',
        'messages.text',
        'messages.at',
        'members.name as name',
      ])
      .where('messages.room', '=', room)
      .where('messages.seq', '>', after)
      .orderBy('messages.seq')
      .limit(limit)
      .execute();
    return rows.map(({ seq, id, author, name, text, at }) => {
      return { room, seq: seq, id, author, name: name ?? '', text, at: at.toISOString() };
    });
  }

  /**
   * Stores what was said, in the order given, and says under which numbers. The room's row is locked from the first statement
   * to the commit: whoever sees a number sees all numbers before it. Said again with the same author and id, the first number
   * is the answer.
   */
  async say(room: string, sayings: readonly Saying[]): Promise<SayingOutcome[]> {
    return this.#db.transaction().execute(async (transaction) => {
      const locked = await transaction
        .selectFrom('rooms')
        .select('last_seq')
        .where('id', '=', room)
        .forNoKeyUpdate()
        .executeTakeFirst();
      if (locked === undefined) return sayings.map(() => ({ outcome: 'no-room' }));

      const authors = [...new Set(sayings.map(({ author }) => author))];
      const members = await transaction
        .selectFrom('members')
        .select('id')
        .where(sql<boolean>`id = any(${authors}::uuid[])`)
        .forKeyShare() // whoever erases one of them waits until these messages are there to be erased
        .execute();
      const known = new Set(members.map(({ id }) => id));
      const earlier = await transaction
        .selectFrom('messages')
        .select(['author', 'id', 'seq'])
        .where('room', '=', room)
        .where(sql<boolean>`author = any(${authors}::uuid[])`)
        .where(sql<boolean>`id = any(${sayings.map(({ id }) => id)}::uuid[])`)
        .execute();
      const seqOf = new Map(earlier.map(({ author, id, seq }) => [`${author}/${id}`, seq]));

      const first = locked.last_seq + 1;
      const fresh: Saying[] = [];
      const outcomes = sayings.map((saying): SayingOutcome => {
        if (!known.has(saying.author)) return { outcome: 'no-member' };
        const key = `${saying.author}/${saying.id}`;
        const seq = seqOf.get(key) ?? first + fresh.length;
        if (seq === first + fresh.length) {
          fresh.push(saying);
          seqOf.set(key, seq);
        }
        return { outcome: 'said', seq };
      });
      if (fresh.length > 0) await insert(transaction, room, first, fresh);
      return outcomes;
    });
  }
}

async function insert(
  transaction: Kysely<ChatTables>,
  room: string,
  first: number,
  sayings: readonly Saying[],
): Promise<void> {
  const ids = sayings.map(({ id }) => id);
  const authors = sayings.map(({ author }) => author);
  const texts = sayings.map(({ text }) => text);
  await sql`
    insert into messages (room, seq, id, author, text, at)
    select ${room}::uuid, ${first}::bigint + place - 1, id, author, text, clock_timestamp()
    from unnest(${ids}::uuid[], ${authors}::uuid[], ${texts}::text[]) with ordinality as said (id, author, text, place)
  `.execute(transaction);
  await transaction
    .updateTable('rooms')
    .set({ last_seq: first + sayings.length - 1 })
    .where('id', '=', room)
    .execute();
}
