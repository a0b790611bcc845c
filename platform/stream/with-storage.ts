import { Problem } from '../kit/problem.ts';
import { ObjectCorrupt, StorageUnavailable } from '../storage/errors.ts';

// Opening, not reading: that may take as long as somebody listens.
const OPEN_MS = 5_000;

/**
 * Opens something in the storage, within 5 s. The signal lives on in what was opened.
 *
 * @throws Problem 503 with Retry-After when the storage is away, 502 when what it has is damaged
 */
export async function withStorage<T>(open: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const opening = new AbortController();
  const timer = setTimeout(() => opening.abort(new StorageUnavailable('the storage did not answer in time')), OPEN_MS);
  try {
    return await open(opening.signal);
  } catch (error) {
    if (error instanceof StorageUnavailable) {
      throw new Problem(503, 'storage-unavailable', 'The audio cannot be reached at the moment. Try again shortly.', {
        retryAfterSeconds: 2,
        cause: error,
      });
    }
    if (error instanceof ObjectCorrupt) {
      throw new Problem(502, 'audio-damaged', 'The audio is damaged where it is kept.', { cause: error });
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
