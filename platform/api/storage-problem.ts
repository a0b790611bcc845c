import { Problem } from '../kit/problem.ts';
import { StorageFull, StorageUnavailable } from '../storage/errors.ts';

/** Runs something with the storage. What people can do nothing about becomes a problem that says so; the rest is thrown as it is. */
export async function withStorage<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storageProblem(error) ?? error;
  }
}

/** The problem that an error of the storage is for those who asked; null for any other error. */
function storageProblem(error: unknown): Problem | null {
  if (error instanceof StorageFull) {
    return new Problem(507, 'storage-full', 'There is no room for more audio at the moment.', {
      cause: error,
    });
  }
  const slow = error instanceof DOMException && error.name === 'TimeoutError';
  return slow || error instanceof StorageUnavailable ? unavailable(error) : null;
}

/** For audio that cannot be had now. */
export function unavailable(cause: unknown): Problem {
  return new Problem(503, 'storage-unavailable', 'Audio is not available at the moment; the rest is.', {
    retryAfterSeconds: 2,
    cause,
  });
}
