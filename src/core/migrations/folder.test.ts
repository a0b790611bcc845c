import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { directivesOf, readFolder } from './folder.ts';

const folder = (files: Readonly<Record<string, string>>) =>
  readFolder(Object.entries(files).map(([name, text]) => ({ name, text })));

describe('a folder of migrations', () => {
  test('is read by number, expand before migrate before contract, each with what takes it back', () => {
    const { migrations, problems } = folder({
      '0002_b.contract.sql': '-- veza:irreversible: the old names are gone\nDROP TABLE a;',
      '0002_b.migrate.sql': '-- veza:batch\nUPDATE a SET b = 1 WHERE b IS NULL;',
      '0002_b.migrate.undo.sql': 'UPDATE a SET b = NULL;',
      '0002_b.expand.sql': 'ALTER TABLE a ADD COLUMN b int;',
      '0002_b.expand.undo.sql': 'ALTER TABLE a DROP COLUMN b;',
      '0001_a.expand.sql': '-- veza:no-transaction\r\nCREATE TABLE a ();',
      '0001_a.expand.undo.sql': 'DROP TABLE a;',
      'README.md': 'not a migration',
    });
    expect(problems).toEqual([]);
    expect(migrations.map(({ file, undo, directives }) => [file, undo?.file ?? null, directives])).toEqual([
      ['0001_a.expand.sql', '0001_a.expand.undo.sql', { transaction: false, batch: false, irreversible: null }],
      ['0002_b.expand.sql', '0002_b.expand.undo.sql', { transaction: true, batch: false, irreversible: null }],
      ['0002_b.migrate.sql', '0002_b.migrate.undo.sql', { transaction: true, batch: true, irreversible: null }],
      ['0002_b.contract.sql', null, { transaction: true, batch: false, irreversible: 'the old names are gone' }],
    ]);
  });

  test.each([
    [
      { '0001_a.expand.sql': '' },
      '0001_a.expand.sql: nothing says how it is taken back: add 0001_a.expand.undo.sql, or make its first line `-- veza:irreversible: why`',
    ],
    [
      { '0001_a.expand.sql': '-- veza:irreversible: so', '0001_a.expand.undo.sql': '' },
      '0001_a.expand.sql: says that it is irreversible, and 0001_a.expand.undo.sql takes it back: one of the two',
    ],
    [
      { '0001_a.expand.sql': '-- veza:irreversible:', '0001_a.expand.undo.sql': '' },
      '0001_a.expand.sql: `-- veza:irreversible:` does not say why',
    ],
    [
      { '0001_a.expand.sql': '-- veza:irreversable: so', '0001_a.expand.undo.sql': '' },
      'means nothing; did you mean `-- veza:irreversible`?',
    ],
    [
      { '0001_a.migrate.sql': 'SELECT 1;\n-- veza:batch\n', '0001_a.migrate.undo.sql': '' },
      '0001_a.migrate.sql: line 2: `-- veza:batch` counts in the first lines only',
    ],
    [
      { '0001_a.expand.sql': '-- veza:batch', '0001_a.expand.undo.sql': '' },
      '`-- veza:batch` is for migrate migrations',
    ],
    [
      { '0001_a.migrate.sql': '-- veza:batch\n-- veza:no-transaction', '0001_a.migrate.undo.sql': '' },
      'exclude each other',
    ],
    [{ '0001_a.expand.undo.sql': '' }, '0001_a.expand.undo.sql: there is no 0001_a.expand.sql that it takes back'],
    [
      { '0001_a.expand.sql': '', '0001_a.expand.undo.sql': '-- veza:irreversible: so' },
      'what takes something back is not irreversible itself',
    ],
    [{ '0001_a.sql': '' }, '0001_a.sql: expected `NNNN_name.KIND.sql` with expand, migrate, contract for KIND'],
    [
      { '0001_a.expand.sql': '-- veza:irreversible: x', '0001_b.migrate.sql': '-- veza:irreversible: x' },
      '0001_b.migrate.sql: number 0001 is taken by 0001_a.expand.sql',
    ],
  ])('says what is wrong with %o', (files, problem) => {
    const { problems } = folder(files);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });

  test('is the same on every system, and whether or not a migration says that it is irreversible', () => {
    const identityOf = (text: string): string | undefined =>
      folder({ '0001_a.expand.sql': text }).migrations[0]?.identity;
    fc.assert(
      fc.property(fc.array(fc.constantFrom('SELECT 1;', '', '-- note', '-- veza:no-transaction')), (lines) => {
        const text = lines.join('\n');
        expect(identityOf(lines.join('\r\n'))).toBe(identityOf(text));
        expect(identityOf(`-- veza:irreversible: later found out\n${text}`)).toBe(identityOf(text));
        // What came before there were undo files keeps its checksum.
        expect(identityOf(text)).toBe(text);
      }),
    );
  });

  test('first lines are understood in any order', () => {
    expect(directivesOf('-- veza:irreversible: so it is\n-- veza:no-transaction\nSELECT 1')).toEqual({
      transaction: false,
      batch: false,
      irreversible: 'so it is',
    });
  });
});
