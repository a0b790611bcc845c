import { randomUUID } from 'node:crypto';
import { open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Why files cannot be kept in a folder now; null when they can. Tried with a file: rights, a disk that is full or read-only and a
 * share that has gone away are all found out so, and not otherwise.
 */
export async function whyUnusable(folder: string): Promise<string | null> {
  const probe = join(folder, `.veza-${randomUUID()}`);
  try {
    if (!(await stat(folder)).isDirectory()) return 'it is not a folder';
    const file = await open(probe, 'wx', 0o600);
    try {
      await file.writeFile('veza');
    } finally {
      await file.close();
      await rm(probe, { force: true });
    }
    return null;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    switch (code) {
      case 'ENOENT':
        return 'the folder is not there';
      case 'EACCES':
      case 'EPERM':
        return 'this user may not write there';
      case 'EROFS':
        return 'the disk is read-only';
      case 'ENOSPC':
      case 'EDQUOT':
        return 'the disk is full';
      default:
        return error instanceof Error && code !== '' ? code : String(error);
    }
  }
}
