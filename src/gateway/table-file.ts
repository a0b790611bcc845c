import { readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { replaceFileDurably } from '../system/replace-file.ts';
import { seal, unseal } from '../system/sealed-text.ts';
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
      if (table !== null) await replaceFileDurably(this.#file, seal(JSON.stringify(storedTable(table))));
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
      // The checksum says that this is what a gateway wrote; each route is checked, since that may have been an older one.
      const table = tableOf(JSON.parse(unseal(text)) as StoredTable);
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
