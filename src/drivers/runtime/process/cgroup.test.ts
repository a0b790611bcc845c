import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeGroups, removeGroups, wasOutOfMemory } from './cgroup.ts';

// What is written where, on folders that stand for the kernel's: both versions, whichever this machine has. That the
// kernel acts on it is shown by the contract suite.
describe('control groups', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'veza-cgroup-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const limits = { memory: 256 * 1024 ** 2, cpus: 1.5 };
  const read = (...path: string[]): string => readFileSync(join(root, ...path), 'utf8');

  test('version 2: one group with both limits, no swap, killed as a whole', async () => {
    const place = await makeGroups({ version: 2, memory: root, cpu: root }, 'api-1', limits);
    expect(place).toEqual({ version: 2, memory: join(root, 'api-1'), cpu: join(root, 'api-1') });
    expect(read('api-1', 'memory.max')).toBe('268435456');
    expect(read('api-1', 'memory.swap.max')).toBe('0');
    expect(read('api-1', 'memory.oom.group')).toBe('1');
    expect(read('api-1', 'cpu.max')).toBe('150000 100000');
    expect(read('cgroup.subtree_control')).toBe('+memory +cpu');
  });

  test('version 1: a group in each hierarchy', async () => {
    const roots = { version: 1, memory: join(root, 'memory'), cpu: join(root, 'cpu') } as const;
    await makeGroups(roots, 'api-1', limits);
    expect(read('memory', 'api-1', 'memory.limit_in_bytes')).toBe('268435456');
    expect(read('cpu', 'api-1', 'cpu.cfs_period_us')).toBe('100000');
    expect(read('cpu', 'api-1', 'cpu.cfs_quota_us')).toBe('150000');
  });

  test('no group without a limit, or where none can be made', async () => {
    expect(await makeGroups({ version: 2, memory: root, cpu: root }, 'api-1', { memory: null, cpus: null })).toBeNull();
    expect(await makeGroups({ version: 1, memory: null, cpu: root }, 'api-1', { memory: 1, cpus: null })).toBeNull();
    const place = await makeGroups({ version: 1, memory: null, cpu: root }, 'api-1', limits);
    expect(place).toMatchObject({ memory: null, cpu: join(root, 'api-1') });
  });

  test('a kill for memory is read from the counter of either version', async () => {
    const files = [
      [2, 'memory.events', 'low 0\nhigh 0\nmax 7\noom 1\noom_kill 0\noom_group_kill 0\n', false],
      [2, 'memory.events', 'low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\noom_group_kill 1\n', true],
      [1, 'memory.oom_control', 'oom_kill_disable 0\nunder_oom 0\noom_kill 0\n', false],
      [1, 'memory.oom_control', 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n', true],
    ] as const;
    for (const [version, name, text, expected] of files) {
      writeFileSync(join(root, name), text);
      expect(await wasOutOfMemory({ version, memory: root, cpu: null })).toBe(expected);
    }
    expect(await wasOutOfMemory({ version: 1, memory: null, cpu: root })).toBe(false);
  });

  test('removing may be repeated, and the last group takes the folder above with it', async () => {
    const parent = join(root, 'veza');
    const [group, other] = [join(parent, 'api-1'), join(parent, 'api-2')];
    mkdirSync(group, { recursive: true });
    mkdirSync(other);
    await removeGroups({ version: 2, memory: group, cpu: group });
    await removeGroups({ version: 2, memory: group, cpu: group });
    expect([existsSync(group), existsSync(other)]).toEqual([false, true]);
    await removeGroups({ version: 1, memory: other, cpu: null });
    expect(existsSync(parent)).toBe(false);
  });
});
