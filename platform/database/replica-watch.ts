import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../kit/log.ts';
import type { Metrics } from '../kit/metrics.ts';
import type { Pool } from './pool.ts';
import { parseLsn, ReplicaLag } from './replica-lag.ts';

/** Reads come from the primary when the replica is further behind than this, in milliseconds. */
export const LAG_AT_MOST_MS = 5000;
const ASK_EVERY_MS = 1000;

interface WatchOptions {
  readonly primary: Pool;
  readonly replica: Pool;
  readonly metrics: Metrics;
  readonly log: Log;
  /** milliseconds that never go back */
  readonly now?: () => number;
}

/** Knows whether reads may go to the replica now: asked once a second, and told when a read found it away. */
export class ReplicaWatch {
  readonly #options: WatchOptions;
  readonly #lag = new ReplicaLag();
  readonly #closed = new AbortController();
  readonly #running: Promise<void>;
  #lagMs = Number.POSITIVE_INFINITY;
  #isUsable = false;
  #wasTold = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    options.metrics.gauge({
      name: 'db_replica_lag_seconds',
      help: 'Upper bound of the age of the replica’s data; +Inf when it is away.',
      collect: (gauge) => gauge.set(this.#lagMs / 1000),
    });
    this.#running = this.#run();
  }

  get isUsable(): boolean {
    return this.#isUsable;
  }

  /** A read found the replica away: none is sent there until it answers again. */
  foundAway(): void {
    this.#set(Number.POSITIVE_INFINITY);
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      this.#set(await this.#measure());
      await sleep(ASK_EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async #measure(): Promise<number> {
    const { primary, replica, now = () => performance.now() } = this.#options;
    const [, replayed] = await Promise.all([
      // The primary first, at the time before it was asked: the bound stays one.
      (async () => {
        const at = now();
        const place = await lsnOf(primary, 'select pg_current_wal_lsn()::text as lsn');
        if (place !== null) this.#lag.notePrimary(at, parseLsn(place));
      })(),
      lsnOf(replica, 'select pg_last_wal_replay_lsn()::text as lsn where pg_is_in_recovery()'),
    ]);
    return replayed === null ? Number.POSITIVE_INFINITY : this.#lag.lagMs(now(), parseLsn(replayed));
  }

  #set(lagMs: number): void {
    this.#lagMs = lagMs;
    const isUsable = lagMs <= LAG_AT_MOST_MS;
    if (isUsable === this.#isUsable && this.#wasTold) return;
    this.#isUsable = isUsable;
    this.#wasTold = true;
    const { log } = this.#options;
    if (isUsable) log.info({ role: 'replica', state: 'up' }, 'reads go to the replica');
    else if (lagMs === Number.POSITIVE_INFINITY)
      log.warn({ role: 'replica', state: 'away' }, 'reads go to the primary');
    else log.warn({ role: 'replica', state: 'behind', lagMs }, 'reads go to the primary');
  }
}

async function lsnOf(pool: Pool, sql: string): Promise<string | null> {
  try {
    return (await pool.run<{ lsn: string }>(sql))[0]?.lsn ?? null;
  } catch {
    return null;
  }
}
