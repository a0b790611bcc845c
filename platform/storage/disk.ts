import { StorageError, StorageFull, StorageUnavailable } from './errors.ts';

const FULL: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** The error's code when it is one of the system's: `ENOENT`. */
export function systemCode(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

/**
 * Runs something that touches the disk, and says in storage's own words what went wrong.
 *
 * @param expected codes of the system that are thrown as they are, for the caller to judge
 * @throws StorageFull, StorageUnavailable
 */
export async function onDisk<T>(work: () => Promise<T>, expected: readonly string[] = []): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = systemCode(error);
    if (error instanceof StorageError || code === null || expected.includes(code)) throw error;
    // Neither path nor key: both may lead to a person, and errors end up in logs.
    if (FULL.has(code)) throw new StorageFull(`no room on the disk of the storage (${code})`, error);
    throw new StorageUnavailable(`the disk of the storage refused (${code})`, error);
  }
}
