import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { JournalCorruptedError, type StateHolder, StateDirectoryHeldError, StoreUnavailableError } from '../errors.ts';
import { isBusy, storeFailure } from './sqlite-failure.ts';
import { isAlive } from '../system/is-alive.ts';

/** The right to be the one control plane of a state directory. */
export interface StateLock {
  /** Fencing token: higher than that of every holder before, also after a crash or a power cut. */
  readonly epoch: number;
  /** Lets the next one in. Releasing twice is harmless. */
  release(): void;
}

export interface StateLockOptions {
  /** UTC milliseconds: when this process started, for people who want to know who holds the directory. */
  readonly startedAt: number;
  /**
   * An epoch known from elsewhere (the journal's, a router's) that the new one must exceed, asked for once the lock is held.
   * It makes a lost or restored `lock.db` harmless.
   */
  readonly atLeast?: () => number;
}

/**
 * Takes the lock of a state directory, without waiting for another holder.
 *
 * The lock is SQLite's own on `lock.db`: a POSIX record lock, which the kernel drops when the process ends, also by SIGKILL,
 * and which children do not inherit (so that instances, which outlive the control plane, never hold it). The epoch lives
 * in the same file and grows by a synced transaction. Not for network file systems: their locks are not dependable.
 *
 * @throws StateDirectoryHeldError saying who holds it; StoreUnavailableError when the directory cannot be used.
 * @see https://www.sqlite.org/lockingv3.html, fcntl(2) "Advisory record locking"
 */
export function acquireStateLock(directory: string, options: StateLockOptions): StateLock {
  const file = join(directory, 'lock.db');
  const holderFile = join(directory, 'holder.json');
  let db: DatabaseSync | null = null;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    closeSync(openSync(file, 'a', 0o600));
    db = lockedDatabase(file);
    if (db === null) throw new StateDirectoryHeldError(directory, readHolder(holderFile));
    const held = db;
    const epoch = nextEpoch(held, options.atLeast?.() ?? 0);
    writeHolder(holderFile, {
      pid: process.pid,
      host: hostname(),
      startedAt: options.startedAt,
      command: process.argv.join(' '),
    });
    let open = true;
    return {
      epoch,
      release() {
        if (!open) return;
        open = false;
        rmSync(holderFile, { force: true });
        held.close();
      },
    };
  } catch (error) {
    db?.close();
    const failure = storeFailure(file, error);
    if (!(failure instanceof JournalCorruptedError) || failure.file !== file) throw failure;
    const hint = `Delete ${file} while no control plane runs; the epoch goes on from what the journal holds.`;
    throw new StoreUnavailableError(file, 'it is damaged', hint, error);
  }
}

/** The database with its exclusive lock held until it is closed; null when another process has it. */
function lockedDatabase(file: string): DatabaseSync | null {
  const db = new DatabaseSync(file, { timeout: 0 });
  try {
    // In this mode the lock taken by the first exclusive transaction is kept after its commit.
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = EXTRA; PRAGMA fullfsync = 1; BEGIN EXCLUSIVE');
    return db;
  } catch (error) {
    db.close();
    if (isBusy(error)) return null;
    throw error;
  }
}

/** Raises the epoch, on the disk when this returns; ends the transaction that `lockedDatabase` began. */
function nextEpoch(db: DatabaseSync, floor: number): number {
  db.exec('CREATE TABLE IF NOT EXISTS lease (id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL) STRICT');
  const before = Number(db.prepare('SELECT epoch FROM lease').get()?.['epoch'] ?? 0);
  const epoch = Math.max(before, floor) + 1;
  db.prepare('INSERT INTO lease VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch').run(epoch);
  db.exec('COMMIT');
  return epoch;
}

function writeHolder(file: string, holder: StateHolder): void {
  writeFileSync(`${file}.new`, `${JSON.stringify(holder, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/**
 * Who wrote the holder file; null when nobody has (yet). A holder that is gone has been succeeded by one that is about to
 * write, so that is waited for, shortly.
 */
function readHolder(file: string): StateHolder | null {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const holder = parseHolder(file);
    if (holder !== null && (holder.host !== hostname() || isAlive(holder.pid))) return holder;
    Atomics.wait(pause, 0, 0, 10);
  }
  return null;
}

function parseHolder(file: string): StateHolder | null {
  try {
    const { pid, host, startedAt, command } = JSON.parse(readFileSync(file, 'utf8')) as Partial<StateHolder>;
    if (typeof pid !== 'number' || typeof host !== 'string') return null;
    if (typeof startedAt !== 'number' || typeof command !== 'string') return null;
    return { pid, host, startedAt, command };
  } catch {
    // Missing or half a file: the lock itself is what counts, this only says whose it is.
    return null;
  }
}
