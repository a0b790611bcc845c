import type { Readable } from 'node:stream';

/**
 * Where the platform keeps audio and other files of its people: a folder, or a bucket of an S3 server. Both mean the same by
 * every method, and pass the same contract suite.
 *
 * A key is `[a-z0-9][a-z0-9._-]*` once or more with `/` between, at most 512 characters: `tracks/<uuid>`. Whatever is not a
 * key is refused with `InvalidKey` by every method. A key and others below it (`a` and `a/b`) do not go together: S3 servers that
 * keep folders, MinIO for one, do not list them all. Errors are the classes of `errors.ts`; when a signal aborts, its reason
 * is thrown.
 */
export interface ObjectStorage {
  /**
   * Stores a whole object. It appears at once and whole, or not at all, also when the body breaks off or the process dies;
   * an older object under the key is replaced. Of writers at the same time the last one wins.
   *
   * @throws LengthMismatch, ChecksumMismatch when the body is not what `bytes` or `sha256` promised; StorageFull;
   *   StorageUnavailable; what the body throws.
   */
  put(key: string, body: AsyncIterable<Uint8Array>, options: PutOptions): Promise<StoredObject>;
  /**
   * Opens an object, or a range of it, for reading. Constant memory however large it is and however slowly it is read. The
   * body has to be read to its end or destroyed, else a file or a connection stays open. It fails with ObjectCorrupt instead
   * of ending early.
   *
   * @returns null when there is no such object.
   * @throws ObjectChanged when `etag` is given and is not that of the object; RangeError when the range does not lie within it;
   *   ObjectCorrupt; StorageUnavailable.
   */
  get(key: string, options: GetOptions): Promise<ObjectReading | null>;
  /** What is known of an object without reading it; null when there is none. */
  head(key: string, signal: AbortSignal): Promise<ObjectHead | null>;
  /** Removes an object and what has arrived of an upload to its key. Idempotent. Who reads it already may read on. */
  delete(key: string, signal: AbortSignal): Promise<void>;
  /**
   * Keys of whole objects in the order of their characters.
   *
   * @param prefix the start of a key, up to and with a `/`: `tracks/`; an empty text for all
   */
  list(prefix: string, signal: AbortSignal): AsyncIterable<string>;

  /** Begins an upload in pieces. What had arrived of an earlier one to the same key is forgotten; an object there stays. */
  begin(key: string, options: BeginOptions): Promise<void>;
  /** Bytes that have arrived of an upload, where the next piece must go on; null when none has begun. */
  uploaded(key: string, signal: AbortSignal): Promise<number | null>;
  /**
   * Adds a piece. When the body breaks off, the signal aborts or the process dies, what arrived before (the last 8 MiB perhaps
   * not, when the process died) is kept: ask {@link uploaded} and go on there. Of two that add at the same place at the
   * same time one is refused.
   *
   * @param offset bytes that must have arrived so far
   * @returns the offset after the piece.
   * @throws OffsetConflict with the offset at which to go on; NoUpload; TooLong when the upload would pass `limit` bytes
   *   (what lies below it is kept); StorageFull; StorageUnavailable; what the body throws.
   */
  append(key: string, offset: number, body: AsyncIterable<Uint8Array>, options: AppendOptions): Promise<number>;
  /**
   * Makes the object out of all pieces. Idempotent: may be called again when its answer was lost.
   *
   * @throws ChecksumMismatch: the upload has been thrown away, begin again; NoUpload; StorageFull; StorageUnavailable.
   */
  finish(key: string, options: FinishOptions): Promise<StoredObject>;
  /** Throws away what has arrived of an upload. Idempotent. */
  abort(key: string, signal: AbortSignal): Promise<void>;

  /** @throws StorageUnavailable when it cannot be read from now. */
  check(signal: AbortSignal): Promise<void>;
  /** Ends idle connections. Readings that are open go on. */
  close(): Promise<void>;
}

export interface PutOptions {
  /** Length of the body when it is known. */
  readonly bytes?: number;
  /** Hexadecimal, when it is known. */
  readonly sha256?: string;
  readonly contentType: string;
  readonly signal: AbortSignal;
}

/** Both ends belong to it, and the first byte is 0, as in a Range header. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

export interface GetOptions {
  readonly range?: ByteRange;
  /** Only this version of the object. */
  readonly etag?: string;
  readonly signal: AbortSignal;
}

export interface BeginOptions {
  readonly contentType: string;
  readonly signal: AbortSignal;
}

export interface AppendOptions {
  /** Bytes that the upload may have altogether. */
  readonly limit?: number;
  readonly signal: AbortSignal;
}

export interface FinishOptions {
  /** Hexadecimal. */
  readonly sha256: string;
  readonly signal: AbortSignal;
}

export interface StoredObject {
  readonly bytes: number;
  /** Changes with the content. Without the quotes that it has in a header. */
  readonly etag: string;
}

export interface ObjectHead extends StoredObject {
  readonly contentType: string;
  /** Hexadecimal; null when nobody told it when the object was stored (files: never null). */
  readonly sha256: string | null;
}

export interface ObjectReading extends ObjectHead {
  /** The range that was asked for, or everything. `bytes` is the whole object's length in either case. */
  readonly body: Readable;
}
