import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FencedError, JournalCorruptedError, StoreUnavailableError, VezaError } from '../errors.ts';
import type { Entry, NewEntry } from './journal.ts';
import { openSqliteJournal } from './sqlite-journal.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'veza-journal-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const entry = (body: unknown, epoch = 1): NewEntry => ({ time: 1000, stream: 'world', kind: 'noted', body, epoch });
const file = (): string => join(directory, 'journal.db');

function write(count: number): readonly Entry[] {
  const journal = openSqliteJournal(directory);
  for (let n = 1; n <= count; n += 1) journal.append([entry({ n })], 'durable');
  const written = [...journal.read(0)];
  journal.close();
  return written;
}

function readAll(): readonly Entry[] {
  const journal = openSqliteJournal(directory);
  try {
    return [...journal.read(0)];
  } finally {
    journal.close();
  }
}

/** What somebody does who does not mean well: past the triggers, with the hash chain left as it is. */
function tamper(sql: string): void {
  const db = new DatabaseSync(file());
  const triggers = db.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").all();
  for (const { name } of triggers) db.exec(`DROP TRIGGER ${String(name)}`);
  db.exec(sql);
  for (const trigger of triggers) db.exec(String(trigger['sql']));
  db.close();
}

function failure(run: () => unknown): VezaError {
  try {
    run();
  } catch (error) {
    if (error instanceof VezaError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('a journal on the disk', () => {
  it('refuses changes and removals by SQL', () => {
    write(2);
    const db = new DatabaseSync(file());
    expect(() => db.exec("UPDATE entry SET kind = 'other'")).toThrow('append-only');
    expect(() => db.exec('DELETE FROM entry')).toThrow('append-only');
    db.close();
  });

  it('is readable by its owner only', () => {
    const journal = openSqliteJournal(directory);
    journal.append([entry(1)], 'durable');
    for (const name of ['journal.db', 'journal.db-wal', 'journal.head']) {
      expect(statSync(join(directory, name)).mode & 0o077).toBe(0);
    }
    journal.close();
  });

  it('survives SIGKILL of its writer with every entry that append returned', () => {
    const script = `
      import { openSqliteJournal } from ${JSON.stringify(join(import.meta.dirname, 'sqlite-journal.ts'))};
      const journal = openSqliteJournal(${JSON.stringify(directory)});
      for (let n = 1; n <= 50; n += 1) journal.append([{ time: n, stream: 'world', kind: 'k', body: n, epoch: 1 }], n % 3 === 0 ? 'durable' : 'relaxed');
      process.kill(process.pid, 'SIGKILL');`;
    const { signal, stderr } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', script], {
      encoding: 'utf8',
    });
    expect(signal, stderr).toBe('SIGKILL');
    expect(readAll().map((each) => each.body)).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
  });

  it('fences off a writer that lives on after its successor has begun', () => {
    const old = openSqliteJournal(directory);
    old.append([entry('old', 1)], 'durable');
    const successor = openSqliteJournal(directory);
    successor.append([entry('new', 2)], 'durable');
    expect(failure(() => old.append([entry('late', 1)], 'durable'))).toBeInstanceOf(FencedError);
    expect(old.head()).toEqual(successor.head());
    old.close();
    successor.close();
    expect(readAll().map((each) => each.body)).toEqual(['old', 'new']);
  });

  it('opens 100,000 entries, all checked, in less than two seconds', () => {
    const journal = openSqliteJournal(directory);
    journal.append(
      Array.from({ length: 100_000 }, (_, n) => entry({ id: `d-1/api/stepping/${n}`, n, text: 'x'.repeat(100) })),
      'relaxed',
    );
    journal.close();
    const start = performance.now();
    const again = openSqliteJournal(directory);
    const took = performance.now() - start;
    expect(again.head().seq).toBe(100_000);
    again.close();
    // 0.3 s on an idle core; the limit leaves room for a busy machine.
    expect(took).toBeLessThan(2000);
  });
});

describe('a damaged journal', () => {
  it.each([
    ['a changed body', "UPDATE entry SET body = replace(body, '3', '4') WHERE seq = 3", 3],
    ['a changed time', 'UPDATE entry SET time = time + 1 WHERE seq = 5', 5],
    ['a number too large to be one', 'UPDATE entry SET time = 9007199254740993 WHERE seq = 5', 5],
    ['a changed hash', "UPDATE entry SET hash = replace(hash, substr(hash, 1, 1), 'x') WHERE seq = 4", 4],
    ['an entry removed from the middle', 'DELETE FROM entry WHERE seq = 4', 4],
    ['the first entry removed', 'DELETE FROM entry WHERE seq = 1', 1],
    ['the last entries removed', 'DELETE FROM entry WHERE seq > 7', 8],
    ['everything removed', 'DELETE FROM entry', 1],
    [
      'two entries swapped',
      'UPDATE entry SET seq = -2 WHERE seq = 2; UPDATE entry SET seq = 2 WHERE seq = 3; UPDATE entry SET seq = 3 WHERE seq = -2',
      2,
    ],
    [
      'an entry that does not belong',
      'INSERT INTO entry SELECT 11, time, stream, kind, body, epoch, hash FROM entry WHERE seq = 10',
      11,
    ],
  ])('is refused, naming entry and file: %s', (_, sql, seq) => {
    write(10);
    tamper(sql);
    const error = failure(readAll);
    expect(error).toBeInstanceOf(JournalCorruptedError);
    expect(error).toMatchObject({ seq, file: file() });
    expect(error.message).toMatch(/expected .+, found .+/);
    expect(error.hint).toContain('Nothing was changed');
  });

  it('is noticed while it is in use: by read, by verify and by append', () => {
    write(10);
    const journal = openSqliteJournal(directory);
    tamper('UPDATE entry SET body = \'{"n":0}\' WHERE seq = 3');
    expect(failure(() => [...journal.read(0)])).toMatchObject({ code: 'journal-corrupted', seq: 3 });
    expect(failure(() => journal.verify())).toMatchObject({ code: 'journal-corrupted', seq: 3 });
    tamper('DELETE FROM entry WHERE seq > 8');
    expect(failure(() => journal.append([entry(1)], 'durable'))).toMatchObject({ code: 'journal-corrupted', seq: 9 });
    expect(failure(() => [...journal.read(9)])).toMatchObject({ code: 'journal-corrupted', seq: 9 });
    journal.close();
  });

  it.each([
    ['garbage', (path: string) => writeFileSync(path, 'x'.repeat(20_000))],
    ['a file cut in half', (path: string) => truncateSync(path, statSync(path).size / 2)],
    ['a file cut by a page', (path: string) => truncateSync(path, statSync(path).size - 4096)],
    ['an empty file', (path: string) => truncateSync(path, 0)],
    ['no file', (path: string) => rmSync(path)],
    [
      'another database',
      (path: string) => {
        rmSync(path);
        const db = new DatabaseSync(path);
        db.exec('CREATE TABLE other (x)');
        db.close();
      },
    ],
    [
      'a journal without its triggers',
      (path: string) => {
        const db = new DatabaseSync(path);
        db.exec('DROP TRIGGER entry_never_deleted');
        db.close();
      },
    ],
    [
      'a later format',
      (path: string) => {
        const db = new DatabaseSync(path);
        db.exec('PRAGMA user_version = 2');
        db.close();
      },
    ],
  ])('is refused: %s', (_, damage) => {
    write(100);
    damage(file());
    expect(failure(readAll)).toMatchObject({ code: 'journal-corrupted', file: file() });
  });

  it('is noticed or harmless, whichever byte of the file is changed', () => {
    const written = write(12);
    const original = readFileSync(file());
    const head = readFileSync(join(directory, 'journal.head'));
    let noticed = 0;
    // A stride that is coprime to the page size visits offsets of every kind.
    for (let offset = 0; offset < original.length; offset += 11) {
      const changed = Buffer.from(original);
      changed.writeUInt8(changed.readUInt8(offset) ^ 0x15, offset);
      writeFileSync(file(), changed);
      writeFileSync(join(directory, 'journal.head'), head);
      try {
        expect(readAll(), `byte ${offset}`).toEqual(written);
      } catch (error) {
        if (!(error instanceof VezaError)) throw error;
        noticed += 1;
      }
      for (const leftover of ['-wal', '-shm']) rmSync(`${file()}${leftover}`, { force: true });
    }
    expect(noticed).toBeGreaterThan(100);
  });

  it('is noticed when a byte of the write-ahead log is changed, which SQLite itself passes over in silence', () => {
    const copy = `${directory}-copy`;
    const journal = openSqliteJournal(directory);
    for (let n = 1; n <= 10; n += 1) journal.append([entry({ n })], 'durable');
    // As a crash would leave it: the log not yet in the database.
    cpSync(directory, copy, { recursive: true });
    journal.close();
    try {
      const wal = join(copy, 'journal.db-wal');
      const bytes = readFileSync(wal);
      expect(bytes.length).toBeGreaterThan(0);
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 3000) ^ 1, bytes.length - 3000);
      writeFileSync(wal, bytes);
      rmSync(join(copy, 'journal.db-shm'), { force: true });
      const error = failure(() => openSqliteJournal(copy));
      expect(error).toBeInstanceOf(JournalCorruptedError);
      expect(error.hint).toContain('delete');
      rmSync(join(copy, 'journal.head'));
      const accepted = openSqliteJournal(copy);
      expect(accepted.head().seq).toBeLessThan(10);
      accepted.close();
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  });

  it('is noticed when an older copy of the database is put back', () => {
    write(3);
    const old = `${file()}.old`;
    copyFileSync(file(), old);
    const journal = openSqliteJournal(directory);
    journal.append([entry('since')], 'durable');
    journal.close();
    copyFileSync(old, file());
    expect(failure(readAll)).toMatchObject({ code: 'journal-corrupted', seq: 4 });
  });

  it('tells when the head file is garbage, and lives with one torn slot', () => {
    const written = write(3);
    const head = join(directory, 'journal.head');
    const bytes = readFileSync(head);
    writeFileSync(head, Buffer.concat([Buffer.alloc(60), bytes.subarray(60)]));
    expect(readAll()).toEqual(written);
    writeFileSync(head, 'garbage');
    expect(failure(readAll)).toMatchObject({ code: 'journal-corrupted', file: head });
  });
});

