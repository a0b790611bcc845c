import { expect, test } from 'vitest';
import { MigrationProgressBook } from './migration-progress.ts';

test('whoever watches sees every batch, the log one a second and everything else', () => {
  let now = 0;
  const lines: string[] = [];
  const book = new MigrationProgressBook(
    (line) => lines.push(line),
    () => now,
  );
  const file = '0002_names.migrate.sql';
  const run = book.follow('staging', 'api');
  run.tell({ kind: 'applying', file, number: 1, of: 1 });
  for (let batch = 1; batch <= 30; batch += 1) {
    now += 100;
    run.tell({ kind: 'batch', file, batch, rows: 10 * batch });
    expect(book.find('staging', 'api')).toBe(`${file}: batch ${batch}, ${10 * batch} rows so far`);
    expect(book.find('production', 'api')).toBeNull();
  }
  run.tell({ kind: 'applied', file, durationMs: 3_000 });
  run.end();
  expect(book.find('staging', 'api')).toBeNull();
  expect(lines).toEqual([
    `staging: api: applying ${file} (1 of 1)`,
    `staging: api: ${file}: batch 10, 100 rows so far`,
    `staging: api: ${file}: batch 20, 200 rows so far`,
    `staging: api: ${file}: batch 30, 300 rows so far`,
    `staging: api: applied ${file} in 3000 ms`,
  ]);
});
