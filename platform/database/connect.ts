import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import Cursor from 'pg-cursor';
import type { Log } from '../kit/log.ts';
import type { Metrics } from '../kit/metrics.ts';
import { Pool } from './pool.ts';
import { ReadPool, type Replica } from './read-pool.ts';
import { ReplicaWatch } from './replica-watch.ts';

export interface DatabaseOptions {
  readonly url: string;
  /** a streaming replica of it, for reads */
  readonly replicaUrl?: string | undefined;
  /** PostgreSQL schema of the service; the search path of its connections */
  readonly schema: string;
  /** connections at most, to each of the two; 8 by default */
  readonly pool?: number | undefined;
  /** false behind PgBouncer in transaction mode; true by default */
  readonly prepare?: boolean | undefined;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** A service's database. */
export interface Database<DB> {
  /** the primary: all that writes, and reads that must see what was just written */
  readonly write: Kysely<DB>;
  /** for reads that may be up to five seconds old: the replica when there is one and it is up to date, else the primary */
  readonly read: Kysely<DB>;
  /** Whether the primary answers: for `/readyz`. @throws what keeps it from answering */
  check(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** An answer as young as this, in milliseconds, tells that the database is there: a busy pool is not a dead database. */
const FRESH_MS = 1000;

/**
 * Opens a service's database. Nothing is connected until something is asked, and a database that is away makes a request fail
 * with problem 503 `database-unavailable` within two seconds (eleven for one that took a statement and does not answer).
 *
 * `bigint` columns come as numbers, `date` as text.
 */
export function connect<DB>(options: DatabaseOptions): Database<DB> {
  const { url, replicaUrl, schema, pool: size = 8, prepare = true, metrics, log } = options;
  const open = (role: 'primary' | 'replica', address: string): Pool =>
    new Pool({ role, url: address, schema, size, prepare, metrics, log });
  const primary = open('primary', url);
  let replica: Replica | null = null;
  if (replicaUrl !== undefined) {
    const pool = open('replica', replicaUrl);
    replica = { pool, watch: new ReplicaWatch({ primary, replica: pool, metrics, log }) };
  }
  const shared = { cursor: Cursor, controlClient: pg.Client as never };
  const write = new Kysely<DB>({ dialect: new PostgresDialect({ ...shared, pool: primary }) });
  const read = new Kysely<DB>({ dialect: new PostgresDialect({ ...shared, pool: new ReadPool(primary, replica) }) });
  return {
    write,
    read,
    async check(signal) {
      signal.throwIfAborted();
      if (performance.now() - primary.lastAnswer < FRESH_MS) return;
      await primary.run('select 1');
    },
    async close() {
      await replica?.watch.close();
      await Promise.all([primary.end(), replica?.pool.end()]);
      await Promise.all([write.destroy(), read.destroy()]);
    },
  };
}
