import { createHash, randomUUID } from 'node:crypto';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { crc32 } from 'node:zlib';
import { onDisk } from '../disk.ts';
import { ChecksumMismatch, LengthMismatch, ObjectChanged, StorageUnavailable } from '../errors.ts';
import { assertKey, assertPrefix } from '../key.ts';
import type {
  AppendOptions,
  BeginOptions,
  FinishOptions,
  GetOptions,
  ObjectHead,
  ObjectReading,
  ObjectStorage,
  PutOptions,
  StoredObject,
} from '../object-storage.ts';
import { assertRange } from '../ranges.ts';
import { untilAborted, Uploads } from '../uploads.ts';
import { FilePieces, orNull } from './file-pieces.ts';
import { makeFolder, syncFolder } from './folders.ts';
import { ObjectBody } from './object-body.ts';
import { headOf, HEADER_BYTES, readHeader, writeHeader, type ObjectHeader } from './object-file.ts';

// Longer than any request takes: what is older was left by a process that died.
const LEFTOVER_MS = 24 * 3_600_000;

/**
 * Objects as files below a folder, which several processes may share: `objects/tracks/1234~`. The `~`, which no key has,
 * keeps the object `a` apart from the folder of the object `a/b`.
 */
export class FileStorage implements ObjectStorage {
  readonly #root: string;
  readonly #objects: string;
  readonly #temporary: string;
  readonly #uploads: Uploads;
  readonly #pieces: FilePieces;
  #swept: Promise<void> | undefined;

  /** @param root made when the first object is stored */
  constructor(root: string) {
    this.#root = root;
    this.#objects = join(root, 'objects');
    this.#temporary = join(root, 'temporary');
    this.#pieces = new FilePieces(join(root, 'uploads'), this.#temporary);
    this.#uploads = new Uploads(this.#pieces, this);
  }

  async put(key: string, body: AsyncIterable<Uint8Array>, options: PutOptions): Promise<StoredObject> {
    assertKey(key);
    await onDisk(() => makeFolder(this.#temporary));
    this.#swept ??= this.#sweep();
    await this.#swept;
    const draft = join(this.#temporary, `object-${randomUUID()}`);
    try {
      const header = await write(draft, body, options);
      const path = this.#path(key);
      await onDisk(async () => {
        await makeFolder(dirname(path));
        await rename(draft, path);
        await syncFolder(dirname(path));
      });
      return { bytes: header.bytes, etag: header.sha256 };
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
  }

  async get(key: string, { range, etag, signal }: GetOptions): Promise<ObjectReading | null> {
    assertKey(key);
    signal.throwIfAborted();
    const file = await orNull(() => open(this.#path(key), 'r'));
    if (file === null) return null;
    try {
      const header = await onDisk(() => readHeader(file));
      if (etag !== undefined && etag !== header.sha256) throw new ObjectChanged();
      if (range !== undefined) assertRange(range, header.bytes);
      const body = new ObjectBody(file, header, range ?? null);
      return { ...headOf(header), body: addAbortSignal(signal, body) };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async head(key: string, signal: AbortSignal): Promise<ObjectHead | null> {
    assertKey(key);
    signal.throwIfAborted();
    const file = await orNull(() => open(this.#path(key), 'r'));
    if (file === null) return null;
    try {
      return headOf(await onDisk(() => readHeader(file)));
    } finally {
      await file.close();
    }
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    assertKey(key);
    signal.throwIfAborted();
    await this.#pieces.removeUpload(key);
    const path = this.#path(key);
    await onDisk(() => rm(path, { force: true }));
    await orNull(() => syncFolder(dirname(path)));
  }

  async *list(prefix: string, signal: AbortSignal): AsyncGenerator<string> {
    assertPrefix(prefix);
    yield* this.#listFolder(prefix, signal);
  }

  begin(key: string, options: BeginOptions): Promise<void> {
    return this.#uploads.begin(key, options);
  }

  uploaded(key: string, signal: AbortSignal): Promise<number | null> {
    return this.#uploads.uploaded(key, signal);
  }

  append(key: string, offset: number, body: AsyncIterable<Uint8Array>, options: AppendOptions): Promise<number> {
    return this.#uploads.append(key, offset, body, options);
  }

  finish(key: string, options: FinishOptions): Promise<StoredObject> {
    return this.#uploads.finish(key, options);
  }

  abort(key: string, signal: AbortSignal): Promise<void> {
    return this.#uploads.abort(key, signal);
  }

  async check(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const root = await onDisk(async () => {
      await makeFolder(this.#root);
      return stat(this.#root);
    });
    if (!root.isDirectory()) throw new StorageUnavailable('the storage is not a folder');
  }

  async close(): Promise<void> {
    // Nothing is held between calls.
  }

  #path(key: string): string {
    return join(this.#objects, `${key}~`);
  }

  // A folder counts with its `/`, and then the order of names is the order of keys.
  async *#listFolder(prefix: string, signal: AbortSignal): AsyncGenerator<string> {
    signal.throwIfAborted();
    const entries = await orNull(() => readdir(join(this.#objects, prefix), { withFileTypes: true }));
    const names = (entries ?? []).map((entry) =>
      entry.isDirectory() ? `${entry.name}/` : entry.name.replace(/~$/, ''),
    );
    for (const name of names.sort(compareText)) {
      if (name.endsWith('/')) yield* this.#listFolder(prefix + name, signal);
      else yield prefix + name;
    }
  }

  async #sweep(): Promise<void> {
    for (const name of await onDisk(() => readdir(this.#temporary))) {
      const path = join(this.#temporary, name);
      const found = await orNull(() => stat(path));
      if (found !== null && Date.now() - found.mtimeMs > LEFTOVER_MS) await rm(path, { force: true });
    }
  }
}

async function write(draft: string, body: AsyncIterable<Uint8Array>, options: PutOptions): Promise<ObjectHeader> {
  const hash = createHash('sha256');
  let bytes = 0;
  let crc = 0;
  const file = await onDisk(() => open(draft, 'wx', 0o600));
  try {
    await onDisk(() => file.writeFile(Buffer.alloc(HEADER_BYTES)));
    for await (const chunk of untilAborted(body, options.signal)) {
      bytes += chunk.length;
      if (options.bytes !== undefined && bytes > options.bytes) throw new LengthMismatch(options.bytes, bytes);
      hash.update(chunk);
      crc = crc32(chunk, crc);
      await onDisk(() => file.writeFile(chunk));
    }
    if (options.bytes !== undefined && bytes !== options.bytes) throw new LengthMismatch(options.bytes, bytes);
    const sha256 = hash.digest('hex');
    if (options.sha256 !== undefined && sha256 !== options.sha256) throw new ChecksumMismatch(options.sha256, sha256);
    const header: ObjectHeader = { bytes, sha256, crc32: crc, contentType: options.contentType };
    const first = writeHeader(header);
    await onDisk(async () => {
      await file.write(first, 0, HEADER_BYTES, 0);
      await file.sync();
    });
    return header;
  } finally {
    await file.close();
  }
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
