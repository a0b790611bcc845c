import { createHash } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { emptyTable, lostTable, storedTable, tableOf, type RouteTable, type StoredTable } from './table.ts';

/** Keeps the table on disk, so that a gateway that comes back serves at once what was in force. */
export class TableFile {
  readonly #file: string;
  #wanted: RouteTable | null = null;
  #writing: Promise<boolean> | null = null;
  #failure: string | null = null;

  constructor(file: string) {
    this.#file = file;
  }

  /** Why the last save failed; null when the disk holds what is in force. */
  get failure(): string | null {
    return this.#failure;
  }

  /**
   * Writes a table to disk (temporary file, fsync, rename, fsync of the folder). Tables that come while one is written
   * are written together. Resolves with whether this table, or a newer one, is on disk; never rejects.
   */
  async save(table: RouteTable): Promise<boolean> {
    this.#wanted = table;
    // A write that is under way has an older table: this one needs the next.
    if (this.#writing !== null) await this.#writing;
    this.#writing ??= this.#writeWanted();
    return this.#writing;
  }

  async #writeWanted(): Promise<boolean> {
    // Whoever comes in the same turn of the event loop shares this write.
    await Promise.resolve();
    const table = this.#wanted;
    try {
      if (table !== null) await writeDurably(this.#file, encode(table));
      this.#failure = null;
      return true;
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
      return false;
    } finally {
      this.#writing = null;
    }
  }

  /**
   * The table on disk. A file that cannot be understood is renamed, never deleted, and the gateway starts without it,
   * knowing that there was one: the control plane writes what it knows again.
   *
   * @returns the table, and what a person must know about how it was found
   */
  async load(now: Date): Promise<{ readonly table: RouteTable; readonly warning: string | null }> {
    let text: string;
    try {
      text = await readFile(this.#file, 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
        return { table: emptyTable, warning: null };
      throw error;
    }
    try {
      const table = decode(text);
      return { table, warning: table.lost ? `${this.#file} was damaged at an earlier start; ${untilWritten}` : null };
    } catch (error) {
      const aside = `${this.#file}.corrupt-${now.toISOString().replaceAll(':', '')}`;
      await rename(this.#file, aside);
      const why = error instanceof Error ? error.message : String(error);
      // One that ends before the control plane has written must not come back as if it had never had a table.
      await this.save(lostTable);
      return {
        table: lostTable,
        warning: `The table ${this.#file} was damaged (${why}) and was set aside as ${path.basename(aside)}; ${untilWritten}`,
      };
    }
  }
}

const untilWritten = 'the gateway started with none, and answers 503 until the control plane writes it again.';

function encode(table: RouteTable): string {
  const body = JSON.stringify(storedTable(table));
  return `${JSON.stringify({ format: 1, sha256: sha256(body) })}\n${body}\n`;
}

function decode(text: string): RouteTable {
  const [head, body] = text.split('\n');
  const header: unknown = JSON.parse(head ?? '');
  if (typeof header !== 'object' || header === null || !('format' in header) || header.format !== 1) {
    throw new Error('unknown format');
  }
  if (body === undefined || !('sha256' in header) || header.sha256 !== sha256(body)) throw new Error('wrong checksum');
  // The checksum says that this is what a gateway wrote; each route is checked, since that may have been an older one.
  return tableOf(JSON.parse(body) as StoredTable);
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

async function writeDurably(file: string, text: string): Promise<void> {
  const temporary = `${file}.tmp`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
  const folder = await open(path.dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
