import { StoreUnavailableError, VezaError } from '../errors.ts';

const makeWritable = 'Make the folder writable for this user, or choose another one.';
const freeSpace =
  'Free some space (`veza releases` shows what is kept), then try again; nothing half-written was left.';

// https://man7.org/linux/man-pages/man3/errno.3.html
const systemReasons: Readonly<Record<string, readonly [reason: string, hint: string]>> = {
  ENOSPC: ['the disk is full', freeSpace],
  EDQUOT: ['the disk quota of this user is used up', freeSpace],
  EROFS: ['the file system is read-only', makeWritable],
  EACCES: ['permission denied', makeWritable],
  EPERM: ['permission denied', makeWritable],
  EIO: ['input/output error', 'Check the disk (dmesg).'],
  EEXIST: ['there is a file where the folder should be', 'Check the path of the state folder.'],
  ENOTDIR: ['a part of its path is not a folder', 'Check the path of the state folder.'],
};

// Primary result codes: https://www.sqlite.org/rescode.html
const sqliteReasons: Readonly<Record<number, readonly [reason: string, hint: string]>> = {
  5: ['another process is writing to it', 'Only one control plane may use a state folder: stop the other one.'],
  6: ['another process is writing to it', 'Only one control plane may use a state folder: stop the other one.'],
  8: ['it is read-only', makeWritable],
  10: ['input/output error', 'Check the disk (dmesg, free space).'],
  13: ['the disk is full', freeSpace],
  14: ['it cannot be opened', 'Check that the folder exists and that this user may read and write it.'],
};

/** The primary result code of an error of SQLite, or null when it is none. */
export const sqliteCode = (error: unknown): number | null =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : null;

/** The failure that a person sees for an error of the file system or of SQLite; any other comes back unchanged. */
export const diskFailure = (place: string, error: unknown): unknown => {
  if (!(error instanceof Error) || error instanceof VezaError) return error;
  const primary = sqliteCode(error);
  const known =
    primary === null
      ? 'code' in error && typeof error.code === 'string'
        ? systemReasons[error.code]
        : undefined
      : sqliteReasons[primary];
  return known === undefined
    ? error
    : new StoreUnavailableError(place, `${known[0]} (${error.message})`, known[1], error);
};
