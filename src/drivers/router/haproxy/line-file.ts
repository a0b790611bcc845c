import { execFile } from 'node:child_process';
import { open, type FileHandle } from 'node:fs/promises';

const pieceBytes = 1024 * 1024;
/** Bytes that were read and are still on disk before they are given back. */
const giveBackBytes = 32 * 1024 * 1024;

export interface Place {
  readonly name: string;
  /** Everything before this byte has been read, in whole lines. */
  readonly offset: number;
  readonly givenBack: number;
}

/** A file of lines that somebody else writes, read from where it was left off. */
export class LineFile {
  readonly name: string;
  readonly #path: string;
  readonly #file: FileHandle;
  #offset: number;
  #givenBack: number;
  #rest = '';

  private constructor(name: string, path: string, file: FileHandle, offset: number, givenBack: number) {
    this.name = name;
    this.#path = path;
    this.#file = file;
    this.#offset = offset;
    this.#givenBack = givenBack;
  }

  /** @param from where it was left off; disregarded when it is of another file or behind the end */
  static async open(name: string, path: string, from: Place | null): Promise<LineFile> {
    const file = await open(path, 'a+', 0o600);
    const { size } = await file.stat();
    const known = from !== null && from.name === name && from.offset <= size;
    return new LineFile(name, path, file, known ? from.offset : 0, known ? from.givenBack : 0);
  }

  get place(): Place {
    return {
      name: this.name,
      offset: this.#offset - Buffer.byteLength(this.#rest, 'latin1'),
      givenBack: this.#givenBack,
    };
  }

  /** Reads whole lines to the end of the file. */
  async read(onLine: (line: string) => void): Promise<void> {
    const buffer = Buffer.allocUnsafe(pieceBytes);
    for (;;) {
      const { bytesRead } = await this.#file.read(buffer, 0, pieceBytes, this.#offset);
      if (bytesRead === 0) return;
      this.#offset += bytesRead;
      const text = this.#rest + buffer.toString('latin1', 0, bytesRead);
      const end = text.lastIndexOf('\n');
      this.#rest = text.slice(end + 1);
      for (const line of text.slice(0, end + 1).split('\n')) onLine(line);
      // Where room was given back zeros are read, without a line among them.
      if (this.#rest.length > pieceBytes) this.#rest = '';
    }
  }

  /**
   * Gives the room of what was read back to the disk, when it is much (fallocate(2), FALLOC_FL_PUNCH_HOLE): whoever writes
   * goes on, and not a line is lost. What was read cannot be read again after that.
   *
   * @param erase also when it is little
   * @returns why not; null when all is well
   */
  giveBack(until: number, erase = false): Promise<string | null> {
    if (until - this.#givenBack <= (erase ? 0 : giveBackBytes)) return Promise.resolve(null);
    return new Promise((resolve) => {
      const args = ['--punch-hole', '--offset', '0', '--length', String(until), this.#path];
      execFile('fallocate', args, { cwd: '/' }, (error) => {
        if (error === null) this.#givenBack = until;
        resolve(error === null ? null : `The room of ${this.#path} cannot be given back: ${error.message}`);
      });
    });
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
