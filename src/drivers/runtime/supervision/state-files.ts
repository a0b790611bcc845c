import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

// Where a runtime keeps what it knows: instances/ID/, slots/, logs/.

export const instancesDir = (stateDir: string): string => join(stateDir, 'instances');
export const instanceDir = (stateDir: string, id: string): string => join(instancesDir(stateDir), id);
export const slotsDir = (stateDir: string): string => join(stateDir, 'slots');
/** Structured logs: `logs/<environment>/<service>.jsonl`, older ones `.1` to `.4`. */
export const logsDir = (stateDir: string): string => join(stateDir, 'logs');

/** Ids of all instance folders, whatever they hold. */
export const instanceIds = async (stateDir: string): Promise<readonly string[]> =>
  (await readdir(instancesDir(stateDir), { withFileTypes: true }))
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);

/** Makes the folders that the runtime keeps its state in, for the owner only. */
export function makeStateFolders(stateDir: string): void {
  for (const dir of [instancesDir(stateDir), slotsDir(stateDir), logsDir(stateDir)]) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  }
}

/** Writes a file so that a reader, or a crash, sees the old content or the new one and nothing between. Owner only. */
export function writeFileAtomically(file: string, content: string): void {
  const temporary = `${file}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    writeFileSync(temporary, content, { mode: 0o600 });
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
