import type { PostgresCursor, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import type { PoolClient } from 'pg';
import { inSpan } from '../kit/trace.ts';
import { asProblem, classify } from './failures.ts';
import { summarise, type StatementNames } from './statement.ts';

export interface ClientOptions {
  readonly role: 'primary' | 'replica';
  readonly schema: string;
  /** null: no prepared statements */
  readonly names: StatementNames | null;
  /** sent before each transaction when the connection cannot keep its own settings: behind PgBouncer */
  readonly prelude: string | null;
  readonly noteAnswer: () => void;
}

/**
 * A connection that was taken from the pool: errors of a database that is away become problems, statements have spans and
 * names, and behind a PgBouncer that shares connections between transactions every statement finds its schema.
 */
export class Client implements PostgresPoolClient {
  readonly #client: PoolClient;
  readonly #options: ClientOptions;
  #inTransaction = false;
  #isBroken = false;

  constructor(client: PoolClient, options: ClientOptions) {
    this.#client = client;
    this.#options = options;
  }

  get inTransaction(): boolean {
    return this.#inTransaction;
  }

  query<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>;
  query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>;
  query<R>(
    first: string | PostgresCursor<R>,
    parameters: readonly unknown[] = [],
  ): Promise<PostgresQueryResult<R>> | PostgresCursor<R> {
    return typeof first === 'string' ? this.#spanned<R>(first, parameters) : this.#cursor(first);
  }

  release(destroy = false): void {
    this.#client.release(destroy || this.#isBroken);
  }

  #spanned<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>> {
    const { operation, table } = summarise(sql);
    return inSpan(
      table === null ? operation : `${operation} ${table}`,
      'client',
      {
        'db.system.name': 'postgresql',
        'db.namespace': this.#options.schema,
        'db.operation.name': operation,
        'db.role': this.#options.role,
        ...(table !== null && { 'db.collection.name': table }),
      },
      async (span) => {
        try {
          const result = await this.#run<R>(operation, sql, parameters);
          this.#options.noteAnswer();
          span?.setAttribute('db.response.returned_rows', result.rows.length);
          return result;
        } catch (error) {
          throw this.#failed(error);
        }
      },
    );
  }

  async #run<R>(operation: string, sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>> {
    const { prelude, names } = this.#options;
    switch (operation) {
      case 'begin':
      case 'start': {
        const result = await this.#send<R>(sql, parameters);
        this.#inTransaction = true;
        if (prelude !== null) await this.#client.query(prelude);
        return result;
      }
      case 'commit':
      case 'rollback': {
        // `rollback to savepoint` goes on
        if (!/^\s*rollback\s+to\b/i.test(sql)) this.#inTransaction = false;
        return await this.#send<R>(sql, parameters);
      }
      default:
        break;
    }
    if (this.#inTransaction) return await this.#send<R>(sql, parameters);
    if (prelude !== null) return await this.#inOwnTransaction<R>(prelude, sql, parameters);
    const name = names === null || parameters.length === 0 ? null : names.of(sql);
    if (name === null) return await this.#send<R>(sql, parameters);
    try {
      return await this.#send<R>(sql, parameters, name);
    } catch (error) {
      // A migration changed what the statement gives. It was refused before it did anything: once more, without the name.
      if (classify(error) !== 'stale-plan') throw error;
      this.#isBroken = true; // its prepared statements are of the old schema; a new connection has none
      return await this.#send<R>(sql, parameters);
    }
  }

  async #send<R>(sql: string, parameters: readonly unknown[], name?: string): Promise<PostgresQueryResult<R>> {
    const values = [...parameters];
    const result = await this.#client.query(name === undefined ? { text: sql, values } : { text: sql, values, name });
    return result as unknown as PostgresQueryResult<R>;
  }

  async #inOwnTransaction<R>(
    prelude: string,
    sql: string,
    parameters: readonly unknown[],
  ): Promise<PostgresQueryResult<R>> {
    await this.#client.query(`begin; ${prelude}`);
    try {
      const result = await this.#send<R>(sql, parameters);
      await this.#client.query('commit');
      return result;
    } catch (error) {
      if (classify(error) !== 'away') await this.#client.query('rollback').catch(() => void (this.#isBroken = true));
      throw error;
    }
  }

  /** A cursor behind PgBouncer needs a transaction around it, or its rows come from another connection. */
  #cursor<R>(cursor: PostgresCursor<R>): PostgresCursor<R> {
    const { prelude } = this.#options;
    const isOwn = prelude !== null && !this.#inTransaction;
    // `pg` sends what is queued in order; that it failed is heard from the cursor.
    if (isOwn) this.#client.query(`begin; ${prelude}`).catch(() => undefined);
    const sent = this.#client.query(cursor as never) as unknown as PostgresCursor<R>;
    return {
      read: async (count) => {
        try {
          const rows = await sent.read(count);
          this.#options.noteAnswer();
          return rows;
        } catch (error) {
          throw this.#failed(error);
        }
      },
      close: async () => {
        try {
          await sent.close();
          if (isOwn) await this.#client.query('commit');
        } catch (error) {
          throw this.#failed(error);
        }
      },
    };
  }

  #failed(error: unknown): unknown {
    if (classify(error) === 'away') this.#isBroken = true;
    return asProblem(error);
  }
}
