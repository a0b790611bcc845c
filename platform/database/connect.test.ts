import { sql, type Generated } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createLog } from '../kit/log.ts';
import { createMetrics, type Metrics } from '../kit/metrics.ts';
import { Problem } from '../kit/problem.ts';
import { freshDatabase, type FreshDatabase } from '../rig/fresh-database.ts';
import { startPgBouncer, type PgBouncer } from '../rig/pgbouncer.ts';
import { ask, startPostgres, startPostgresPair, type Postgres, type PostgresPair } from '../rig/postgres.ts';
import { connect, type Database, type DatabaseOptions } from './connect.ts';

interface Songs {
  readonly songs: { readonly id: Generated<number>; readonly title: string; readonly plays: number };
}

const log = createLog({ level: 'silent', base: {} });
const opened: Database<Songs>[] = [];
const watched: Metrics[] = [];

function open(options: Partial<DatabaseOptions> & { readonly url: string }): Database<Songs> & { metrics: Metrics } {
  const metrics = createMetrics({ service: 'test' });
  watched.push(metrics);
  const database = connect<Songs>({ schema: 'music', metrics, log, ...options });
  opened.push(database);
  return { ...database, metrics };
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((database) => database.close()));
  for (const metrics of watched.splice(0)) metrics.close();
});

const TABLE = `
  create schema music;
  create table music.songs (id bigint generated always as identity primary key, title text not null, plays bigint not null default 0);
  create schema other;
  create table other.songs (id bigint);
`;

async function failure(work: Promise<unknown>): Promise<{ readonly error: unknown; readonly tookMs: number }> {
  const began = performance.now();
  try {
    await work;
  } catch (error) {
    return { error, tookMs: performance.now() - began };
  }
  throw new Error('it did not fail');
}

