import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 10;
const SQLITE_BUSY = 5;

/**
 * Runs `work` while nobody else, in this process or another, does so with the same lock file. The lock is SQLite's on an empty
 * database, so it vanishes with its process.
 *
 * @returns what `work` returns, or null when the lock was not free within `timeoutMs`.
 */
export async function withFileLock<Result>(
  file: string,
  timeoutMs: number,
  work: () => Promise<Result>,
): Promise<Result | null> {
  closeSync(openSync(file, 'a', 0o600));
  const deadline = performance.now() + timeoutMs;
  const db = new DatabaseSync(file, { timeout: 0 });
  try {
    while (!tryLock(db)) {
      if (performance.now() > deadline) return null;
      await delay(POLL_MS);
    }
    return await work();
  } finally {
    db.close();
  }
}

function tryLock(db: DatabaseSync): boolean {
  try {
    db.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0;
    if ((code & 0xff) === SQLITE_BUSY) return false;
    throw error;
  }
}
