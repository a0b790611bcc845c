import { randomUUID } from 'node:crypto';
import { sql, type Kysely } from 'kysely';
import {
  ERASURE_STEPS,
  LeaseLost,
  type ErasureJournal,
  type ErasureState,
  type ErasureStep,
  type LeasedErasure,
} from '../people/erasure.ts';
import type { Subjects } from '../people/subject.ts';
import type { ApiTables } from './schema.ts';

/** Milliseconds. */
export interface ErasureTimes {
  /** how long an instance that died keeps the others from going on */
  readonly leaseMs: number;
  /** after an erasure, until its steps are done once more: longer than an access token is taken */
  readonly settleMs: number;
  /** before a step that failed is tried again; doubles with each failure, up to five minutes */
  readonly retryMs: number;
}

export const ERASURE_TIMES: ErasureTimes = { leaseMs: 30_000, settleMs: 16 * 60_000, retryMs: 1000 };

export interface ErasureReport {
  readonly id: string;
  readonly state: ErasureState;
  readonly requestedAt: string;
  readonly erasedAt: string | null;
}

/** A line of the ledger, as it is kept outside of the database for a restore. */
export interface LedgerEntry {
  readonly id: string;
  readonly subject: string;
  readonly requestedAt: string;
  readonly erasedAt: string | null;
}

const MOST_RETRY_MS = 300_000;

/** The journal of erasures in api's schema. All times are the database's. */
export class PeopleJournal implements ErasureJournal {
  readonly #db: Kysely<ApiTables>;
  readonly #subjects: Subjects;
  readonly #times: ErasureTimes;

  constructor(db: Kysely<ApiTables>, subjects: Subjects, times: ErasureTimes) {
    this.#db = db;
    this.#subjects = subjects;
    this.#times = times;
  }

  /** Writes down that somebody is to be erased; the same erasure when it was written down before. */
  async begin(personId: string): Promise<ErasureReport> {
    const row = await this.#db
      .insertInto('erasures')
      .values({
        id: randomUUID(),
        subject: this.#subjects.of(personId),
        sealed_person: this.#subjects.seal(personId).toString('base64'),
        erased_at: null,
        settled_at: null,
        leased_until: null,
        failed_step: null,
      })
      .onConflict((conflict) =>
        conflict.column('subject').doUpdateSet({ subject: (row) => row.ref('excluded.subject') }),
      )
      .returning(['id', 'state', 'requested_at', 'erased_at'])
      .executeTakeFirstOrThrow();
    return reportOf(row);
  }

