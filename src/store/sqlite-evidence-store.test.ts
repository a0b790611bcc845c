import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EvidenceHead, EvidenceSecond } from '../core/analysis/evidence-record.ts';
import { settingsOf } from '../core/analysis/settings.ts';
import type { DurationMs, Percent } from '../core/units/quantities.ts';
import { StoreUnavailableError } from '../errors.ts';
import { openSqliteEvidence } from './sqlite-evidence-store.ts';

const head: EvidenceHead = {
  deployment: 'dep_1',
  leg: 0,
  environment: 'production',
  service: 'api',
  stable: 'rel_1',
  candidate: 'rel_2',
  settings: {
    analysis: settingsOf('balanced'),
    limits: { minSuccessPercent: 99 as Percent, maxP99Ms: 500 as DurationMs, minRequests: 1_000 },
  },
  past: [],
};
const second = (number: number): EvidenceSecond => {
  const arm = {
    requests: 50,
    serverErrors: 0,
    gatewayErrors: 0,
    clientErrors: 0,
    latency: Array.from({ length: 12 }, (_, index) => [90 + index + (number % 7), 1 + (index % 5)] as const),
  };
  return {
    traffic: { service: 'api', second: number, arms: { stable: arm, candidate: arm } },
    weight: 5,
    phase: 'stepping',
    step: 0,
  };
};

describe('evidence in SQLite', () => {
  let directory = '';
  let notes: string[] = [];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'veza-evidence-'));
    notes = [];
  });
  afterEach(() => {
    chmodSync(directory, 0o700);
    rmSync(directory, { recursive: true, force: true });
  });
  const file = (): string => join(directory, 'evidence.db');
  const open = () => openSqliteEvidence(directory, (note) => notes.push(note));

  it('is readable by its owner only', () => {
    const store = open();
    store.begin(head);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    store.close();
  });

  it('sets a file that is no database aside, says so, and goes on with a new one', () => {
    writeFileSync(file(), 'this is no database at all, and long enough to be looked at'.repeat(100));
    const store = open();
    store.begin(head);
    store.append('dep_1', 0, [second(1)]);
    expect(store.read('dep_1', 0)?.seconds).toHaveLength(1);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toContain('evidence.db.damaged');
    expect(existsSync(`${file()}.damaged`)).toBe(true);
    store.close();
  });

  it('sets a file of another format aside instead of misreading it', () => {
    const other = new DatabaseSync(file());
    other.exec('CREATE TABLE something (id INTEGER)');
    other.close();
    const store = open();
    store.keepMinute('production', 'api', {
      minute: 1,
      observed: 60,
      errors: { seconds: 0, total: 0, events: 0, squares: 0 },
      clientErrors: 0,
      latency: [],
    });
    expect(store.minutes('production', 'api', 0)).toHaveLength(1);
    expect(notes).toHaveLength(1);
    store.close();
  });

  it('notices a row that does not hold what was written, and sets the file aside', () => {
    const before = open();
    before.begin(head);
    before.append('dep_1', 0, [second(1)]);
    before.close();
    const db = new DatabaseSync(file());
    db.exec(`UPDATE second SET body = x'0102030405'`);
    db.close();
    const store = open();
    expect(store.read('dep_1', 0)).toBeNull();
    expect(notes).toHaveLength(1);
    store.begin(head);
    store.append('dep_1', 0, [second(2)]);
    expect(store.read('dep_1', 0)?.seconds).toHaveLength(1);
    store.close();
  });

  it('is set aside while it is in use, when its pages turn out to be damaged', () => {
    const before = open();
    before.begin(head);
    before.append(
      'dep_1',
      0,
      Array.from({ length: 500 }, (_, number) => second(number + 1)),
    );
    before.close();
    const bytes = readFileSync(file());
    bytes.fill(0xa5, 4_096);
    writeFileSync(file(), bytes);
    const store = open();
    store.begin(head);
    expect(store.read('dep_1', 0)?.seconds).toEqual([]);
    expect(notes).toHaveLength(1);
    store.close();
  });

  it('throws while its folder cannot be used, and works again once it can', () => {
    // Given a place that is taken by a folder
    mkdirSync(file());
    const store = open();
    expect(() => store.begin(head)).toThrow(StoreUnavailableError);
    expect(() => store.read('dep_1', 0)).toThrow(StoreUnavailableError);
    rmSync(file(), { recursive: true });
    store.begin(head);
    expect(store.read('dep_1', 0)?.seconds).toEqual([]);
    expect(notes).toEqual([]);
    store.close();
  });

  it('has room for an hour of a rollout in a megabyte', () => {
    const store = open();
    store.begin(head);
    store.append(
      'dep_1',
      0,
      Array.from({ length: 3_600 }, (_, number) => second(number + 1)),
    );
    store.close();
    expect(statSync(file()).size).toBeLessThan(1_000_000);
  });
});
