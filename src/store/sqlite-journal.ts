import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { JournalCorruptedError, StoreUnavailableError } from '../errors.ts';
import { HeadFile } from './head-file.ts';
import {
  chainFault,
  type Durability,
  type Entry,
  GENESIS,
  type Head,
  type Journal,
  type NewEntry,
  seal,
  type SealedEntry,
  unseal,
} from './journal.ts';
import { storeFailure } from './sqlite-failure.ts';

// "veza" in ASCII: file(1) and this code tell the journal from any other database by it.
const APPLICATION_ID = 0x76_65_7a_61;
const FORMAT = 1;
const PAGE = 1000;

const SCHEMA: readonly string[] = [
  `CREATE TABLE entry (
  seq INTEGER PRIMARY KEY,
  time INTEGER NOT NULL,
  stream TEXT NOT NULL,
  kind TEXT NOT NULL,
  body TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  hash TEXT NOT NULL
) STRICT`,
  `CREATE TRIGGER entry_never_updated BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END`,
  `CREATE TRIGGER entry_never_deleted BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END`,
];

/**
 * Opens the journal in `directory` (`journal.db`, its write-ahead log, and `journal.head`), makes it when there is none, and
 * checks all of it.
 *
 * @throws JournalCorruptedError when it is damaged; StoreUnavailableError when the folder cannot be used.
 */
export function openSqliteJournal(directory: string): Journal {
  return new SqliteJournal(directory);
}

/**
 * The journal in SQLite (write-ahead log).
 *
 * Durable and relaxed appends share one connection that switches `PRAGMA synchronous` between transactions, where the
 * switch takes effect at once. FULL syncs the log at each commit, NORMAL does not. This is sound because the log is one file
 * that only grows at its end: a sync for a durable append covers the frames of all relaxed ones before it, and recovery
 * keeps a prefix of the commits (each frame's checksum covers those before it), so that a power cut can take relaxed
 * entries from the end only. Checkpoints sync the log before they touch the database in both modes.
 * https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html#pragma_synchronous
 */
class SqliteJournal implements Journal {
  readonly #file: string;
  readonly #db: DatabaseSync;
  readonly #headFile: HeadFile;
  readonly #insert: StatementSync;
  readonly #last: StatementSync;
  readonly #page: StatementSync;
  readonly #one: StatementSync;
  #head: Head = GENESIS;
  #durability: Durability | null = null;
  #open = true;

  constructor(directory: string) {
    this.#file = join(directory, 'journal.db');
    const headPath = join(directory, 'journal.head');
    let db: DatabaseSync | null = null;
    let headFile: HeadFile | null = null;
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      // Made here so that only the owner can read it; SQLite gives its log the same permissions.
      closeSync(openSync(this.#file, 'a', 0o600));
      headFile = new HeadFile(headPath);
      db = new DatabaseSync(this.#file, { timeout: 2000, defensive: true });
      this.#db = db;
      this.#headFile = headFile;
      this.#prepareFile();
      const columns = 'seq, time, stream, kind, body AS text, epoch, hash';
      this.#insert = db.prepare('INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)');
      this.#last = db.prepare('SELECT seq, hash, epoch FROM entry ORDER BY seq DESC LIMIT 1');
      this.#page = db.prepare(`SELECT ${columns} FROM entry WHERE seq > ? ORDER BY seq LIMIT ?`);
      this.#one = db.prepare('SELECT seq, hash, epoch FROM entry WHERE seq = ?');
      this.#verifyAgainst(headPath);
    } catch (error) {
      closeQuietly(db);
      headFile?.close();
      throw storeFailure(this.#file, error);
    }
  }

  append(entries: readonly NewEntry[], durability: Durability): readonly Entry[] {
    if (entries.length === 0) return [];
    return this.#guard(() => {
      if (this.#durability !== durability) {
        this.#db.exec(`PRAGMA synchronous = ${durability === 'durable' ? 'FULL' : 'NORMAL'}`);
        this.#durability = durability;
      }
      this.#db.exec('BEGIN IMMEDIATE');
      this.#catchUp();
      const sealed = seal(this.#head, entries);
      for (const { seq, time, stream, kind, text, epoch, hash } of sealed) {
        this.#insert.run(seq, time, stream, kind, text, epoch, hash);
      }
      this.#db.exec('COMMIT');
      this.#head = headOf(sealed.at(-1) ?? this.#head);
      if (durability === 'durable') this.#rememberHead();
      return sealed.map(unseal);
    });
  }

  *read(afterSeq: number, limit = Number.POSITIVE_INFINITY): Iterable<Entry> {
    let left = limit;
    let previous = this.#guard(() => this.#headAt(Math.max(0, afterSeq)));
    while (left > 0 && previous !== null) {
      // Whole pages, never an open cursor: the caller may append while it reads.
      const start: Head = previous;
      const page = this.#guard(() => this.#readPage(start, Math.min(PAGE, left)));
      for (const entry of page) yield unseal(entry);
      left -= page.length;
      previous = page.at(-1) ?? null;
    }
  }

  head(): Head {
    return this.#guard(() => {
      this.#catchUp();
      return this.#head;
    });
  }

