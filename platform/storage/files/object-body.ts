import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { onDisk } from '../disk.ts';
import { ObjectCorrupt } from '../errors.ts';
import type { ByteRange } from '../object-storage.ts';
import { HEADER_BYTES, type ObjectHeader } from './object-file.ts';

const CHUNK_BYTES = 64 * 1024;

/**
 * The content of an object's file, or a range of it. Reads a chunk when there is room for one; closes the file at its end and
 * when destroyed, also before the first read. A whole object is compared with its checksum.
 */
export class ObjectBody extends Readable {
  readonly #file: FileHandle;
  readonly #header: ObjectHeader;
  readonly #whole: boolean;
  #at: number;
  #left: number;
  #crc = 0;
  #reading: Promise<void> | undefined;

  /** @param range null for everything, also of an empty object */
  constructor(file: FileHandle, header: ObjectHeader, range: ByteRange | null) {
    super({ highWaterMark: CHUNK_BYTES });
    this.#file = file;
    this.#header = header;
    this.#at = range?.first ?? 0;
    this.#left = range === null ? header.bytes : range.last - range.first + 1;
    this.#whole = this.#left === header.bytes;
  }

  override _read(): void {
    this.#reading = this.#next().catch((error: unknown) => {
      this.destroy(error as Error);
    });
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    void this.#end(error, done);
  }

  async #end(error: Error | null, done: (error?: Error | null) => void): Promise<void> {
    try {
      // A read that is under way has the file in its hands.
      await this.#reading;
      await this.#file.close();
    } catch (failed) {
      done(error ?? (failed as Error));
      return;
    }
    done(error);
  }

  async #next(): Promise<void> {
    if (this.#left === 0) {
      this.#verify();
      this.push(null);
      return;
    }
    const wanted = Math.min(CHUNK_BYTES, this.#left);
    const buffer = Buffer.allocUnsafeSlow(wanted);
    const { bytesRead } = await onDisk(() => this.#file.read(buffer, 0, wanted, HEADER_BYTES + this.#at));
    if (bytesRead === 0) throw new ObjectCorrupt('the file of an object ended early');
    const chunk = buffer.subarray(0, bytesRead);
    this.#at += bytesRead;
    this.#left -= bytesRead;
    if (this.#whole) this.#crc = crc32(chunk, this.#crc);
    // Before its last bytes are given away, so that a damaged object is never taken for a whole one.
    if (this.#left === 0) this.#verify();
    this.push(chunk);
  }

  #verify(): void {
    if (this.#whole && this.#crc !== this.#header.crc32)
      throw new ObjectCorrupt('an object has another checksum than it had');
  }
}
