import { closeSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { EvidenceHead, EvidenceRecord, EvidenceSecond } from '../core/analysis/evidence-record.ts';
import { JournalCorruptedError, StoreUnavailableError } from '../errors.ts';
import { pack, unpack } from './evidence-codec.ts';
import type { EvidenceStore, ServiceMinute } from './evidence-store.ts';
import { storeFailure } from './sqlite-failure.ts';

// "vezE" in ASCII: file(1) and this code tell it from the journal by it.
const APPLICATION_ID = 0x76_65_7a_45;
const FORMAT = 1;

const SCHEMA = `
CREATE TABLE record (
  id INTEGER PRIMARY KEY,
  deployment TEXT NOT NULL,
  leg INTEGER NOT NULL,
  environment TEXT NOT NULL,
  head BLOB NOT NULL,
  dropped INTEGER NOT NULL DEFAULT 0,
  UNIQUE (deployment, leg)
) STRICT;
CREATE TABLE second (
  record INTEGER NOT NULL,
  second INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (record, second)
) STRICT, WITHOUT ROWID;
CREATE TABLE service (
  id INTEGER PRIMARY KEY,
  environment TEXT NOT NULL,
  service TEXT NOT NULL,
  UNIQUE (environment, service)
) STRICT;
CREATE TABLE minute (
  service INTEGER NOT NULL,
  minute INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (service, minute)
) STRICT, WITHOUT ROWID;
`;

/** Rows that one call of `trim` deletes at most, of minutes of each service and of seconds. */
const TRIM_MINUTES = 200;
const TRIM_SECONDS = 2_000;

interface Statements {
  readonly begin: StatementSync;
  readonly find: StatementSync;
  readonly last: StatementSync;
  readonly append: StatementSync;
  readonly seconds: StatementSync;
  readonly name: StatementSync;
  readonly keep: StatementSync;
  readonly minutes: StatementSync;
  readonly services: StatementSync;
  readonly trimMinutes: StatementSync;
  readonly tooOld: StatementSync;
  readonly drop: StatementSync;
  readonly dropped: StatementSync;
  readonly trimSeconds: StatementSync;
  readonly forget: StatementSync;
}

/**
 * Evidence in SQLite, `evidence.db` in a state folder. Opening never fails: what cannot be opened now is tried again with every call.
 * A file that is damaged is set aside as `evidence.db.damaged`, and an empty one takes its place.
 *
 * Commits are not synced (write-ahead log, NORMAL): a power cut takes the last seconds, never the file.
 * https://www.sqlite.org/pragma.html#pragma_synchronous
 *
 * @param directory the state folder
 * @param onSetAside told in words, when a damaged file was set aside
 */
export const openSqliteEvidence = (directory: string, onSetAside: (note: string) => void): EvidenceStore =>
  new SqliteEvidenceStore(directory, onSetAside);

class SqliteEvidenceStore implements EvidenceStore {
  readonly #file: string;
  readonly #onSetAside: (note: string) => void;
  #db: DatabaseSync | null = null;
  #statements: Statements | null = null;
  #closed = false;

  constructor(directory: string, onSetAside: (note: string) => void) {
    this.#file = join(directory, 'evidence.db');
    this.#onSetAside = onSetAside;
  }

  begin(head: EvidenceHead): void {
    const { deployment, leg, environment } = head;
    this.#guard(({ begin }) => begin.run(deployment, leg, environment, pack(head)));
  }

  append(deployment: string, leg: number, seconds: readonly EvidenceSecond[]): void {
    if (seconds.length === 0) return;
    this.#guard(({ find, last, append }, db) => {
      const record = find.get(deployment, leg)?.['id'];
      if (typeof record !== 'number') return;
      db.exec('BEGIN IMMEDIATE');
      let latest = Number(last.get(record)?.['second'] ?? -1);
      for (const second of seconds) {
        if (second.traffic.second <= latest) continue;
        latest = second.traffic.second;
        append.run(record, latest, pack(second));
      }
      db.exec('COMMIT');
    });
  }

  read(deployment: string, leg: number): EvidenceRecord | null {
    return this.#guard(({ find, seconds }) => {
      const row = find.get(deployment, leg);
      if (row === undefined) return null;
      const head = unpack(row['head'] as Uint8Array) as EvidenceHead;
      const rows = seconds.all(row['id'] as number);
      return { ...head, seconds: rows.map(({ body }) => unpack(body as Uint8Array) as EvidenceSecond) };
    });
  }

  keepMinute(environment: string, service: string, minute: ServiceMinute): void {
    this.#guard(({ name, keep }) => {
      name.run(environment, service);
      keep.run(minute.minute, pack(minute), environment, service);
    });
  }

  minutes(environment: string, service: string, fromMinute: number): readonly ServiceMinute[] {
    return this.#guard(({ minutes }) =>
      minutes.all(environment, service, fromMinute).map(({ body }) => unpack(body as Uint8Array) as ServiceMinute),
    );
  }

  trim(beforeMinute: number, deployments: number): void {
    this.#guard((statements, db) => {
      db.exec('BEGIN IMMEDIATE');
      for (const { id } of statements.services.all()) statements.trimMinutes.run(id as number, beforeMinute);
      for (const { id } of statements.tooOld.all(deployments)) statements.drop.run(id as number);
      let budget = TRIM_SECONDS;
      while (budget > 0) {
        const dropped = statements.dropped.get()?.['id'];
        if (typeof dropped !== 'number') break;
        const changes = Number(statements.trimSeconds.run(dropped, budget).changes);
        if (changes < budget) statements.forget.run(dropped);
        // A record without seconds is work, too.
        budget -= Math.max(1, changes);
      }
      db.exec('COMMIT');
    });
  }

  close(): void {
    this.#closed = true;
    this.#letGo();
  }

  /** Runs one operation, in a new file if the old one turns out to be damaged. */
  #guard<Result>(operation: (statements: Statements, db: DatabaseSync) => Result): Result {
    if (this.#closed) {
      const hint = 'This is a bug of the control plane: report it.';
      throw new StoreUnavailableError(this.#file, 'the evidence is closed', hint);
    }
    try {
      return this.#run(operation);
    } catch (error) {
      this.#setAside(this.#damageOf(error));
    }
    try {
      return this.#run(operation);
    } catch (error) {
      const hint = 'Check the disk (dmesg, free space); it is tried again all the time.';
      throw new StoreUnavailableError(
        this.#file,
        `a new file is damaged at once: ${this.#damageOf(error)}`,
        hint,
        error,
      );
    }
  }

  #run<Result>(operation: (statements: Statements, db: DatabaseSync) => Result): Result {
    const db = this.#db ?? this.#openFile();
    this.#db = db;
    this.#statements ??= prepare(db);
    try {
      return operation(this.#statements, db);
    } catch (error) {
      if (db.isTransaction) {
        try {
          db.exec('ROLLBACK');
        } catch {
          // SQLite has rolled back by itself (full disk, failed write); the first error is the one to tell.
        }
      }
      throw error;
    }
  }

  #openFile(): DatabaseSync {
    mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
    // Made here so that only the owner can read it; SQLite gives its log the same permissions.
    closeSync(openSync(this.#file, 'a', 0o600));
    const db = new DatabaseSync(this.#file, { timeout: 2000, defensive: true });
    try {
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
      const pragma = (name: string): unknown => Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
      const isEmpty = db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.['n'] === 0;
      if (isEmpty) {
        db.exec(`BEGIN IMMEDIATE; PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT};`);
        db.exec(`${SCHEMA} COMMIT`);
      } else if (pragma('application_id') !== APPLICATION_ID || pragma('user_version') !== FORMAT) {
        throw new JournalCorruptedError(this.#file, null, `evidence in format ${FORMAT}`, 'some other database');
      }
      return db;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /**
   * What is wrong with the file, in words. What is neither said by SQLite nor by the file system comes from a row that does not hold
   * what was written. @throws StoreUnavailableError when the file is whole, and cannot be used now
   */
  #damageOf(error: unknown): string {
    const failure = storeFailure(this.#file, error);
    if (failure instanceof StoreUnavailableError) throw failure;
    if (failure instanceof JournalCorruptedError) return `expected ${failure.expected}, found ${failure.found}`;
    return failure instanceof Error ? failure.message : String(failure);
  }

  #setAside(damage: string): void {
    this.#letGo();
    const aside = `${this.#file}.damaged`;
    try {
      for (const suffix of ['', '-wal', '-shm']) {
        rmSync(`${aside}${suffix}`, { force: true });
        try {
          renameSync(`${this.#file}${suffix}`, `${aside}${suffix}`);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        }
      }
    } catch (error) {
      throw storeFailure(this.#file, error);
    }
    this.#onSetAside(
      `${this.#file} was damaged (${damage}) and is set aside as ${aside}: evidence of earlier deployments and the traffic of the last week are in there, and everything goes on with a new file. Delete it when nobody needs it.`,
    );
  }

  #letGo(): void {
    try {
      this.#db?.close();
    } catch {
      // Closing is the last thing done with it; nothing is lost that could be kept.
    }
    this.#db = null;
    this.#statements = null;
  }
}

const OF_SERVICE = '(SELECT id FROM service WHERE environment = ? AND service = ?)';

function prepare(db: DatabaseSync): Statements {
  return {
    begin: db.prepare('INSERT OR IGNORE INTO record (deployment, leg, environment, head) VALUES (?, ?, ?, ?)'),
    find: db.prepare('SELECT id, head FROM record WHERE deployment = ? AND leg = ? AND dropped = 0'),
    last: db.prepare('SELECT max(second) AS second FROM second WHERE record = ?'),
    append: db.prepare('INSERT INTO second VALUES (?, ?, ?)'),
    seconds: db.prepare('SELECT body FROM second WHERE record = ? ORDER BY second'),
    name: db.prepare('INSERT OR IGNORE INTO service (environment, service) VALUES (?, ?)'),
    keep: db.prepare(
      'INSERT OR REPLACE INTO minute SELECT id, ?, ? FROM service WHERE environment = ? AND service = ?',
    ),
    minutes: db.prepare(`SELECT body FROM minute WHERE service = ${OF_SERVICE} AND minute >= ? ORDER BY minute`),
    services: db.prepare('SELECT id FROM service'),
    trimMinutes: db.prepare(
      `DELETE FROM minute WHERE service = ?1 AND minute IN
         (SELECT minute FROM minute WHERE service = ?1 AND minute < ?2 ORDER BY minute LIMIT ${TRIM_MINUTES})`,
    ),
    tooOld: db.prepare(
      `WITH ranked AS (
         SELECT id, dense_rank() OVER (PARTITION BY environment ORDER BY first DESC) AS place FROM
           (SELECT id, environment, dropped, min(id) OVER (PARTITION BY deployment) AS first FROM record)
         WHERE dropped = 0)
       SELECT id FROM ranked WHERE place > ?`,
    ),
    drop: db.prepare('UPDATE record SET dropped = 1 WHERE id = ?'),
    dropped: db.prepare('SELECT id FROM record WHERE dropped = 1 ORDER BY id LIMIT 1'),
    trimSeconds: db.prepare(
      `DELETE FROM second WHERE record = ?1 AND second IN
         (SELECT second FROM second WHERE record = ?1 ORDER BY second LIMIT ?2)`,
    ),
    forget: db.prepare('DELETE FROM record WHERE id = ?'),
  };
}