  verify(): void {
    this.#guard(() => {
      this.#walk(GENESIS);
    });
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    try {
      const result = this.#db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
      // Not busy: everything is in the database and synced, relaxed entries too.
      if (result?.['busy'] === 0 && this.#head.seq > 0) this.#rememberHead();
    } catch (error) {
      throw storeFailure(this.#file, error);
    } finally {
      closeQuietly(this.#db);
      this.#headFile.close();
    }
  }

  /** Runs one operation; leaves no transaction behind, and gives failures their names. */
  #guard<Result>(operation: () => Result): Result {
    if (!this.#open) {
      throw new StoreUnavailableError(
        this.#file,
        'the journal is closed',
        'This is a bug of the control plane: report it.',
      );
    }
    try {
      return operation();
    } catch (error) {
      if (this.#db.isTransaction) {
        try {
          this.#db.exec('ROLLBACK');
        } catch {
          // SQLite has rolled back by itself (full disk, failed write); the first error is the one to tell.
        }
      }
      throw storeFailure(this.#file, error);
    }
  }

  #prepareFile(): void {
    const db = this.#db;
    const pragma = (name: string): unknown => Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
    db.exec('PRAGMA journal_mode = WAL; PRAGMA fullfsync = 1; PRAGMA checkpoint_fullfsync = 1');
    const empty = db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.['n'] === 0;
    if (empty && pragma('user_version') === 0) {
      db.exec('PRAGMA synchronous = FULL');
      db.exec(`BEGIN IMMEDIATE; PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT}`);
      for (const statement of SCHEMA) db.exec(statement);
      db.exec('COMMIT');
      syncDirectory(dirname(this.#file));
      return;
    }
    if (pragma('application_id') !== APPLICATION_ID) {
      throw new JournalCorruptedError(this.#file, null, 'a journal of Veza Deploy', 'some other database');
    }
    const format = pragma('user_version');
    if (format !== FORMAT) {
      throw new JournalCorruptedError(
        this.#file,
        null,
        `format ${FORMAT}`,
        `format ${String(format)}`,
        'Run the version of veza that wrote this state folder, or a later one.',
      );
    }
    const found = db.prepare('SELECT sql FROM sqlite_schema ORDER BY rowid').all();
    if (found.map((row) => row['sql']).join('\n') !== SCHEMA.join('\n')) {
      throw new JournalCorruptedError(this.#file, null, 'the table and triggers of a journal', 'something else');
    }
  }

  /** Checks the chain from its first entry, and that it reaches as far as it is known to have been on the disk. */
  #verifyAgainst(headPath: string): void {
    const durable = this.#headFile.read();
    if (durable === 'unreadable') {
      throw new JournalCorruptedError(
        headPath,
        null,
        'where the journal ends',
        'something unreadable',
        acceptHint(headPath),
      );
    }
    this.#walk(GENESIS, (entry) => {
      if (durable !== null && entry.seq === durable.seq && entry.hash !== durable.hash) {
        throw new JournalCorruptedError(this.#file, entry.seq, `hash ${durable.hash}`, `hash ${entry.hash}`);
      }
    });
    if (durable !== null && durable.seq > this.#head.seq) {
      const found = this.#head.seq === 0 ? 'no entry at all' : `entry ${this.#head.seq} as the last one`;
      const expected = `at least ${durable.seq} entries, as ${headPath} says`;
      throw new JournalCorruptedError(this.#file, this.#head.seq + 1, expected, found, acceptHint(headPath));
    }
  }

  /** Takes in what another connection has appended since; in the usual case that is nothing. */
  #catchUp(): void {
    const last = (this.#last.get() as Head | undefined) ?? GENESIS;
    if (last.seq === this.#head.seq && last.hash === this.#head.hash) return;
    if (last.seq < this.#head.seq) {
      const found = last.seq === 0 ? 'no entry at all' : `entry ${last.seq} as the last one`;
      throw new JournalCorruptedError(this.#file, last.seq + 1, `${this.#head.seq} entries`, found);
    }
    this.#walk(this.#head);
  }

  #walk(from: Head, each?: (entry: SealedEntry) => void): void {
    let previous = from;
    for (;;) {
      const page = this.#readPage(previous, PAGE);
      if (each !== undefined) for (const entry of page) each(entry);
      previous = page.at(-1) ?? previous;
      if (page.length < PAGE) break;
    }
    if (previous.seq < this.#head.seq) {
      throw new JournalCorruptedError(
        this.#file,
        previous.seq + 1,
        `entry ${previous.seq + 1}`,
        'the end of the journal',
      );
    }
    this.#head = headOf(previous);
  }

  #readPage(previous: Head, limit: number): readonly SealedEntry[] {
    let last: Head = previous;
    try {
      const page: SealedEntry[] = [];
      for (const row of this.#page.all(previous.seq, limit)) {
        const entry = row as unknown as SealedEntry;
        const fault = chainFault(last, entry);
        if (fault !== null) throw new JournalCorruptedError(this.#file, last.seq + 1, fault.expected, fault.found);
        page.push(entry);
        last = entry;
      }
      return page;
    } catch (error) {
      // An integer too large for a number, or such: bytes that `append` never wrote. Which entry it is, is found one by one.
      if (error instanceof TypeError || error instanceof RangeError) {
        if (limit > 1) {
          const [first] = this.#readPage(previous, 1);
          return first === undefined ? [] : [first, ...this.#readPage(first, limit - 1)];
        }
        throw new JournalCorruptedError(this.#file, last.seq + 1, `entry ${last.seq + 1}`, `"${error.message}"`);
      }
      throw error;
    }
  }

  /** Where reading after `seq` starts; null when there is nothing after it. */
  #headAt(seq: number): Head | null {
    if (seq === 0) return GENESIS;
    const row = this.#one.get(seq) as Head | undefined;
    if (row !== undefined) return row;
    this.#catchUp();
    if (seq > this.#head.seq) return null;
    throw new JournalCorruptedError(this.#file, seq, `entry ${seq}`, 'nothing');
  }

  #rememberHead(): void {
    try {
      this.#headFile.write(this.#head);
    } catch {
      // The entry is on the disk already: a head file that lags only notices less, a failed append would be a lie.
    }
  }
}

function headOf({ seq, hash, epoch }: Head): Head {
  return { seq, hash, epoch };
}

function acceptHint(headPath: string): string {
  return `Nothing was changed, and running services go on. Restore the state folder from a backup; or, to accept what is left and lose the rest, delete ${headPath} and start again.`;
}

function closeQuietly(db: DatabaseSync | null): void {
  try {
    db?.close();
  } catch {
    // Closing is the last thing done with it; the failure that led here is the one to tell.
  }
}

function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