  /** Erases somebody again whose data came back with a restore. */
  async beginAgain(personId: string): Promise<ErasureReport> {
    await this.begin(personId);
    const row = await this.#db
      .updateTable('erasures')
      .set({
        sealed_person: this.#subjects.seal(personId).toString('base64'),
        state: 'running',
        done: '',
        settled_at: null,
        due_at: sql<Date>`now()`,
        leased_until: null,
        epoch: sql<number>`epoch + 1`,
      })
      .where('subject', '=', this.#subjects.of(personId))
      .returning(['id', 'state', 'requested_at', 'erased_at'])
      .executeTakeFirstOrThrow();
    return reportOf(row);
  }

  async find(id: string): Promise<ErasureReport | null> {
    const row = await this.#db
      .selectFrom('erasures')
      .select(['id', 'state', 'requested_at', 'erased_at'])
      .where('id', '=', id)
      .executeTakeFirst();
    return row === undefined ? null : reportOf(row);
  }

  /** The whole ledger, oldest first. */
  async *ledger(): AsyncGenerator<LedgerEntry> {
    let after = '00000000-0000-0000-0000-000000000000';
    for (;;) {
      const rows = await this.#db
        .selectFrom('erasures')
        .select(['id', 'subject', 'requested_at', 'erased_at'])
        .where('id', '>', after)
        .orderBy('id')
        .limit(500)
        .execute();
      for (const { id, subject, requested_at, erased_at } of rows) {
        yield { id, subject, requestedAt: requested_at.toISOString(), erasedAt: erased_at?.toISOString() ?? null };
        after = id;
      }
      if (rows.length < 500) return;
    }
  }

  /** Takes an entry over from a ledger that was kept elsewhere. Those that are here stay as they are. */
  async remember({ id, subject, requestedAt, erasedAt }: LedgerEntry): Promise<void> {
    await this.#db
      .insertInto('erasures')
      .values({
        id,
        subject,
        sealed_person: null,
        state: 'settled',
        requested_at: new Date(requestedAt),
        erased_at: erasedAt === null ? null : new Date(erasedAt),
        settled_at: new Date(requestedAt),
        leased_until: null,
        failed_step: null,
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }

  /** How many are not through the first round of steps. */
  async running(): Promise<number> {
    const { count } = await this.#db
      .selectFrom('erasures')
      .select((select) => select.fn.countAll<number>().as('count'))
      .where('state', '=', 'running')
      .executeTakeFirstOrThrow();
    return count;
  }

  async take(): Promise<LeasedErasure | null> {
    const { rows } = await sql<{
      id: string;
      sealed_person: string;
      state: 'running' | 'erased';
      done: string;
      epoch: number;
    }>`
      update erasures set leased_until = now() + ${this.#times.leaseMs}::float8 * interval '1 ms', epoch = epoch + 1
      where id = (
        select id from erasures
        where state <> 'settled' and due_at <= now() and (leased_until is null or leased_until < now())
        order by due_at limit 1 for update skip locked
      )
      returning id, sealed_person, state, done, epoch
    `.execute(this.#db);
    const [row] = rows;
    if (row === undefined) return null;
    const { id, state, epoch } = row;
    return {
      id,
      personId: this.#subjects.open(Buffer.from(row.sealed_person, 'base64')),
      state,
      done: new Set(ERASURE_STEPS.filter((step) => row.done.split(',').includes(step))),
      epoch,
    };
  }

  async stepDone(erasure: LeasedErasure, step: ErasureStep): Promise<void> {
    await this.#update(
      erasure,
      sql`done = done || ${`${step},`}, failures = 0, failed_step = null,
        leased_until = now() + ${this.#times.leaseMs}::float8 * interval '1 ms'`,
    );
  }

  async finish(erasure: LeasedErasure): Promise<void> {
    await this.#update(
      erasure,
      erasure.state === 'running'
        ? sql`state = 'erased', done = '', erased_at = coalesce(erased_at, now()), leased_until = null,
            due_at = now() + ${this.#times.settleMs}::float8 * interval '1 ms'`
        : sql`state = 'settled', done = '', settled_at = now(), leased_until = null, sealed_person = null`,
    );
  }

  async failed(erasure: LeasedErasure, step: ErasureStep): Promise<void> {
    await this.#update(
      erasure,
      sql`failures = failures + 1, failed_step = ${step}, leased_until = null, due_at = now() + least(
        ${MOST_RETRY_MS}::float8, ${this.#times.retryMs}::float8 * power(2, least(failures, 20))) * interval '1 ms'`,
    );
  }

  async #update({ id, epoch }: LeasedErasure, changes: ReturnType<typeof sql>): Promise<void> {
    const result = await sql`update erasures set ${changes} where id = ${id} and epoch = ${epoch}`.execute(this.#db);
    if (result.numAffectedRows !== 1n) throw new LeaseLost();
  }
}

function reportOf(row: {
  readonly id: string;
  readonly state: ErasureState;
  readonly requested_at: Date;
  readonly erased_at: Date | null;
}): ErasureReport {
  const { id, state } = row;
  return { id, state, requestedAt: row.requested_at.toISOString(), erasedAt: row.erased_at?.toISOString() ?? null };
}
