import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteEvidence } from '../../src/store/sqlite-evidence-store.ts';
import { evidenceContract } from './evidence.suite.ts';

evidenceContract('sqlite', () => {
  const directory = mkdtempSync(join(tmpdir(), 'veza-evidence-'));
  return {
    open: () =>
      openSqliteEvidence(directory, (note) => {
        throw new Error(note);
      }),
    dispose: () => rmSync(directory, { recursive: true, force: true }),
    survives: true,
  };
});
