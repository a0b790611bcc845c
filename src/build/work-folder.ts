import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { lstat, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from './unpacked-tree.ts';
import { isAlive } from '../system/is-alive.ts';

// Names of temporary folders and files carry who made them (pid and start time, never the pid alone, which is used
// again), so that what a killed process left is found and removed by the next one.

const startOf = (pid: number): string | null => {
  try {
    // Field 22 of /proc/PID/stat, after the program's name, which is in parentheses and may hold anything: proc(5).
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
};

const isOwnerAlive = (pid: number, start: string): boolean => {
  const found = startOf(pid);
  return found === null ? isAlive(pid) : found === start;
};

const ownerMark = (): string => `${process.pid}-${startOf(process.pid) ?? '0'}-${randomBytes(6).toString('hex')}`;

/** A name for something temporary of this process: `PREFIX-PID-START-RANDOM`. */
export const temporaryName = (prefix: string): string => `${prefix}-${ownerMark()}`;

/** Removes what processes that are gone left in a folder under names of `temporaryName(prefix)`. */
export const sweepLeftovers = async (folder: string, prefix: string): Promise<void> => {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${prefix}-`)) continue;
    const [, pid, start] = /^-(\d+)-(\d+)-[0-9a-f]{12}$/.exec(name.slice(prefix.length)) ?? [];
    if (pid === undefined || start === undefined || isOwnerAlive(Number(pid), start)) continue;
    if (await isMine(join(folder, name))) await removeTree(join(folder, name));
  }
};

// The system's temporary folder is shared with other users.
const isMine = async (path: string): Promise<boolean> => {
  try {
    return (await lstat(path)).uid === (process.getuid?.() ?? 0);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
};

/**
 * Runs `task` with a new, private folder below `parent` that is removed when the task ends, however it ends. What killed
 * builds left there before is removed first.
 */
export const withWorkFolder = async <T>(parent: string, task: (folder: string) => Promise<T>): Promise<T> => {
  await mkdir(parent, { recursive: true });
  await sweepLeftovers(parent, 'veza-build');
  const folder = join(parent, temporaryName('veza-build'));
  await mkdir(folder, { mode: 0o700 });
  try {
    return await task(folder);
  } finally {
    await removeTree(folder);
  }
};
