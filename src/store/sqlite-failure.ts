import { JournalCorruptedError, StoreUnavailableError, VezaError } from '../errors.ts';

// Primary result codes, https://www.sqlite.org/rescode.html
const CORRUPT = 11;
const NOT_A_DATABASE = 26;
const SHORT_READ = 522;
const REASONS: Readonly<Record<number, readonly [reason: string, hint: string]>> = {
  3: ['permission denied', 'Give this user read and write access to the folder.'],
  5: ['another process is writing to it', 'Only one control plane may use a state folder: stop the other one.'],
  6: ['another process is writing to it', 'Only one control plane may use a state folder: stop the other one.'],
  7: ['out of memory', 'Free some memory, then try again.'],
  8: ['it is read-only', 'Make the state folder writable for this user, or choose another one.'],
  10: ['input/output error', 'Check the disk (dmesg, free space); the store goes on by itself once it answers again.'],
  13: [
    'the disk is full',
    'Free some space. A control plane that runs goes on by itself then; one that did not start is started with `veza up`.',
  ],
  14: ['it cannot be opened', 'Check that the folder exists and that this user may read and write it.'],
};

interface SqliteError extends Error {
  readonly errcode: number;
}

function isSqliteError(error: unknown): error is SqliteError {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number';
}

/** True when SQLite says that somebody else holds the lock. */
export function isBusy(error: unknown): boolean {
  return isSqliteError(error) && (error.errcode & 0xff) === 5;
}

/** The failure that a person sees for an error of SQLite or of the file system; what is neither comes back unchanged. */
export function storeFailure(file: string, error: unknown): unknown {
  if (error instanceof VezaError) return error;
  if (isSqliteError(error)) {
    const primary = error.errcode & 0xff;
    if (primary === CORRUPT || primary === NOT_A_DATABASE || error.errcode === SHORT_READ) {
      return new JournalCorruptedError(file, null, 'a readable SQLite database', `"${error.message}"`);
    }
    const known = REASONS[primary];
    if (known !== undefined) return new StoreUnavailableError(file, `${known[0]} (${error.message})`, known[1], error);
    return error;
  }
  if (error instanceof Error && 'code' in error) {
    switch (error.code) {
      case 'ENOSPC':
      case 'EDQUOT':
        return new StoreUnavailableError(file, 'the disk is full', 'Free some space, then try again.', error);
      case 'EROFS':
      case 'EACCES':
      case 'EPERM':
        return new StoreUnavailableError(
          file,
          error.code === 'EROFS' ? 'the file system is read-only' : 'permission denied',
          'Make the state folder writable for this user, or choose another one.',
          error,
        );
      case 'ENOENT':
      case 'ENOTDIR':
      case 'EISDIR':
      case 'EIO':
        return new StoreUnavailableError(
          file,
          error.message,
          'Check the path of the state folder and its disk.',
          error,
        );
      default:
        return error;
    }
  }
  return error;
}
