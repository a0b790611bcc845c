import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MigrationFilesError } from '../../../errors.ts';
import { readMigrations } from './migration-files.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'veza-migrations-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

async function problemsOf(files: Record<string, string>): Promise<readonly string[]> {
  for (const [file, sql] of Object.entries(files)) {
    writeFileSync(join(directory, file), sql);
    // A file that takes it back, where a test is about something else.
    const undo = file.replace(/\.sql$/, '.undo.sql');
    if (/\.(expand|migrate|contract)\.sql$/.test(file)) writeFileSync(join(directory, undo), files[undo] ?? '');
  }
  try {
    await readMigrations(directory);
    return [];
  } catch (error) {
    if (error instanceof MigrationFilesError) return error.problems;
    throw error;
  }
}

describe('an expand migration', () => {
  it.each([
    ['DROP TABLE a', 'DROP TABLE a'],
    ['DROP TABLE IF EXISTS s.a, b CASCADE', 'DROP TABLE a, b'],
    ['DROP VIEW v', 'DROP VIEW v'],
    ['DROP INDEX i', 'DROP INDEX i'],
    ['DROP SCHEMA s', 'DROP SCHEMA s'],
    ['DROP TYPE t', 'DROP TYPE t'],
    ['DROP FUNCTION f(int)', 'DROP FUNCTION f'],
    ['ALTER TABLE a DROP COLUMN b', 'DROP COLUMN a.b'],
    ['alter/* */table only "a"\ndrop b', 'DROP COLUMN a.b'],
    ['ALTER TABLE a ADD COLUMN x int, DROP COLUMN b', 'DROP COLUMN a.b'],
    ['ALTER TABLE a RENAME TO b', 'RENAME TABLE a TO b'],
    ['ALTER TABLE a RENAME COLUMN b TO c', 'RENAME COLUMN a.b TO c'],
    ['ALTER TABLE a SET SCHEMA s', 'a SET SCHEMA s'],
    ["ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'", 'RENAME VALUE sad'],
    ['ALTER TABLE a ADD COLUMN b int NOT NULL', 'ADD COLUMN a.b NOT NULL without DEFAULT'],
    ['ALTER TABLE a ADD COLUMN b int PRIMARY KEY', 'ADD COLUMN a.b NOT NULL without DEFAULT'],
    ['ALTER TABLE a ALTER b SET NOT NULL', 'ALTER COLUMN a.b SET NOT NULL'],
    ['ALTER TABLE a ADD CONSTRAINT c NOT NULL b', 'ADD NOT NULL on an existing column of a'],
    ['ALTER TABLE a ALTER b TYPE bigint', 'ALTER COLUMN a.b TYPE'],
    ['ALTER TABLE a ALTER b DROP DEFAULT', 'ALTER COLUMN a.b DROP DEFAULT'],
    ['TRUNCATE a', 'TRUNCATE a'],
    ['DELETE FROM a', 'DELETE FROM a without WHERE'],
    ['REVOKE SELECT ON a FROM b', 'REVOKE'],
    ['DO $$ BEGIN DROP TABLE a; END $$', 'a DO block with DROP'],
    ["DO $$ BEGIN EXECUTE 'dr' || 'op table a'; END $$", 'a DO block with EXECUTE'],
  ])('must not hold: %s', async (sql, what) => {
    const problems = await problemsOf({ '0001_x.expand.sql': `-- a note\n\n${sql};` });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`0001_x.expand.sql:3: ${what} takes away`);
    expect(problems[0]).toContain('0001_x.contract.sql');
    for (const name of ['0001_x.expand.sql', '0001_x.expand.undo.sql']) rmSync(join(directory, name));
    expect(await problemsOf({ '0001_x.contract.sql': sql })).toEqual([]);
  });

  it.each([
    'CREATE TABLE a (id bigserial PRIMARY KEY, n int NOT NULL)',
    "ALTER TABLE a ADD COLUMN b text NOT NULL DEFAULT ''",
    'ALTER TABLE a ADD COLUMN b bigserial NOT NULL',
    'ALTER TABLE a ADD COLUMN b int NOT NULL GENERATED ALWAYS AS IDENTITY',
    'ALTER TABLE a ADD COLUMN b int',
    'ALTER TABLE a ALTER b DROP NOT NULL',
    'ALTER TABLE a ALTER b SET DEFAULT 1',
    'ALTER INDEX i RENAME TO j',
    "ALTER TYPE mood ADD VALUE 'glad'",
    'DELETE FROM a WHERE id = 1',
    'GRANT SELECT ON a TO b',
    "INSERT INTO a VALUES ('DROP TABLE a; -- only a text')",
    "DO $$ BEGIN RAISE NOTICE 'hello'; END $$",
    '-- nothing but a note',
    'CREATE TABLE a (); ALTER TABLE a ADD COLUMN b int NOT NULL',
    'DROP TRIGGER IF EXISTS t ON a; CREATE TRIGGER t BEFORE INSERT ON a EXECUTE FUNCTION f()',
    'DROP POLICY IF EXISTS p ON a; CREATE POLICY p ON a',
  ])('may hold: %s', async (sql) => {
    expect(await problemsOf({ '0001_x.expand.sql': sql })).toEqual([]);
  });
});

