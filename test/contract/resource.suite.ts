import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type {
  MigrationPhase,
  MigrationProgress,
  MigrationReport,
  ResourceDriver,
} from '../../src/drivers/resource/resource.ts';
import { MigrationFailedError, MigrationFilesError, VezaError } from '../../src/errors.ts';

/** A resource that drivers can be made for again and again, as after a restart of the control plane. */
export interface ResourceUnderTest {
  driver(): ResourceDriver;
  dispose(): Promise<void>;
}

const never = new AbortController().signal;

export async function query<Row extends object>(url: string, sql: string): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

export async function caught(run: Promise<unknown>): Promise<VezaError> {
  try {
    await run;
  } catch (error) {
    if (error instanceof VezaError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('the condition was not met within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** What every driver of a SQL resource does. */
export function resourceContract(name: string, make: () => Promise<ResourceUnderTest>): void {
  describe(`${name}: a resource`, () => {
    let resource: ResourceUnderTest;
    let url: string;
    let schemas = 0;
    const folders: string[] = [];

    beforeAll(async () => {
      resource = await make();
      const driver = resource.driver();
      await driver.start(never);
      ({ url } = await driver.connection());
    });
    afterAll(async () => {
      await resource.dispose();
      for (const each of folders) rmSync(each, { recursive: true, force: true });
    });

    /** A folder of migrations, and a schema of its own, so that tests do not see each other's. */
    async function folder(files: Record<string, string>): Promise<{
      directory: string;
      write: (files: Record<string, string>) => void;
      migrate: (
        phase: MigrationPhase,
        onProgress?: (progress: MigrationProgress) => void,
        signal?: AbortSignal,
      ) => Promise<MigrationReport>;
      rows: <Row extends object>(sql: string) => Promise<Row[]>;
    }> {
      schemas += 1;
      const schema = `s${schemas}`;
      const user = decodeURIComponent(new URL(url).username);
      await query(url, `CREATE SCHEMA ${schema}; ALTER ROLE "${user}" SET search_path = ${schema}`);
      const directory = mkdtempSync(join(tmpdir(), 'veza-migrations-'));
      folders.push(directory);
      const write = (more: Record<string, string>): void => {
        rmSync(directory, { recursive: true, force: true });
        mkdirSync(directory);
        for (const [file, sql] of Object.entries(more)) writeFileSync(join(directory, file), sql);
      };
      write(files);
      return {
        directory,
        write,
        migrate: async (phase, onProgress = () => undefined, signal = never) =>
          resource.driver().migrate({ directory, phase, release: 'r-1' }, signal, onProgress),
        rows: async (sql) => query(url, sql),
      };
    }

    it('is ready after start, which may be called again and by another driver', async () => {
      await resource.driver().start(never);
      const status = await resource.driver().status();
      expect(status).toMatchObject({ state: 'ready', reason: null });
      expect(status.version).toMatch(/^\d+/);
      expect(status.address).not.toContain('@');
    });

    it('gives a connection that works, as a URL and as DATABASE_URL', async () => {
      const { url, environment } = await resource.driver().connection();
      expect(environment['DATABASE_URL']).toBe(url);
      expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    });

    it('does not start when the signal is aborted already', async () => {
      await expect(resource.driver().start(AbortSignal.abort(new Error('not now')))).rejects.toThrow('not now');
    });

    it('applies expand migrations in order, once, and tells about it', async () => {
      const { migrate, rows } = await folder({
        '0002_fill.expand.sql': "INSERT INTO user_account VALUES (1, 'Žofie; -- not a comment');",
        '0001_users.expand.sql': 'CREATE TABLE user_account (id int PRIMARY KEY, name text);\n',
        '0002_fill.contract.sql': 'ALTER TABLE user_account DROP COLUMN name;',
        'README.md': 'no migration',
      });
      const progress: MigrationProgress[] = [];
      const report = await migrate('expand', (each) => progress.push(each));
      expect(report.applied.map((each) => each.file)).toEqual(['0001_users.expand.sql', '0002_fill.expand.sql']);
      expect(progress.map((each) => each.kind)).toEqual(['applying', 'applied', 'applying', 'applied']);
      expect(await rows('SELECT name FROM user_account')).toEqual([{ name: 'Žofie; -- not a comment' }]);
      expect(
        await rows('SELECT number, phase, name, release, length(checksum) FROM veza_migrations ORDER BY number'),
      ).toEqual([
        { number: 1, phase: 'expand', name: 'users', release: 'r-1', length: 64 },
        { number: 2, phase: 'expand', name: 'fill', release: 'r-1', length: 64 },
      ]);
      expect(await migrate('expand')).toEqual({ applied: [], alreadyApplied: 2, ahead: [] });
    });

    it('applies contract migrations only when asked, and only after the expand ones', async () => {
      const { migrate, rows, write } = await folder({
        '0001_a.expand.sql': 'CREATE TABLE a (old int, new int);',
        '0001_a.contract.sql': 'ALTER TABLE a DROP COLUMN old;',
      });
      const error = await caught(migrate('contract'));
      expect(error).toBeInstanceOf(MigrationFilesError);
      expect(error.message).toContain('0001_a.expand.sql must be applied first');
      await migrate('expand');
      expect((await migrate('contract')).applied).toHaveLength(1);
      expect((await migrate('contract')).applied).toHaveLength(0);
      const columns =
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'a' AND table_schema = current_schema()";
      expect(await rows(columns)).toEqual([{ column_name: 'new' }]);
      write({
        '0001_a.expand.sql': 'CREATE TABLE a (old int, new int);',
        '0001_a.contract.sql': 'ALTER TABLE a DROP COLUMN old;',
        '0002_b.expand.sql': 'CREATE TABLE b ();',
      });
      expect((await migrate('expand')).applied.map((each) => each.file)).toEqual(['0002_b.expand.sql']);
    });

    it('leaves nothing of a migration that fails, and names file and line', async () => {
      const { migrate, rows, write } = await folder({
        '0001_good.expand.sql': 'CREATE TABLE good ();',
        '0002_bad.expand.sql': '-- first a good one\nCREATE TABLE half ();\n\nINSERT INTO\n  nowhere VALUES (1);',
      });
      const error = await caught(migrate('expand'));
      expect(error).toBeInstanceOf(MigrationFailedError);
      expect(error).toMatchObject({ where: '0002_bad.expand.sql:5', retryable: false });
      expect(error.message).toContain('"nowhere" does not exist');
      expect(
        await rows("SELECT to_regclass('good') IS NOT NULL AS good, to_regclass('half') IS NOT NULL AS half"),
      ).toEqual([{ good: true, half: false }]);
      write({ '0001_good.expand.sql': 'CREATE TABLE good ();', '0002_bad.expand.sql': 'CREATE TABLE half ();' });
      expect((await migrate('expand')).applied.map((each) => each.file)).toEqual(['0002_bad.expand.sql']);
    });

    it('runs what cannot be in a transaction outside of one', async () => {
      const { migrate, rows } = await folder({
        '0001_a.expand.sql': 'CREATE TABLE a (id int, note text);',
        '0002_index.expand.sql':
          '-- veza:no-transaction\nDROP INDEX CONCURRENTLY IF EXISTS a_id;\nCREATE INDEX CONCURRENTLY a_id ON a (id);\n',
      });
      await migrate('expand');
      expect(await rows("SELECT indisvalid FROM pg_index WHERE indexrelid = 'a_id'::regclass")).toEqual([
        { indisvalid: true },
      ]);
    });

    it('refuses a migration that was changed after it was applied', async () => {
      const { migrate, write } = await folder({ '0001_a.expand.sql': 'CREATE TABLE a ();' });
      await migrate('expand');
      write({ '0001_a.expand.sql': 'CREATE TABLE a (id int);' });
      const error = await caught(migrate('expand'));
      expect(error.message).toContain('0001_a.expand.sql: changed after it was applied on 20');
      expect(error.message).toContain('by release r-1');
      write({ '0001_a.expand.sql': 'CREATE TABLE a ();'.replaceAll('\n', '\r\n') });
      expect((await migrate('expand')).alreadyApplied).toBe(1);
    });

    it('lives with migrations of a later release that was taken back, and not with lost or clashing ones', async () => {
      const one = { '0001_a.expand.sql': 'CREATE TABLE a ();' };
      const two = { ...one, '0002_b.expand.sql': 'CREATE TABLE b ();' };
      const { migrate, write } = await folder(two);
      await migrate('expand');
      write(one);
      expect(await migrate('expand')).toEqual({ applied: [], alreadyApplied: 2, ahead: ['0002_b.expand.sql'] });
      write({ ...one, '0002_c.expand.sql': 'CREATE TABLE c ();' });
      expect((await caught(migrate('expand'))).message).toContain('its number was taken by 0002_b.expand.sql');
      write({ '0001_a.contract.sql': 'DROP TABLE a;', '0002_b.expand.sql': 'CREATE TABLE b ();' });
      expect((await caught(migrate('expand'))).message).toContain('0001_a.expand.sql: was applied');
    });

    it('lets a second runner wait, and then find nothing to do', async () => {
      const { migrate } = await folder({
        '0001_slow.expand.sql': 'CREATE TABLE slow (); SELECT pg_sleep(0.5);',
        // Would never end if the waiting runner held a snapshot.
        '0002_index.expand.sql':
          '-- veza:no-transaction\nCREATE TABLE IF NOT EXISTS t (id int); CREATE INDEX CONCURRENTLY IF NOT EXISTS t_id ON t (id);',
      });
      const waits: string[] = [];
      const reports = await Promise.all(
        ['first', 'second', 'third'].map(async (who) =>
          migrate('expand', (each) => {
            if (each.kind === 'waiting') waits.push(who);
          }),
        ),
      );
      expect(reports.map((report) => report.applied.length).toSorted((a, b) => a - b)).toEqual([0, 0, 2]);
      expect(waits).toHaveLength(2);
    });

    it('does not wait long for a lock, says so, and can be run again', async () => {
      const first = { '0001_a.expand.sql': 'CREATE TABLE a (id int);' };
      const { migrate, rows, write } = await folder(first);
      await migrate('expand');
      write({ ...first, '0002_b.expand.sql': 'ALTER TABLE a ADD COLUMN b int;' });
      const holder = new Client({ connectionString: url });
      await holder.connect();
      await holder.query('BEGIN; LOCK TABLE a IN ACCESS EXCLUSIVE MODE');
      try {
        const start = performance.now();
        const error = await caught(migrate('expand'));
        expect(error).toMatchObject({ retryable: true, where: '0002_b.expand.sql:1' });
        expect(error.message).toContain('no lock within');
        expect(performance.now() - start).toBeLessThan(8000);
      } finally {
        await holder.end();
      }
      expect((await migrate('expand')).applied).toHaveLength(1);
      expect(await rows('SELECT b FROM a')).toEqual([]);
    });

    it('stops a running migration when aborted, on the server as well, with nothing of it left', async () => {
      const { migrate, rows } = await folder({ '0001_long.expand.sql': 'CREATE TABLE long (); SELECT pg_sleep(30);' });
      const abort = new AbortController();
      const running = migrate('expand', () => undefined, abort.signal);
      const sleeping = async (): Promise<boolean> =>
        (await rows("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid()"))
          .length > 0;
      await until(sleeping);
      abort.abort(new Error('superseded'));
      await expect(running).rejects.toThrow('superseded');
      await until(async () => !(await sleeping()));
      expect(await rows("SELECT to_regclass('long') AS long")).toEqual([{ long: null }]);
    });

    it('lists all mistakes of a folder at once, before it touches anything', async () => {
      const { migrate, rows } = await folder({
        '0001_ok.expand.sql': 'CREATE TABLE ok (id int);',
        '0003_gap.expand.sql': 'ALTER TABLE ok ADD COLUMN a int;',
        '0003_other.expand.sql': 'ALTER TABLE x DROP COLUMN y;',
        '4_short.sql': '',
        '0004_syntax.expand.sql': 'CREATE TABLE a ();\nCREATE TABEL b ();',
        '0005_tx.contract.sql': 'BEGIN; DROP TABLE x; COMMIT;',
        '0006_index.expand.sql': 'CREATE INDEX CONCURRENTLY i ON ok (id);',
      });
      const error = await caught(migrate('expand'));
      expect(error).toBeInstanceOf(MigrationFilesError);
      for (const part of [
        '0003_gap.expand.sql: 0002 is missing before it',
        '0003_other.expand.sql: number 0003 is taken by 0003_gap.expand.sql',
        '0003_other.expand.sql:1: DROP COLUMN x.y takes away',
        '4_short.sql: expected',
        '0004_syntax.expand.sql:2: syntax error',
        '0005_tx.contract.sql:1: BEGIN, COMMIT',
        '0006_index.expand.sql:1: CREATE INDEX CONCURRENTLY cannot run in a transaction',
      ]) {
        expect(error.message).toContain(part);
      }
      expect(await rows("SELECT to_regclass('ok') AS ok")).toEqual([{ ok: null }]);
    });

    it('says so when the folder is not there', async () => {
      const { migrate, directory } = await folder({});
      rmSync(directory, { recursive: true });
      expect((await caught(migrate('expand'))).message).toContain('cannot be read');
    });
  });
}
