import pg from 'pg';
import type { Log } from '../kit/log.ts';
import type { Metrics } from '../kit/metrics.ts';
import { Client } from './client.ts';
import { asProblem, saysAway } from './failures.ts';
import { StatementNames } from './statement.ts';

export interface PoolOptions {
  readonly role: 'primary' | 'replica';
  readonly url: string;
  /** PostgreSQL schema; a plain lower-case name */
  readonly schema: string;
  /** connections at most */
  readonly size: number;
  /** false behind PgBouncer in transaction mode: no prepared statements, and no settings that a connection would keep */
  readonly prepare: boolean;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Time until there is a connection, in milliseconds: waiting for a free one and making a new one. */
export const CONNECT_TIMEOUT_MS = 2000;
/** Time that the server lets a statement run, in milliseconds. */
export const STATEMENT_TIMEOUT_MS = 10_000;
/** The server can be stopped and not keep its own time. */
const ANSWER_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 1000;

const INT8: number = pg.types.builtins.INT8;
const DATE: number = pg.types.builtins.DATE;

/** int8 as a number when it is exact, date as text (a day has no time zone), the rest as `pg` has it. */
const types: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (format !== 'binary') {
      if (oid === INT8) return exactNumber;
      if (oid === DATE) return (text: string): string => text;
    }
    return pg.types.getTypeParser(oid, format) as (text: string) => unknown;
  },
};

function exactNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError('a bigint of the database is too large for a number');
  return value;
}

/** Connections to one server, counted and timed. */
export class Pool {
  readonly #pool: pg.Pool;
  readonly #options: PoolOptions;
  readonly #names: StatementNames | null;
  readonly #settings: string;
  readonly #wait: { observe(seconds: number): void };
  #prelude: string | null;
  #isPreludeSettled: boolean;
  #lastAnswer = Number.NEGATIVE_INFINITY;

  constructor(options: PoolOptions) {
    if (!/^[a-z_][a-z0-9_]{0,62}$/.test(options.schema)) throw new TypeError('a schema is a plain lower-case name');
    this.#options = options;
    this.#names = options.prepare ? new StatementNames() : null;
    this.#settings = `set local search_path to "${options.schema}"; set local statement_timeout to ${STATEMENT_TIMEOUT_MS}`;
    this.#prelude = options.prepare ? null : this.#settings;
    this.#isPreludeSettled = options.prepare;
    this.#pool = new pg.Pool(clientSettings(options));
    // An idle connection broke: the pool has dropped it, and the next request makes another.
    this.#pool.on('error', (error) => options.log.debug({ role: options.role, error }, 'an idle connection broke'));
    // One that breaks between two statements of a transaction belongs to nobody else: without a listener the error would end
    // the process. The transaction's next statement fails by itself.
    this.#pool.on('connect', (client) => void client.on('error', () => undefined));
    const { metrics, role } = options;
    this.#wait = metrics
      .histogram({
        name: 'db_pool_wait_seconds',
        help: 'Time until there was a connection.',
        labels: ['role'],
        buckets: [0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3],
      })
      .labels({ role });
    poolsOf(metrics).set(role, this.#pool);
  }

  /** Statements that may run at once. */
  get size(): number {
    return this.#options.size;
  }

  get options(): object {
    return this.#pool.options;
  }

  /** When a statement was last answered, on the clock of `performance.now`. */
  get lastAnswer(): number {
    return this.#lastAnswer;
  }

  /** @throws Problem 503 after two seconds at the latest */
  async connect(): Promise<Client> {
    const began = performance.now();
    let client: pg.PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      throw asProblem(error);
    } finally {
      this.#wait.observe((performance.now() - began) / 1000);
    }
    try {
      if (!this.#isPreludeSettled) await this.#settlePrelude(client);
    } catch (error) {
      client.release(true);
      throw asProblem(error);
    }
    return new Client(client, {
      role: this.#options.role,
      schema: this.#options.schema,
      names: this.#names,
      prelude: this.#prelude,
      noteAnswer: () => {
        this.#lastAnswer = performance.now();
      },
    });
  }

  /** Runs one statement. */
  async run<Row>(sql: string): Promise<readonly Row[]> {
    const client = await this.connect();
    let isAway = false;
    try {
      return (await client.query<Row>(sql, [])).rows;
    } catch (error) {
      isAway = saysAway(error);
      throw error;
    } finally {
      client.release(isAway);
    }
  }

  /** Ends once every connection was given back, or after five seconds. */
  async end(): Promise<void> {
    if (this.#pool.ending) return;
    let late: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => {
      late = setTimeout(resolve, 5000);
    });
    await Promise.race([this.#pool.end(), enough]);
    clearTimeout(late);
  }

  /** Where the role or PgBouncer's `connect_query` sets the search path, statements need no transaction of their own. */
  async #settlePrelude(client: pg.PoolClient): Promise<void> {
    const { rows } = await client.query<{ path: string | null }>('select current_schema() as path');
    if (rows[0]?.path === this.#options.schema) this.#prelude = null;
    this.#isPreludeSettled = true;
  }
}

function clientSettings({ url, schema, size, prepare, role }: PoolOptions): pg.PoolConfig {
  const address = new URL(url);
  const given = address.searchParams.get('options');
  address.searchParams.delete('options');
  return {
    connectionString: address.href,
    max: size,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: 30_000,
    query_timeout: ANSWER_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5000,
    application_name: `veza-${schema}-${role}`,
    types,
    // PgBouncer refuses connections that come with settings which it does not know.
    ...(prepare && {
      options: [given, `-c search_path=${schema}`].filter((one) => one !== null).join(' '),
      statement_timeout: STATEMENT_TIMEOUT_MS,
      idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS * 3,
    }),
  };
}

const pools = new WeakMap<Metrics, Map<string, pg.Pool>>();

/** The pools that a registry counts. One gauge has all of them, so it must know the ones that come later. */
function poolsOf(metrics: Metrics): Map<string, pg.Pool> {
  let known = pools.get(metrics);
  if (known === undefined) {
    const counted = new Map<string, pg.Pool>();
    known = counted;
    pools.set(metrics, counted);
    metrics.gauge({
      name: 'db_pool_connections',
      help: 'Connections to the database by state; waiting: requests for one.',
      labels: ['role', 'state'],
      collect(gauge) {
        for (const [role, pool] of counted) {
          gauge.set({ role, state: 'idle' }, pool.idleCount);
          gauge.set({ role, state: 'busy' }, pool.totalCount - pool.idleCount);
          gauge.set({ role, state: 'waiting' }, pool.waitingCount);
          gauge.set({ role, state: 'most' }, pool.options.max);
        }
      },
    });
  }
  return known;
}