describe('the files of a folder', () => {
  it('are read in order, expand before contract, with their statements and lines', async () => {
    const sql = "-- čeština\nSELECT 1;\n\n/* two\nlines */ SELECT 'ž'\n;";
    expect(await problemsOf({ '0002_b.contract.sql': '', '0002_b.expand.sql': sql, '0001_a.expand.sql': '' })).toEqual(
      [],
    );
    const files = await readMigrations(directory);
    expect(files.map((each) => each.file)).toEqual(['0001_a.expand.sql', '0002_b.expand.sql', '0002_b.contract.sql']);
    expect(files[1]?.statements.map(({ sql, line }) => ({ sql: sql.trim(), line }))).toEqual([
      { sql: 'SELECT 1', line: 2 },
      { sql: "SELECT 'ž'", line: 5 },
    ]);
  });

  it.each([
    [{ '0000_a.expand.sql': '' }, '0000_a.expand.sql: numbers begin with 0001'],
    [{ '0002_a.expand.sql': '' }, '0002_a.expand.sql: 0001 is missing before it'],
    [{ '0001_a.expand.sql': '', '0005_b.expand.sql': '' }, '0005_b.expand.sql: 0002 to 0004 is missing before it'],
    [
      { '0001_a.expand.sql': '', '0001_b.contract.sql': '' },
      '0001_b.contract.sql: number 0001 is taken by 0001_a.expand.sql',
    ],
    [{ '0001_A.sql': '' }, '0001_A.sql: expected `NNNN_name.KIND.sql`'],
    [{ '0001_a.sql': '' }, '0001_a.sql: expected `NNNN_name.KIND.sql` with expand, migrate, contract'],
    [{ '0001_a.contract.sql': 'COMMIT' }, '0001_a.contract.sql:1: BEGIN, COMMIT'],
    [{ '0001_a.contract.sql': 'VACUUM a' }, '0001_a.contract.sql:1: VACUUM cannot run in a transaction'],
    [
      { '0001_a.contract.sql': 'DROP INDEX CONCURRENTLY i' },
      '0001_a.contract.sql:1: DROP INDEX CONCURRENTLY cannot run',
    ],
    [{ '0001_a.expand.sql': 'REINDEX INDEX CONCURRENTLY i' }, '0001_a.expand.sql:1: REINDEX CONCURRENTLY cannot run'],
    [
      { '0001_a.migrate.sql': '-- veza:batch\nUPDATE a SET b = 1; UPDATE a SET c = 1' },
      '0001_a.migrate.sql: `-- veza:batch` is about one statement, and there are 2',
    ],
    [{ '0001_a.migrate.sql': '-- veza:batch\nUPDATE a SET b = 1' }, '0001_a.migrate.sql:2: an UPDATE without WHERE'],
    [{ '0001_a.migrate.sql': '-- veza:batch\nINSERT INTO a VALUES (1)' }, '0001_a.migrate.sql:2: an INSERT of values'],
    [{ '0001_a.migrate.sql': '-- veza:batch\nSELECT f()' }, '0001_a.migrate.sql:2: only INSERT, UPDATE, DELETE'],
    [{ '0001_a.migrate.sql': 'ALTER TABLE a DROP COLUMN b' }, '0001_a.migrate.sql:1: DROP COLUMN a.b takes away'],
    [{ '0001_a.migrate.sql': 'DELETE FROM a' }, '0001_a.migrate.sql:1: DELETE FROM a without WHERE takes away'],
    [{ '0001_a.expand.sql': '', '0001_a.expand.undo.sql': 'BEGIN' }, '0001_a.expand.undo.sql:1: BEGIN, COMMIT'],
    [{ '0001_a.expand.sql': '', '0001_a.expand.undo.sql': 'DROP' }, '0001_a.expand.undo.sql:1: syntax error'],
    [{ '0001_a.expand.sql': 'SELECT 1;\nSELEC 2' }, '0001_a.expand.sql:2: syntax error at or near "SELEC"'],
  ])('are refused when wrong: %o', async (files, problem) => {
    const problems = await problemsOf(files);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });
});