async function until(condition: () => Promise<boolean>, withinMs = 15_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await condition().catch(() => false))) {
    if (performance.now() > deadline) throw new Error('it did not come about in time');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('a database', () => {
  let fresh: FreshDatabase;

  beforeAll(async () => {
    fresh = await freshDatabase();
    await ask(fresh.url, TABLE);
  });
  afterAll(() => fresh.drop());

  test('finds the tables of its schema, by builder and in raw SQL', async () => {
    const { write, read } = open({ url: fresh.url });
    await write.insertInto('songs').values({ title: 'one', plays: 3 }).execute();
    expect(await read.selectFrom('songs').select(['title', 'plays']).execute()).toEqual([{ title: 'one', plays: 3 }]);
    const { rows } = await sql<{ n: number }>`select count(*) as n from songs`.execute(read);
    expect(rows).toEqual([{ n: 1 }]);
  });

  test('gives a bigint as a number, and refuses one that a number cannot hold', async () => {
    const { write } = open({ url: fresh.url });
    const { rows } = await sql<{ n: number }>`select 9007199254740991::bigint as n`.execute(write);
    expect(rows).toEqual([{ n: Number.MAX_SAFE_INTEGER }]);
    await expect(sql`select 9007199254740993::bigint as n`.execute(write)).rejects.toThrow('too large');
  });

  test('gives a day as it is written, whatever the time zone', async () => {
    const { write } = open({ url: fresh.url });
    const { rows } = await sql<{ day: string }>`select date '2026-03-04' as day`.execute(write);
    expect(rows).toEqual([{ day: '2026-03-04' }]);
  });

  test('does not write through `read`, where it would work until there is a replica', async () => {
    const { read } = open({ url: fresh.url });
    await expect(read.insertInto('songs').values({ title: 'no', plays: 0 }).execute()).rejects.toThrow(
      'database.write',
    );
    await expect(sql`delete from songs`.execute(read)).rejects.toThrow('database.write');
  });

  test('goes on when a migration changes what a prepared statement gives', async () => {
    const { write } = open({ url: fresh.url, pool: 1 });
    const all = (): Promise<object[]> => write.selectFrom('songs').selectAll().where('plays', '>=', 0).execute();
    for (let time = 0; time < 3; time += 1) await all();
    await ask(fresh.url, 'alter table music.songs add column mood text');
    const songs = await all();
    expect(songs.every((song) => 'mood' in song)).toBe(true);
    await ask(fresh.url, 'alter table music.songs drop column mood');
    expect((await all()).some((song) => 'mood' in song)).toBe(false);
  });

  test('passes on what is wrong with a statement as it is', async () => {
    const { write } = open({ url: fresh.url });
    const { error } = await failure(sql`insert into songs (title, plays) values (null, 1)`.execute(write));
    expect(error).not.toBeInstanceOf(Problem);
    expect(error).toMatchObject({ code: '23502' });
  });

  test('says within two seconds that it is busy when every connection is taken', async () => {
    const { write } = open({ url: fresh.url, pool: 1 });
    const held = write.transaction().execute(() => new Promise((resolve) => setTimeout(resolve, 2600)));
    const { error, tookMs } = await failure(sql`select 1`.execute(write));
    expect(error).toMatchObject({ status: 503, code: 'database-unavailable' });
    expect(tookMs).toBeLessThan(2600);
    await held;
  });

  test('counts its connections and times the wait for one', async () => {
    const { write, metrics } = open({ url: fresh.url, pool: 3 });
    await sql`select 1`.execute(write);
    const { body } = await metrics.text();
    expect(body).toContain('db_pool_connections{role="primary",state="idle"} 1');
    expect(body).toContain('db_pool_connections{role="primary",state="most"} 3');
    expect(body).toMatch(/db_pool_wait_seconds_count\{role="primary"\} [1-9]/);
  });

  test('streams rows', async () => {
    const { write } = open({ url: fresh.url });
    await sql`insert into songs (title) select 'many' from generate_series(1, 250)`.execute(write);
    let rows = 0;
    for await (const _ of write.selectFrom('songs').selectAll().where('title', '=', 'many').stream(50)) rows += 1;
    expect(rows).toBe(250);
  });
});

describe('a database that dies', () => {
  let server: Postgres;

  beforeAll(async () => {
    server = await startPostgres();
    await ask(server.url, TABLE);
  });
  afterAll(() => server.stop());

  test('is a 503 with Retry-After at once when it was killed, and answers again by itself when it is back', async () => {
    const database = open({ url: server.url });
    await sql`select 1`.execute(database.write);
    await server.kill();
    const first = await failure(sql`select 1`.execute(database.write));
    const second = await failure(database.write.transaction().execute((trx) => sql`select 1`.execute(trx)));
    for (const { error, tookMs } of [first, second]) {
      expect(error).toMatchObject({ status: 503, code: 'database-unavailable', headers: { 'retry-after': '2' } });
      expect(tookMs).toBeLessThan(2500);
    }
    await server.start();
    await until(async () => (await sql`select 1`.execute(database.write)).rows.length === 1);
    await database.check(AbortSignal.timeout(1000));
  });

  test('gives up what waits for a server that stands still, and takes no new work for long', async () => {
    const database = open({ url: server.url, pool: 1 });
    await sql`select 1`.execute(database.write);
    server.pause();
    try {
      const [queued, inFlight] = await Promise.all([
        // It holds the one connection.
        new Promise<void>((resolve) => setImmediate(resolve)).then(() =>
          failure(sql`select 2`.execute(database.write)),
        ),
        failure(sql`select 1`.execute(database.write)),
      ]);
      expect(queued.error).toMatchObject({ status: 503, code: 'database-unavailable' });
      expect(queued.tookMs).toBeLessThan(3000);
      const { error, tookMs } = inFlight;
      expect(error).toMatchObject({ status: 503, code: 'database-unavailable' });
      expect(tookMs).toBeLessThan(12_500);
    } finally {
      server.resume();
    }
    await until(async () => (await sql`select 1`.execute(database.write)).rows.length === 1);
  });
});

describe('a database with a replica', () => {
  let pair: PostgresPair;

  beforeAll(async () => {
    pair = await startPostgresPair();
    await ask(pair.primary.url, TABLE);
  });
  afterAll(() => pair.stop());

  const servedBy = async (database: Database<Songs>): Promise<'primary' | 'replica'> => {
    const { rows } = await sql<{ replica: boolean }>`select pg_is_in_recovery() as replica`.execute(database.read);
    return rows[0]?.replica === true ? 'replica' : 'primary';
  };

  test('reads from the replica and writes to the primary', async () => {
    const database = open({ url: pair.primary.url, replicaUrl: pair.replica.url });
    await until(async () => (await servedBy(database)) === 'replica');
    await database.write.insertInto('songs').values({ title: 'replicated', plays: 0 }).execute();
    await until(async () => (await database.read.selectFrom('songs').selectAll().execute()).length === 1);
    expect(await servedBy(database)).toBe('replica');
  });

  test('reads from the primary while the replica is more than five seconds behind, and from the replica again after', async () => {
    const database = open({ url: pair.primary.url, replicaUrl: pair.replica.url });
    await until(async () => (await servedBy(database)) === 'replica');
    await pair.holdReplay();
    try {
      const writing = async (): Promise<void> => {
        await database.write.insertInto('songs').values({ title: 'newer', plays: 0 }).execute();
      };
      await until(async () => {
        await writing();
        return (await servedBy(database)) === 'primary';
      });
      const { body } = await database.metrics.text();
      expect(Number(/^db_replica_lag_seconds (\S+)$/m.exec(body)?.[1])).toBeGreaterThan(5);
    } finally {
      await pair.releaseReplay();
    }
    await until(async () => (await servedBy(database)) === 'replica');
  }, 40_000);

  test('loses no read when the replica is killed, and goes back to it when it is up again', async () => {
    const database = open({ url: pair.primary.url, replicaUrl: pair.replica.url });
    await until(async () => (await servedBy(database)) === 'replica');
    await pair.replica.kill();
    for (let time = 0; time < 5; time += 1) expect(await servedBy(database)).toBe('primary');
    await pair.replica.start();
    await until(async () => (await servedBy(database)) === 'replica');
  }, 40_000);

  test('still reads when the primary is killed', async () => {
    const database = open({ url: pair.primary.url, replicaUrl: pair.replica.url });
    await until(async () => (await servedBy(database)) === 'replica');
    await pair.primary.kill();
    try {
      expect(await servedBy(database)).toBe('replica');
      const { error } = await failure(sql`select 1`.execute(database.write));
      expect(error).toMatchObject({ status: 503, code: 'database-unavailable' });
    } finally {
      await pair.primary.start();
    }
    await until(async () => (await sql`select 1`.execute(database.write)).rows.length === 1);
  }, 40_000);
});

describe('a database behind PgBouncer in transaction mode', () => {
  let fresh: FreshDatabase;
  let bouncer: PgBouncer;

  beforeAll(async () => {
    fresh = await freshDatabase();
    await ask(fresh.url, TABLE);
    // Two connections for everybody: statements that follow each other get different ones.
    bouncer = await startPgBouncer(fresh.url, 2);
  });
  afterAll(async () => {
    await bouncer.stop();
    await fresh.drop();
  });

  test('every statement of many clients at once finds its schema', async () => {
    const music = open({ url: bouncer.url, prepare: false });
    const other = open({ url: bouncer.url, prepare: false, schema: 'other' });
    await music.write.insertInto('songs').values({ title: 'bounced', plays: 1 }).execute();
    const counts = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const { rows } = await sql<{ n: number }>`select count(*) as n from songs where id >= ${0}`.execute(
          index % 2 === 0 ? music.write : other.write,
        );
        return rows[0]?.n;
      }),
    );
    expect(counts).toEqual(Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? 1 : 0)));
  });

  test('transactions hold together and roll back', async () => {
    const { write } = open({ url: bouncer.url, prepare: false });
    const before = await write.selectFrom('songs').select('id').execute();
    await expect(
      write.transaction().execute(async (trx) => {
        await trx.insertInto('songs').values({ title: 'undone', plays: 0 }).execute();
        throw new Error('on purpose');
      }),
    ).rejects.toThrow('on purpose');
    expect(await write.selectFrom('songs').select('id').execute()).toEqual(before);
  });

  test('a statement that fails leaves the connection as it was', async () => {
    const { write } = open({ url: bouncer.url, prepare: false, pool: 1 });
    await expect(sql`select * from nowhere`.execute(write)).rejects.toMatchObject({ code: '42P01' });
    expect((await sql`select 1 as one`.execute(write)).rows).toEqual([{ one: 1 }]);
  });

  test('streams rows', async () => {
    const { write } = open({ url: bouncer.url, prepare: false });
    await sql`insert into songs (title) select 'many' from generate_series(1, 120)`.execute(write);
    let rows = 0;
    for await (const _ of write.selectFrom('songs').selectAll().where('title', '=', 'many').stream(25)) rows += 1;
    expect(rows).toBe(120);
  });

  test('is a 503 while PgBouncer is away, and comes back with it', async () => {
    const { write } = open({ url: bouncer.url, prepare: false });
    await sql`select 1`.execute(write);
    await bouncer.kill();
    const { error } = await failure(sql`select 1`.execute(write));
    expect(error).toMatchObject({ status: 503, code: 'database-unavailable' });
    await bouncer.start();
    await until(async () => (await sql`select 1`.execute(write)).rows.length === 1);
  });

  test('needs no transaction of its own per statement where the role sets the search path', async () => {
    await ask(fresh.url, `create role musician login superuser; alter role musician set search_path to music`);
    try {
      const direct = await startPgBouncer(fresh.url.replace('postgres@', 'musician@'), 2);
      try {
        const { write } = open({ url: direct.url, prepare: false });
        const { rows } = await sql<{
          own: boolean;
        }>`select now() = statement_timestamp() as own from songs limit 1`.execute(write);
        expect(rows).toEqual([{ own: true }]);
      } finally {
        await direct.stop();
      }
    } finally {
      await ask(fresh.url, 'drop role musician');
    }
  });
});
