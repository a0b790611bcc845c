import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteJournal } from '../../src/store/sqlite-journal.ts';
import { journalContract } from './journal.suite.ts';

journalContract('sqlite', () => {
  const directory = mkdtempSync(join(tmpdir(), 'veza-journal-'));
  return {
    open: () => openSqliteJournal(directory),
    dispose: () => rmSync(directory, { recursive: true, force: true }),
  };
});
