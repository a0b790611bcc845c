import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { ChecksumMismatch, NoUpload, OffsetConflict, TooLong } from './errors.ts';
import { assertKey } from './key.ts';
import type { AppendOptions, BeginOptions, FinishOptions, ObjectStorage, StoredObject } from './object-storage.ts';
import { spool, type Spooled } from './spool.ts';

/** An upload in pieces that has begun. */
export interface UploadRecord {
  /** Another one each time that it begins anew: pieces of an earlier one do not count. */
  readonly generation: string;
  readonly contentType: string;
}

/** A piece is known by where it begins: at most one piece begins at a place. */
export interface Piece {
  readonly offset: number;
  readonly bytes: number;
}

/** What a kind of storage does so that there can be uploads in pieces. */
export interface PieceStore {
  /** Where bodies are spooled before they become pieces. */
  spoolFolder(): Promise<string>;
  readUpload(key: string, signal: AbortSignal): Promise<UploadRecord | null>;
  writeUpload(key: string, record: UploadRecord, signal: AbortSignal): Promise<void>;
  /** In any order. */
  pieces(key: string, generation: string, signal: AbortSignal): Promise<readonly Piece[]>;
  /** Durable and atomic; `taken` when there is a piece at the place already, `gone` when the upload is. */
  addPiece(
    at: { readonly key: string; readonly generation: string; readonly offset: number },
    piece: Spooled,
    signal: AbortSignal,
  ): Promise<'added' | 'taken' | 'gone'>;
  /** null when it is gone. */
  readPiece(key: string, generation: string, offset: number, signal: AbortSignal): Promise<Readable | null>;
  removeUpload(key: string, signal: AbortSignal): Promise<void>;
}

// One reading of the pieces lists them all: a client that sends single bytes is stopped here.
const MOST_PIECES = 10_000;
// What arrived before a client went away is kept, though its signal has aborted.
const KEEP_MS = 30_000;

/**
 * Uploads in pieces, the same for every kind of storage. Pieces are files or objects of their own, each added atomically at
 * the place where the ones before it end, and made into the object at the end. So nothing has to be locked between
 * instances, and a crash at any point leaves an upload that goes on.
 */
export class Uploads {
  readonly #store: PieceStore;
  readonly #storage: Pick<ObjectStorage, 'put' | 'head'>;

  constructor(store: PieceStore, storage: Pick<ObjectStorage, 'put' | 'head'>) {
    this.#store = store;
    this.#storage = storage;
  }

  async begin(key: string, options: BeginOptions): Promise<void> {
    assertKey(key);
    await this.#store.removeUpload(key, options.signal);
    const record: UploadRecord = { generation: randomUUID(), contentType: options.contentType };
    await this.#store.writeUpload(key, record, options.signal);
  }

