import { spawn } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { parsePsLine, parseStat, systemProcessTable } from './process-table.ts';

describe('process table', () => {
  test('a process is identified while it lives, and no more afterwards', async () => {
    const table = systemProcessTable();
    const child = spawn('sleep', ['30'], {
      env: { PATH: '/usr/bin:/bin', VEZA_INSTANCE: 'table-test-1' },
      detached: true,
    });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const identity = await table.identify(child.pid ?? 0);
    if (identity === null) throw new Error('not found');
    expect(await table.isAlive(identity)).toBe(true);
    expect(await table.isAlive({ ...identity, startTime: '1' })).toBe(false);
    expect(await table.isAlive({ ...identity, bootId: 'another boot' })).toBe(false);
    expect(await table.marked('table-test-1')).toEqual([{ identity, marker: 'table-test-1', leader: true }]);
    expect(await table.marked('table-test')).toEqual([]);
    child.kill('SIGKILL');
    await ended;
    expect(await table.isAlive(identity)).toBe(false);
    expect(await table.marked('table-test-1')).toEqual([]);
  });

  test('a name with blanks and parentheses does not shift the fields of stat', () => {
    const rest = 'S 1 77 77 0 -1 4194304 103 0 0 0 0 0 0 0 20 0 1 0 88255 3133440';
    expect(parseStat(`42 (a (b) c) ${rest}`)).toEqual({ state: 'S', pgrp: 77, threads: 1, startTime: '88255' });
    expect(parseStat('')).toBeNull();
  });

  test('a line of ps is read, the start time being five words', () => {
    expect(
      parsePsLine('  512     1   512 Ss     2048 Mon Nov  3 09:01:02 2025     node server.js VEZA_INSTANCE=a'),
    ).toEqual({
      pid: 512,
      parent: 1,
      pgrp: 512,
      state: 'Ss',
      residentBytes: 2048 * 1024,
      startTime: 'Mon Nov  3 09:01:02 2025',
      command: 'node server.js VEZA_INSTANCE=a',
    });
    expect(parsePsLine('PID TTY')).toBeNull();
  });
});
