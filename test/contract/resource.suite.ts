import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MigrationId } from '../../src/core/migrations/kinds.ts';
import type {
  MigrationProgress,
  MigrationReport,
  MigrationRunner,
  MigrationState,
  UndoReport,
} from '../../src/drivers/resource/migrations.ts';
import { listMigrations } from '../../src/drivers/resource/migration-folder.ts';
import type { ResourceDriver } from '../../src/drivers/resource/resource.ts';
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

/** A file for each that takes it back, where a test is about something else. */
function withUndo(files: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const added = Object.entries(files).flatMap(([file, sql]) => {
    const undo = file.replace(/\.sql$/, '.undo.sql');
    const isMigration = /\.(expand|migrate|contract)\.sql$/.test(file);
    return isMigration && files[undo] === undefined && !sql.startsWith('-- veza:irreversible') ? [[undo, '']] : [];
  });
  return { ...files, ...(Object.fromEntries(added) as Record<string, string>) };
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

    function runner(): MigrationRunner {
      const { migrations } = resource.driver();
      if (migrations === null) throw new Error('it has no migrations');
      return migrations;
    }

    /** A folder of migrations, and a schema of its own, so that tests do not see each other's. */
    async function folder(files: Record<string, string>): Promise<{
      directory: string;
      write: (files: Record<string, string>) => void;
      migrate: (
        when: 'expand' | 'contract',
        onProgress?: (progress: MigrationProgress) => void,
        signal?: AbortSignal,
        only?: readonly MigrationId[] | null,
      ) => Promise<MigrationReport>;
      undo: (migrations: readonly MigrationId[]) => Promise<UndoReport>;
      state: () => Promise<MigrationState>;
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
        for (const [file, sql] of Object.entries(withUndo(more))) writeFileSync(join(directory, file), sql);
      };
      write(files);
      return {
        directory,
        write,
        migrate: async (when, onProgress = () => undefined, signal = never, only = null) => {
          const kinds = when === 'expand' ? (['expand', 'migrate'] as const) : (['contract'] as const);
          return runner().apply({ directory, schema: null, kinds, only, release: 'r-1' }, signal, onProgress);
        },
        undo: async (migrations) => runner().undo({ schema: null, migrations }, never, () => undefined),
        state: async () => runner().state(null, never),
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

    it('moves data after the expands of its number and before those of the next', async () => {
      const { migrate, rows, state } = await folder({
        '0001_a.expand.sql': 'CREATE TABLE a (old int); INSERT INTO a VALUES (1), (2);',
        '0002_b.migrate.sql': 'UPDATE a SET new = old * 10;',
        '0002_b.expand.sql': 'ALTER TABLE a ADD COLUMN new int;',
        '0003_c.expand.sql': 'CREATE TABLE c AS SELECT sum(new) AS total FROM a;',
      });
      const { applied } = await migrate('expand');
      expect(applied.map(({ file }) => file)).toEqual([
        '0001_a.expand.sql',
        '0002_b.expand.sql',
        '0002_b.migrate.sql',
        '0003_c.expand.sql',
      ]);
      expect(await rows('SELECT total::int FROM c')).toEqual([{ total: 30 }]);
      expect((await state()).applied.map(({ number, kind }) => `${number} ${kind}`)).toEqual([
        '1 expand',
        '2 expand',
        '2 migrate',
        '3 expand',
      ]);
    });

    const inBatches = {
      '0001_a.expand.sql': 'CREATE TABLE a AS SELECT i, 0 AS done FROM generate_series(1, 25) AS i;',
      '0001_a.migrate.sql':
        '-- veza:batch\nUPDATE a SET done = txid_current() WHERE i IN (SELECT i FROM a WHERE done = 0 ORDER BY i LIMIT 10);',
    };

    it('moves data in batches, each a transaction of its own, until there is nothing more', async () => {
      const { migrate, rows } = await folder(inBatches);
      const progress: MigrationProgress[] = [];
      await migrate('expand', (each) => progress.push(each));
      const batches = progress.flatMap((each) => (each.kind === 'batch' ? [[each.batch, each.rows]] : []));
      expect(batches).toEqual([
        [1, 10],
        [2, 20],
        [3, 25],
      ]);
      expect(await rows('SELECT count(*)::int AS moved FROM a GROUP BY done ORDER BY done')).toEqual([
        { moved: 10 },
        { moved: 10 },
        { moved: 5 },
      ]);
    });

    it('goes on after the batches that were done when it is cancelled in the middle', async () => {
      const { migrate, rows, state } = await folder(inBatches);
      const abort = new AbortController();
      const cancelled = migrate(
        'expand',
        (each) => {
          if (each.kind === 'batch' && each.batch === 2) abort.abort(new Error('superseded'));
        },
        abort.signal,
      );
      await expect(cancelled).rejects.toThrow('superseded');
      expect(await rows('SELECT count(*)::int AS moved FROM a WHERE done > 0')).toEqual([{ moved: 20 }]);
      expect((await state()).applied.map(({ kind }) => kind)).toEqual(['expand']);
      const rest: MigrationProgress[] = [];
      expect((await migrate('expand', (each) => rest.push(each))).applied).toHaveLength(1);
      expect(rest).toContainEqual(expect.objectContaining({ kind: 'batch', batch: 1, rows: 5 }));
      expect(await rows('SELECT count(*)::int AS moved FROM a WHERE done > 0')).toEqual([{ moved: 25 }]);
    });

    it('keeps how each is taken back, and takes it back without its folder', async () => {
      const { migrate, rows, state, undo, write } = await folder({
        '0001_a.expand.sql': 'CREATE TABLE a (old int); INSERT INTO a VALUES (7);',
        '0001_a.expand.undo.sql': 'DROP TABLE a;',
        '0002_b.expand.sql': 'ALTER TABLE a ADD COLUMN new int;',
        '0002_b.expand.undo.sql': 'ALTER TABLE a DROP COLUMN new;',
        '0002_b.migrate.sql': 'UPDATE a SET new = old; UPDATE a SET old = 0;',
        '0002_b.migrate.undo.sql': '-- veza:batch\nUPDATE a SET old = new WHERE old <> new;',
        '0003_c.expand.sql': '-- veza:irreversible: nobody knows what was there\nCREATE TABLE c ();',
      });
      await migrate('expand');
      const { applied } = await state();
      expect(applied.map(({ undoable, irreversible }) => [undoable, irreversible])).toEqual([
        [true, null],
        [true, null],
        [true, null],
        [false, 'nobody knows what was there'],
      ]);
      // The release that brought them is gone.
      write({});
      const [, expand, moved, last] = applied;
      if (expand === undefined || moved === undefined || last === undefined) throw new Error('four expected');
      const refused = await caught(undo([last]));
      expect(refused.message).toContain('0003_c.expand.undo.sql failed: nobody knows what was there');
      const { undone } = await undo([moved, expand]);
      expect(undone.map(({ file }) => file)).toEqual(['0002_b.migrate.undo.sql', '0002_b.expand.undo.sql']);
      expect(await rows('SELECT * FROM a')).toEqual([{ old: 7 }]);
      expect((await state()).applied.map(({ number }) => number)).toEqual([1, 3]);
      // What is not applied any more needs no taking back.
      expect(await undo([moved, expand])).toEqual({ undone: [] });
    });

    it('leaves a migration applied when taking it back fails', async () => {
      const { migrate, rows, state, undo } = await folder({
        '0001_a.expand.sql': 'CREATE TABLE a (id int);',
        '0001_a.expand.undo.sql': 'ALTER TABLE a ADD COLUMN half int;\nDROP TABLE nowhere;',
      });
      await migrate('expand');
      const { applied } = await state();
      const error = await caught(undo(applied));
      expect(error).toMatchObject({ where: '0001_a.expand.undo.sql:2' });
      expect(error.message).toContain('"nowhere" does not exist');
      expect((await state()).applied).toEqual(applied);
      expect(await rows('SELECT * FROM a')).toEqual([]);
      const columns = "SELECT 1 FROM pg_attribute WHERE attrelid = 'a'::regclass AND attname = 'half'";
      expect(await rows(columns)).toEqual([]);
    });

    it('takes over how something applied is taken back when a later release says so, or says that it is not', async () => {
      const expand = 'CREATE TABLE a ();';
      const { migrate, state, write } = await folder({ '0001_a.expand.sql': expand });
      await migrate('expand');
      write({ '0001_a.expand.sql': expand, '0001_a.expand.undo.sql': 'DROP TABLE a;' });
      await migrate('expand');
      expect((await state()).applied).toMatchObject([{ undoable: true, irreversible: null }]);
      write({ '0001_a.expand.sql': `-- veza:irreversible: it has been filled\n${expand}` });
      await migrate('expand');
      expect((await state()).applied).toMatchObject([{ undoable: false, irreversible: 'it has been filled' }]);
    });

    it('applies only the contracts that were named', async () => {
      const { directory, migrate, state } = await folder({
        '0001_a.expand.sql': 'CREATE TABLE a (x int, y int);',
        '0001_a.contract.sql': 'ALTER TABLE a DROP COLUMN x;',
        '0002_b.expand.sql': 'CREATE TABLE b ();',
        '0002_b.contract.sql': 'ALTER TABLE a DROP COLUMN y;',
      });
      await migrate('expand');
      const [first] = (await listMigrations(directory)).filter(({ kind }) => kind === 'contract');
      if (first === undefined) throw new Error('no contract');
      const other = { ...first, checksum: 'of another text' };
      expect((await migrate('contract', undefined, never, [other])).applied).toEqual([]);
      expect((await migrate('contract', undefined, never, [first])).applied).toMatchObject([first]);
      expect((await state()).applied.filter(({ kind }) => kind === 'contract')).toMatchObject([first]);
    });

    it('refuses a release that lacks a contract which is in force', async () => {
      const { migrate, write } = await folder({
        '0001_a.expand.sql': 'CREATE TABLE a (x int);',
        '0001_a.contract.sql': 'ALTER TABLE a DROP COLUMN x;',
      });
      await migrate('expand');
      await migrate('contract');
      write({ '0001_a.expand.sql': 'CREATE TABLE a (x int);', '0002_b.expand.sql': 'CREATE TABLE b ();' });
      const error = await caught(migrate('expand'));
      expect(error.message).toContain('0001_a.contract.sql: was applied on 20');
      expect(error.message).toContain('so this release still needs what it took away');
    });

    it('has a schema made for it, finds and keeps everything there, beside another', async () => {
      schemas += 1;
      const [one, two] = [`one_${schemas}`, `two_${schemas}`];
      const { directory } = await folder({ '0001_a.expand.sql': 'CREATE TABLE a AS SELECT current_schema() AS here;' });
      const run = (schema: string): Promise<MigrationReport> =>
        runner().apply(
          { directory, schema, kinds: ['expand', 'migrate'], only: null, release: null },
          never,
          () => undefined,
        );
      expect(await runner().state(one, never)).toMatchObject({ applied: [] });
      // At once: there is one lock a database, so each waits for its turn.
      const reports = await Promise.all([run(one), run(two), run(one)]);
      expect(reports.map(({ applied }) => applied.length).toSorted((a, b) => a - b)).toEqual([0, 1, 1]);
      expect(await query(url, `SELECT here FROM ${one}.a UNION ALL SELECT here FROM ${two}.a`)).toEqual([
        { here: one },
        { here: two },
      ]);
      expect((await runner().state(one, never)).applied).toHaveLength(1);
      const first = (await runner().state(two, never)).applied;
      await runner().undo({ schema: two, migrations: first }, never, () => undefined);
      expect((await runner().state(one, never)).applied).toHaveLength(1);
      expect((await runner().state(two, never)).applied).toEqual([]);
      expect((await runner().state(one, never)).database).toBe((await runner().state(null, never)).database);
    });

    it('brings a table of an earlier version up to date, and reads it before that', async () => {
      const { migrate, rows, state } = await folder({
        '0001_a.expand.sql': 'CREATE TABLE a ();',
        '0001_a.expand.undo.sql': 'DROP TABLE a;',
        '0001_a.migrate.sql': 'SELECT 1;',
      });
      await migrate('expand');
      // As it was: two kinds, and nothing about taking back.
      await rows(`DELETE FROM veza_migrations WHERE phase = 'migrate'`);
      await rows(`ALTER TABLE veza_migrations DROP COLUMN undo, DROP COLUMN irreversible,
        DROP CONSTRAINT veza_migrations_phase_check,
        ADD CONSTRAINT veza_migrations_phase_check CHECK (phase IN ('expand', 'contract'))`);
      expect((await state()).applied).toMatchObject([{ number: 1, kind: 'expand', undoable: false }]);
      expect((await migrate('expand')).applied.map(({ file }) => file)).toEqual(['0001_a.migrate.sql']);
      expect((await state()).applied).toMatchObject([{ undoable: true }, { kind: 'migrate' }]);
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
