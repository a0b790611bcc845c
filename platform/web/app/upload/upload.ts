import { Failure, failureOf, isAbort, isPassing } from '../failure.ts';
import { backoffMs } from '../chat/backoff.ts';

/** Sent in one request: small enough that little is sent twice after an interruption. */
const CHUNK_BYTES = 1024 * 1024;

export interface UploadTarget {
  /** How much is there, in bytes. */
  offset(signal: AbortSignal): Promise<number>;
  /**
   * Appends at an offset.
   *
   * @returns how much is there now; another number than expected when the offset was wrong
   */
  append(offset: number, chunk: Blob, signal: AbortSignal): Promise<number>;
}

export interface UploadOptions {
  readonly file: Blob;
  /** Where to begin; null: ask. */
  readonly offset: number | null;
  readonly target: UploadTarget;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, state: 'sending' | 'waiting') => void;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly random: () => number;
}

/**
 * Sends a file piece by piece until all of it is there. An interrupted connection, a service that is away or a piece that
 * arrived although its answer was lost end nothing: the service is asked how much it has, and that is where it goes on.
 *
 * @throws Failure `upload-corrupt` when what arrived is not what was sent; any other refusal; what the signal says
 */
export async function upload(options: UploadOptions): Promise<void> {
  const { file, target, signal, onProgress } = options;
  let offset = options.offset;
  let failures = 0;
  for (;;) {
    signal.throwIfAborted();
    try {
      offset ??= await target.offset(signal);
      onProgress(offset, 'sending');
      if (offset >= file.size) return;
      offset = await target.append(offset, file.slice(offset, offset + CHUNK_BYTES), signal);
      failures = 0;
    } catch (error) {
      if (isAbort(error)) throw error;
      const failure = failureOf(error);
      if (failure.status === 422) throw new Failure(422, 'upload-corrupt', { cause: failure });
      if (!isPassing(failure)) throw failure;
      onProgress(offset ?? 0, 'waiting');
      failures += 1;
      await options.wait(failure.retryAfterMs ?? 250 + backoffMs(failures, options.random()), signal);
      // What the lost answer would have said.
      offset = null;
    }
  }
}
