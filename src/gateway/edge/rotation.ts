import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';

export interface RotationRule {
  /** A file above this size is put aside. Default 50 MB. */
  readonly maxBytes: number;
  /** Files that are kept besides the current one. Default 14. */
  readonly keepFiles: number;
  /** Days after which a file is removed, counted from its last line. Default 14. */
  readonly keepDays: number;
}

const dayMs = 86_400_000;
/** A rotation takes milliseconds; whoever holds it this long has died. */
const staleLockMs = 10_000;

/**
 * Puts a log aside as `FILE.1` (what was that becomes `FILE.2`, and so on) when it is too large or its last line is from
 * another day, UTC. Processes that share the file call this each; one of them does it, the others find a new file.
 *
 * @param now UTC milliseconds
 */
export async function rotateIfDue(file: string, rule: RotationRule, now: number): Promise<void> {
  if (!(await isDue(file, rule, now))) return;
  const lock = `${file}.lock`;
  if (!(await take(lock))) return;
  try {
    // Another one may have done it just now.
    if (!(await isDue(file, rule, now))) return;
    const numbers = (await putAside(file)).toSorted((a, b) => b - a);
    for (const number of numbers) {
      if (number >= rule.keepFiles) await rm(`${file}.${number}`, { force: true });
      else await rename(`${file}.${number}`, `${file}.${number + 1}`);
    }
    await rename(file, `${file}.1`);
    await prune(file, rule, now);
  } finally {
    await rm(lock, { force: true });
  }
}

/** Removes what is older than it may be kept. */
export async function prune(file: string, rule: RotationRule, now: number): Promise<void> {
  for (const number of await putAside(file)) {
    const status = await statOf(`${file}.${number}`);
    if (status !== null && now - status.mtimeMs > rule.keepDays * dayMs) await rm(`${file}.${number}`, { force: true });
  }
}

async function isDue(file: string, rule: RotationRule, now: number): Promise<boolean> {
  const status = await statOf(file);
  if (status === null || status.size === 0) return false;
  return status.size >= rule.maxBytes || Math.floor(status.mtimeMs / dayMs) < Math.floor(now / dayMs);
}

async function putAside(file: string): Promise<number[]> {
  const name = path.basename(file);
  const names = await readdir(path.dirname(file));
  return names.flatMap((other) => {
    const digits = other.startsWith(`${name}.`) ? other.slice(name.length + 1) : '';
    return /^\d{1,4}$/.test(digits) ? [Number(digits)] : [];
  });
}

/** The lock's age is by the clock of the file system, as both were written there. */
async function take(lock: string): Promise<boolean> {
  try {
    const handle = await open(lock, 'wx', 0o600);
    await handle.close();
    return true;
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error;
    const status = await statOf(lock);
    if (status !== null && Date.now() - status.mtimeMs > staleLockMs) await rm(lock, { force: true });
    return false;
  }
}

async function statOf(file: string): Promise<{ readonly size: number; readonly mtimeMs: number } | null> {
  try {
    return await stat(file);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null;
    throw error;
  }
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;
