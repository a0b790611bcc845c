import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import type { Client } from './client.ts';
import { saysAway } from './failures.ts';
import type { Pool } from './pool.ts';
import type { ReplicaWatch } from './replica-watch.ts';
import { summarise, writes } from './statement.ts';

/** A replica and what is known of it. */
export interface Replica {
  readonly pool: Pool;
  readonly watch: ReplicaWatch;
}

/** For reads alone: connections to the replica while it is up to date, else to the primary. */
export class ReadPool implements PostgresPool {
  readonly #primary: Pool;
  readonly #replica: Replica | null;

  constructor(primary: Pool, replica: Replica | null) {
    this.#primary = primary;
    this.#replica = replica;
  }

  get options(): object {
    return this.#primary.options;
  }

  async connect(): Promise<PostgresPoolClient> {
    const replica = this.#replica;
    if (replica !== null && replica.watch.isUsable) {
      try {
        return new ReadClient(await replica.pool.connect(), { watch: replica.watch, primary: this.#primary });
      } catch {
        replica.watch.foundAway();
      }
    }
    return new ReadClient(await this.#primary.connect(), null);
  }

  /** Its pools are ended by whom they belong to. */
  end(): Promise<void> {
    return Promise.resolve();
  }
}

interface Fallback {
  readonly watch: ReplicaWatch;
  readonly primary: Pool;
}

class ReadClient implements PostgresPoolClient {
  #client: Client;
  #fallback: Fallback | null;

  constructor(client: Client, fallback: Fallback | null) {
    this.#client = client;
    this.#fallback = fallback;
  }

  query<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>;
  query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>;
  query<R>(
    first: string | PostgresCursor<R>,
    parameters: readonly unknown[] = [],
  ): Promise<PostgresQueryResult<R>> | PostgresCursor<R> {
    return typeof first === 'string' ? this.#read<R>(first, parameters) : this.#client.query(first);
  }

  release(destroy?: boolean): void {
    this.#client.release(destroy);
  }

  async #read<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>> {
    // It would work until there is a replica.
    if (writes(summarise(sql)))
      throw new TypeError('database.read is for reading: this statement needs database.write');
    const wasInTransaction = this.#client.inTransaction;
    try {
      return await this.#client.query<R>(sql, parameters);
    } catch (error) {
      const fallback = this.#fallback;
      if (fallback === null || wasInTransaction || !(saysAway(error) || isConflict(error))) throw error;
      // Reading twice does no harm.
      if (saysAway(error)) fallback.watch.foundAway();
      const client = await fallback.primary.connect();
      this.#client.release(saysAway(error));
      this.#client = client;
      this.#fallback = null;
      return await client.query<R>(sql, parameters);
    }
  }
}

/**
 * The replica had to give up a read so that it could go on replaying (40001 with that text).
 *
 * @see https://www.postgresql.org/docs/current/hot-standby.html#HOT-STANDBY-CONFLICT
 */
function isConflict(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '40001' && error.message.includes('recovery');
}