  async uploaded(key: string, signal: AbortSignal): Promise<number | null> {
    assertKey(key);
    const upload = await this.#store.readUpload(key, signal);
    return upload === null ? null : (await this.#state(key, upload, signal)).offset;
  }

  async append(
    key: string,
    offset: number,
    body: AsyncIterable<Uint8Array>,
    { signal, limit = Number.MAX_SAFE_INTEGER }: AppendOptions,
  ): Promise<number> {
    assertKey(key);
    const upload = await this.#store.readUpload(key, signal);
    if (upload === null) throw new NoUpload();
    const state = await this.#state(key, upload, signal);
    if (state.offset !== offset) throw new OffsetConflict(state.offset);
    let { pieces } = state;
    let at = offset;
    const bounded = upTo(limit - offset, untilAborted(body, signal));
    const spooled = spool(bounded, { folder: await this.#store.spoolFolder(), keepBroken: true });
    for await (const piece of spooled) {
      if (piece.bytes === 0) continue;
      if (pieces >= MOST_PIECES) throw new TooLong(`an upload has at most ${MOST_PIECES} pieces`);
      const place = { key, generation: upload.generation, offset: at };
      const outcome = await this.#store.addPiece(place, piece, signal.aborted ? AbortSignal.timeout(KEEP_MS) : signal);
      if (outcome === 'gone') throw new NoUpload();
      if (outcome === 'taken') throw new OffsetConflict((await this.#state(key, upload, signal)).offset);
      at += piece.bytes;
      pieces += 1;
    }
    const now = await this.#store.readUpload(key, signal);
    if (now?.generation !== upload.generation) throw new NoUpload();
    return at;
  }

  async finish(key: string, { sha256, signal }: FinishOptions): Promise<StoredObject> {
    assertKey(key);
    const upload = await this.#store.readUpload(key, signal);
    if (upload === null) return this.#finished(key, sha256, signal);
    const state = await this.#state(key, upload, signal);
    const content = this.#content(key, upload, state.chain, signal);
    let stored: StoredObject;
    try {
      const { contentType } = upload;
      stored = await this.#storage.put(key, content, { bytes: state.offset, sha256, contentType, signal });
    } catch (error) {
      // Somebody else has finished it, and removed the pieces under our hands.
      if (error instanceof NoUpload) return this.#finished(key, sha256, signal);
      if (error instanceof ChecksumMismatch) await this.#store.removeUpload(key, signal);
      throw error;
    }
    await this.#store.removeUpload(key, signal);
    return stored;
  }

  async abort(key: string, signal: AbortSignal): Promise<void> {
    assertKey(key);
    await this.#store.removeUpload(key, signal);
  }

  async #finished(key: string, sha256: string, signal: AbortSignal): Promise<StoredObject> {
    const head = await this.#storage.head(key, signal);
    if (head?.sha256 !== sha256) throw new NoUpload();
    return { bytes: head.bytes, etag: head.etag };
  }

  async #state(
    key: string,
    upload: UploadRecord,
    signal: AbortSignal,
  ): Promise<{ readonly offset: number; readonly pieces: number; readonly chain: readonly Piece[] }> {
    const pieces = await this.#store.pieces(key, upload.generation, signal);
    const chain: Piece[] = [];
    let offset = 0;
    for (const piece of pieces.toSorted((a, b) => a.offset - b.offset)) {
      if (piece.offset !== offset) break;
      chain.push(piece);
      offset += piece.bytes;
    }
    return { offset, pieces: pieces.length, chain };
  }

  async *#content(
    key: string,
    upload: UploadRecord,
    chain: readonly Piece[],
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    for (const { offset } of chain) {
      const body = await this.#store.readPiece(key, upload.generation, offset, signal);
      if (body === null) throw new NoUpload();
      yield* body;
    }
  }
}

async function* upTo(bytes: number, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = bytes;
  for await (const chunk of body) {
    if (chunk.length > left) {
      if (left > 0) yield chunk.subarray(0, left);
      throw new TooLong('the upload has more bytes than it may have');
    }
    left -= chunk.length;
    yield chunk;
  }
}

/** The body until the signal aborts; then it throws the signal's reason, also in the middle of waiting for a chunk. */
export async function* untilAborted(body: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  signal.throwIfAborted();
  const chunks = body[Symbol.asyncIterator]();
  let stop: (() => void) | undefined;
  const abort = (): void => stop?.();
  signal.addEventListener('abort', abort, { once: true });
  let ended = false;
  try {
    for (;;) {
      // A promise for each chunk: one for all, in Promise.race, would hold on to every chunk until the end.
      const next = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        stop = () => {
          reject(signal.reason);
        };
        if (signal.aborted) stop();
        else chunks.next().then(resolve, reject);
      });
      if (next.done === true) {
        ended = true;
        return;
      }
      yield next.value;
    }
  } catch (error) {
    // A generator that waits for its own next chunk would never take the return: it is told, but not waited for.
    ended = true;
    void chunks.return?.().then(undefined, () => undefined);
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
    if (!ended) await chunks.return?.();
  }
}