describe('a disk that refuses', () => {
  const isRoot = process.getuid?.() === 0;

  function mountTmpfs(options: string): boolean {
    const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'veza-test', directory], {
      encoding: 'utf8',
    });
    if (status !== 0) console.warn(`SKIPPED: cannot mount a small tmpfs here (${stderr.trim()})`);
    return status === 0;
  }
  afterEach(() => {
    if (isRoot) spawnSync('umount', [directory]);
  });

  it.skipIf(!isRoot)(
    'fails the append when full, and goes on when there is room again (root only: needs a small tmpfs)',
    (context) => {
      if (!mountTmpfs('size=400k')) return context.skip();
      const journal = openSqliteJournal(directory);
      journal.append([entry('before')], 'durable');
      const ballast = join(directory, 'ballast');
      const filled = spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4096', 'count=1000']);
      expect(filled.status).not.toBe(0);
      let appended = 0;
      const error = failure(() => {
        for (;;) {
          journal.append([entry('x'.repeat(5000))], 'durable');
          appended += 1;
        }
      });
      expect(error).toBeInstanceOf(StoreUnavailableError);
      expect(error.message).toContain('disk is full');
      expect(error.hint).toContain('Free some space');
      expect(failure(() => journal.append([entry('still full')], 'relaxed'))).toBeInstanceOf(StoreUnavailableError);
      expect([...journal.read(0)]).toHaveLength(1 + appended);

      rmSync(ballast);
      journal.append([entry('after')], 'durable');
      journal.verify();
      journal.close();
      expect(readAll()).toHaveLength(2 + appended);
      return undefined;
    },
  );

  it('says so when the folder is read-only', (context) => {
    write(1);
    if (isRoot) {
      // Permissions do not stop root; a read-only file system does.
      if (!mountTmpfs('size=400k')) return context.skip();
      expect(spawnSync('mount', ['-o', 'remount,ro', directory]).status).toBe(0);
    } else {
      rmSync(join(directory, 'journal.head'));
      chmodSync(directory, 0o500);
    }
    const error = failure(() => openSqliteJournal(directory));
    expect(error).toBeInstanceOf(StoreUnavailableError);
    expect(error.message).toContain(directory);
    expect(error.hint).toContain('writable');
    if (!isRoot) chmodSync(directory, 0o700);
    return undefined;
  });

  it('says so when the folder is a file', () => {
    const path = join(directory, 'file');
    writeFileSync(path, '');
    expect(failure(() => openSqliteJournal(join(path, 'state')))).toBeInstanceOf(StoreUnavailableError);
    expect(existsSync(join(directory, 'journal.db'))).toBe(false);
  });
});
