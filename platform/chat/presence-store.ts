import { sql, type Kysely } from 'kysely';
import type { ChatTables } from './schema.ts';

export interface Whereabouts {
  readonly room: string;
  readonly person: string;
}

/** Who is in which room by which instance, until when. All times are the database's, so clocks of machines do not matter. */
export class PresenceStore {
  readonly #db: Kysely<ChatTables>;
  readonly #instance: string;

  /** @param instance a UUID of this process */
  constructor(db: Kysely<ChatTables>, instance: string) {
    this.#db = db;
    this.#instance = instance;
  }

  /** They are here for so many milliseconds from now. People who are not members are left out. */
  async keep(here: readonly Whereabouts[], forMs: number): Promise<void> {
    if (here.length === 0) return;
    // In one order, so that two statements never wait for each other in a circle.
    const sorted = here.toSorted((a, b) => compare(a.room, b.room) || compare(a.person, b.person));
    await sql`
      insert into presence (room, person, instance, until)
      select here.room, here.person, ${this.#instance}::uuid, now() + ${forMs}::double precision * interval '1 millisecond'
      from unnest(${sorted.map(({ room }) => room)}::uuid[], ${sorted.map(({ person }) => person)}::uuid[])
        with ordinality as here (room, person, place)
      join members on members.id = here.person
      order by place
      on conflict (room, person, instance) do update set until = excluded.until
    `.execute(this.#db);
  }

  /** They are not here any more, as far as this instance knows. */
  async drop({ room, person }: Whereabouts): Promise<void> {
    await this.#db
      .deleteFrom('presence')
      .where('room', '=', room)
      .where('person', '=', person)
      .where('instance', '=', this.#instance)
      .execute();
  }

  /** Who is in these rooms by any instance. */
  async present(rooms: readonly string[]): Promise<Map<string, Set<string>>> {
    const present = new Map(rooms.map((room) => [room, new Set<string>()]));
    if (rooms.length === 0) return present;
    const rows = await this.#db
      .selectFrom('presence')
      .select(['room', 'person'])
      .distinct()
      .where(sql<boolean>`room = any(${[...rooms]}::uuid[])`)
      .where(sql<boolean>`until > now()`)
      .execute();
    for (const { room, person } of rows) present.get(room)?.add(person);
    return present;
  }

  /** Deletes what expired, of all instances. */
  async sweep(): Promise<void> {
    await sql`
      delete from presence where (room, person, instance) in (
        select room, person, instance from presence where until < now() - interval '1 minute' for update skip locked
      )`.execute(this.#db);
  }
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
