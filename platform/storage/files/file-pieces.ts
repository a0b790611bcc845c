import { createReadStream } from 'node:fs';
import { link, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { onDisk, systemCode } from '../disk.ts';
import type { Spooled } from '../spool.ts';
import type { Piece, PieceStore, UploadRecord } from '../uploads.ts';
import { makeFolder, syncFolder } from './folders.ts';

const recordSchema = z.strictObject({ generation: z.uuid(), contentType: z.string() });
const ABSENT = ['ENOENT', 'ENOTDIR'];

/**
 * Pieces of uploads as files: `uploads/tracks/1234~/<generation>.<offset>`. A piece is linked to its name, which fails when
 * there is one: of two writers, in whatever process, one is told.
 */
export class FilePieces implements PieceStore {
  readonly #uploads: string;
  readonly #temporary: string;

  /** @param temporary on the same file system */
  constructor(uploads: string, temporary: string) {
    this.#uploads = uploads;
    this.#temporary = temporary;
  }

  async spoolFolder(): Promise<string> {
    await onDisk(() => makeFolder(this.#temporary));
    return this.#temporary;
  }

  async readUpload(key: string): Promise<UploadRecord | null> {
    const text = await orNull(() => readFile(join(this.#folder(key), 'upload.json'), 'utf8'));
    return text === null ? null : recordSchema.parse(JSON.parse(text));
  }

  async writeUpload(key: string, record: UploadRecord): Promise<void> {
    const folder = this.#folder(key);
    const draft = join(await this.spoolFolder(), `upload-${randomUUID()}`);
    try {
      await onDisk(async () => {
        await makeFolder(folder);
        const file = await open(draft, 'wx', 0o600);
        try {
          await file.writeFile(JSON.stringify(record));
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(draft, join(folder, 'upload.json'));
        await syncFolder(folder);
      });
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
  }

  async pieces(key: string, generation: string): Promise<readonly Piece[]> {
    const folder = this.#folder(key);
    const names = (await orNull(() => readdir(folder))) ?? [];
    const found: Piece[] = [];
    for (const name of names) {
      if (!name.startsWith(`${generation}.`)) continue;
      const size = await orNull(() => stat(join(folder, name)));
      if (size !== null) found.push({ offset: Number(name.slice(generation.length + 1)), bytes: size.size });
    }
    return found;
  }

  async addPiece(
    { key, generation, offset }: { readonly key: string; readonly generation: string; readonly offset: number },
    piece: Spooled,
  ): Promise<'added' | 'taken' | 'gone'> {
    const folder = this.#folder(key);
    try {
      await onDisk(async () => {
        const file = await open(piece.path, 'r+');
        try {
          await file.datasync();
        } finally {
          await file.close();
        }
        await link(piece.path, join(folder, `${generation}.${offset}`));
        await syncFolder(folder);
      }, ['EEXIST', ...ABSENT]);
    } catch (error) {
      const code = systemCode(error);
      if (code === 'EEXIST') return 'taken';
      if (code !== null && ABSENT.includes(code)) return 'gone';
      throw error;
    }
    return 'added';
  }

  async readPiece(key: string, generation: string, offset: number): Promise<Readable | null> {
    const file = await orNull(() => open(join(this.#folder(key), `${generation}.${offset}`), 'r'));
    return file === null ? null : createReadStream('', { fd: file });
  }

  async removeUpload(key: string): Promise<void> {
    // The record goes first: an upload that has none has not begun, whatever else is left of it.
    const folder = this.#folder(key);
    await orNull(() => rm(join(folder, 'upload.json'), { force: true }));
    await onDisk(() => rm(folder, { recursive: true, force: true }));
  }

  #folder(key: string): string {
    return join(this.#uploads, `${key}~`);
  }
}

/** null when there is no such file. */
export async function orNull<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await onDisk(work, ABSENT);
  } catch (error) {
    const code = systemCode(error);
    if (code !== null && ABSENT.includes(code)) return null;
    throw error;
  }
}
