import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A PostgreSQL server that runs on a data folder. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  /** The first address that it listens on. */
  readonly host: string;
  /** It accepts connections. */
  readonly ready: boolean;
}

/**
 * The server that runs on this data folder, or null. `postmaster.pid` alone proves nothing, since pids are used again: the
 * process must be one whose command line names this very folder, which no other process's does.
 *
 * @see https://www.postgresql.org/docs/18/storage-file-layout.html for postmaster.pid
 */
export async function findPostmaster(dataDirectory: string): Promise<Postmaster | null> {
  const lines = (await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  const pid = Number(lines[0]);
  if (!Number.isSafeInteger(pid) || pid <= 1) return null;
  const command = await commandLine(pid);
  if (!command.includes(dataDirectory)) return null;
  return { pid, port: Number(lines[3] ?? 0), host: lines[5]?.trim() ?? '', ready: lines[7]?.trim() === 'ready' };
}

/**
 * Removes a `postmaster.pid` whose pid now belongs to some other program: PostgreSQL would take that for a running server
 * and refuse to start. Anything that could be a PostgreSQL is left for PostgreSQL itself to judge.
 */
export async function removeStalePidFile(dataDirectory: string): Promise<void> {
  const file = join(dataDirectory, 'postmaster.pid');
  const pid = Number((await readFile(file, 'utf8').catch(() => '')).split('\n', 1)[0]);
  if (!Number.isSafeInteger(pid) || pid <= 1) return;
  const command = await commandLine(pid);
  if (command !== '' && !command.includes('postgres')) await rm(file, { force: true });
}

/** The command line of a process; empty when it is gone, or is only waiting for its parent to take note of that. */
async function commandLine(pid: number): Promise<string> {
  if (process.platform === 'linux') {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
  }
  return promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)]).then(
    ({ stdout }) => stdout.trim(),
    () => '',
  );
}
