import { createHash, randomUUID } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { onDisk } from './disk.ts';

/** Length of a piece of an upload and of a part of a multipart upload. S3 takes parts of 5 MiB to 5 GiB, 10,000 of them. */
export const PIECE_BYTES = 8 * 1024 * 1024;

/** Part of a body, in a file until the next one is asked for. Not synchronised to the disk. */
export interface Spooled {
  readonly path: string;
  readonly bytes: number;
  /** Hexadecimal, of this piece alone. */
  readonly sha256: string;
  /** No piece comes after it. */
  readonly last: boolean;
}

export interface SpoolOptions {
  /** Where the files lie. */
  readonly folder: string;
  /** Whether a body that breaks off gives what had arrived as a last piece before it throws. */
  readonly keepBroken: boolean;
  readonly pieceBytes?: number;
  /** Tells of every chunk, in order. */
  readonly onChunk?: (chunk: Uint8Array) => void;
}

/**
 * Cuts a body into pieces on disk, one at a time: however large the body and however slow its sender, memory holds one chunk
 * of it. An empty body gives one empty piece.
 *
 * @throws StorageFull, StorageUnavailable; what the body throws.
 */
export async function* spool(body: AsyncIterable<Uint8Array>, options: SpoolOptions): AsyncGenerator<Spooled> {
  const pieceBytes = options.pieceBytes ?? PIECE_BYTES;
  const chunks = body[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array(0);
  let ended = false;
  let ending: { readonly reason: unknown } | undefined;
  try {
    for (let first = true; first || !ended || rest.length > 0; first = false) {
      const path = join(options.folder, `spool-${randomUUID()}`);
      try {
        const hash = createHash('sha256');
        let bytes = 0;
        const file = await onDisk(() => open(path, 'wx', 0o600));
        try {
          // One chunk beyond the piece is read, so that the piece knows whether it is the last.
          for (;;) {
            const room = pieceBytes - bytes;
            const taken = rest.subarray(0, room);
            if (taken.length > 0) {
              await onDisk(() => file.writeFile(taken));
              hash.update(taken);
              bytes += taken.length;
              rest = rest.subarray(taken.length);
            }
            if (ended || rest.length > 0) break;
            try {
              const next = await chunks.next();
              if (next.done === true) ended = true;
              else {
                options.onChunk?.(next.value);
                rest = next.value;
              }
            } catch (error) {
              ended = true;
              ending = { reason: error };
            }
          }
        } finally {
          await file.close();
        }
        if (ending !== undefined && !options.keepBroken) throw ending.reason;
        if (ending === undefined || bytes > 0) {
          yield { path, bytes, sha256: hash.digest('hex'), last: ended && rest.length === 0 };
        }
      } finally {
        await rm(path, { force: true });
      }
    }
    if (ending !== undefined) throw ending.reason;
  } finally {
    if (!ended) await chunks.return?.();
  }
}
