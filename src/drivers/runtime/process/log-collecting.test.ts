import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LogCollecting, punchHole, type FreeSpace } from './log-collecting.ts';
import { cursorsFile, LOG_FILES, logFile, MAX_LOG_BYTES, parseStoredLine } from './log-files.ts';
import { instanceDir, makeStateFolders } from '../supervision/state-files.ts';
import { rawLogFile, writeRecord, type InstanceRecord } from './record.ts';

const id = 'api-blue-1';
const record = (changes: Partial<InstanceRecord> = {}): InstanceRecord => ({
  version: 1,
  id,
  ref: { environment: 'staging', service: 'api', slot: 'blue' },
  release: 'rel_1',
  port: 20_000,
  createdAt: 0,
  stopGraceMs: 1000,
  memoryLimit: null,
  launches: 1,
  exits: [],
  lastExit: null,
  phase: { kind: 'launching', at: 0 },
  ...changes,
});

describe('LogCollecting', () => {
  let stateDir: string;
  beforeEach(() => {
    stateDir = mkdtempSync(join(tmpdir(), 'veza-logs-'));
    makeStateFolders(stateDir);
    mkdirSync(instanceDir(stateDir, id));
    writeRecord(stateDir, record());
  });
  afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

  const write = (text: string | Buffer, stream: 'stdout' | 'stderr' = 'stdout', launch = 1): void =>
    appendFileSync(rawLogFile(stateDir, id, launch, stream), text);
  const collectAll = async (collecting: LogCollecting): Promise<void> => {
    while (await collecting.collect(id));
  };
  const stored = (index = 0): string[] => {
    const file = logFile(stateDir, 'staging', 'api', index);
    if (!existsSync(file)) return [];
    return readFileSync(file, 'utf8')
      .split('\n')
      .flatMap((line) => parseStoredLine(line)?.text ?? []);
  };

  test('whole lines are stored at once, a part only when its instance has ended', async () => {
    const collecting = new LogCollecting(stateDir);
    write('one\ntwo\nthr');
    await collectAll(collecting);
    expect(stored()).toEqual(['one', 'two']);
    write('ee\nlast words');
    await collectAll(collecting);
    expect(stored()).toEqual(['one', 'two', 'three']);
    writeRecord(stateDir, record({ phase: { kind: 'down', startAt: 0 } }));
    await collectAll(collecting);
    expect(stored()).toEqual(['one', 'two', 'three', 'last words']);
  });

  test('after a crash between storing lines and noting it, nothing is lost and nothing comes twice', async () => {
    write('one\ntwo\n');
    await collectAll(new LogCollecting(stateDir));
    // As if it had been killed before it could note how far it was, and in the middle of the next line.
    rmSync(cursorsFile(stateDir, id));
    const file = logFile(stateDir, 'staging', 'api', 0);
    const before = readFileSync(file, 'utf8');
    appendFileSync(file, '{"time":1,"instance":"api-blu');
    write('three\n');
    await collectAll(new LogCollecting(stateDir));
    expect(stored()).toEqual(['one', 'two', 'three']);
    expect(readFileSync(file, 'utf8').startsWith(before)).toBe(true);
  });

  test('output of earlier launches is removed when collected, the folder when the instance is gone', async () => {
    const collecting = new LogCollecting(stateDir);
    write('first life');
    write('second life\n', 'stdout', 2);
    writeRecord(stateDir, record({ launches: 2 }));
    await collectAll(collecting);
    expect(stored()).toEqual(['first life', 'second life']);
    expect([
      existsSync(rawLogFile(stateDir, id, 1, 'stdout')),
      existsSync(rawLogFile(stateDir, id, 2, 'stdout')),
    ]).toEqual([false, true]);
    write('the end', 'stderr', 2);
    writeRecord(stateDir, record({ launches: 2, phase: { kind: 'gone' } }));
    await collectAll(collecting);
    expect(stored().at(-1)).toBe('the end');
    expect(existsSync(instanceDir(stateDir, id))).toBe(false);
  });

  test('files are rotated at 10 MB and the fifth is the last', async () => {
    const collecting = new LogCollecting(stateDir);
    const line = `${'x'.repeat(60_000)}\n`;
    for (let written = 0; written < 6.5 * MAX_LOG_BYTES; written += 50 * line.length) {
      write(line.repeat(50));
      await collectAll(collecting);
    }
    for (let index = 0; index < LOG_FILES; index += 1) {
      expect(statSync(logFile(stateDir, 'staging', 'api', index)).size).toBeLessThanOrEqual(MAX_LOG_BYTES);
    }
    expect(stored(LOG_FILES)).toEqual([]);
  }, 20_000);

  const cannotFree: FreeSpace = () => Promise.resolve(false);
  test.each([
    ['freed', punchHole],
    ['truncated where freeing does not work', cannotFree],
  ])(
    'raw output is %s and every line is stored once, also by the next collector',
    async (_how, freeSpace) => {
      let written = 0;
      const writeSome = (count: number): void => {
        const lines = Array.from({ length: count }, () => `${(written += 1)} ${'x'.repeat(200)}\n`);
        write(lines.join(''));
      };
      const first = new LogCollecting(stateDir, freeSpace);
      for (let round = 0; round < 3; round += 1) {
        writeSome(22_000);
        await collectAll(first);
      }
      const raw = statSync(rawLogFile(stateDir, id, 1, 'stdout'));
      expect(raw.blocks * 512).toBeLessThan(4.5 * 1024 ** 2);
      expect(first.canFreeSpace).toBe(freeSpace === punchHole);
      first.forget(id);
      writeSome(1000);
      await collectAll(new LogCollecting(stateDir, freeSpace));
      const numbers = [4, 3, 2, 1, 0].flatMap((index) => stored(index)).map((text) => Number(text.split(' ')[0]));
      expect(numbers).toEqual(numbers.map((_, index) => index + 1));
      expect(numbers.length).toBe(written);
    },
    20_000,
  );
});
