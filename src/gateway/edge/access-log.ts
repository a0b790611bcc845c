import { mkdir, open, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { AccessLogSettings } from '../../core/gateway-settings.ts';
import { AccessLines, type AccessRecord } from './access-line.ts';
import { DayKey, type DayKeyState } from './day-key.ts';
import { prune, rotateIfDue, type RotationRule } from './rotation.ts';

export type { AccessRecord } from './access-line.ts';

export interface AccessLogOptions extends Partial<RotationRule> {
  /** `access.log` of the gateway's folder; made with mode 0600. */
  readonly file: string;
  readonly addresses: AccessLogSettings['addresses'];
  /** The same for all workers of a gateway, so that hashed clients are the same in all of them; null: of this one's own. */
  readonly dayKey?: DayKeyState | null;
  /** Told once when lines cannot be written, and once when they can be again (null). */
  readonly onTrouble?: (reason: string | null) => void;
  /** UTC milliseconds. */
  readonly now?: () => number;
}

/** Waiting this long for more lines costs nobody anything and saves writes. */
const batchMs = 250;
const batchBytes = 128 * 1_024;
/** Most that waits for a slow or full disk, in characters; what comes then is counted and not kept. */
const mostPending = 4 * 1_024 * 1_024;
const upkeepMs = 3_600_000;

/**
 * The access log of a gateway: one JSON line a request, without personal data (access-line.ts). Several workers append to one
 * file: each write is one `write(2)` of whole lines with O_APPEND. Nothing here holds up a request; what the disk cannot
 * take is dropped, and a line says how many.
 */
export class AccessLog {
  readonly #file: string;
  readonly #lines: AccessLines;
  readonly #rule: RotationRule;
  readonly #now: () => number;
  readonly #onTrouble: (reason: string | null) => void;
  readonly #upkeep: NodeJS.Timeout;
  #pending: string[] = [];
  #pendingSize = 0;
  #dropped = 0;
  #handle: FileHandle | null = null;
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> | null = null;
  #torn = false;
  #trouble: string | null = null;
  #closed = false;

  constructor(options: AccessLogOptions) {
    const { file, addresses, dayKey = null, onTrouble = () => {}, now = Date.now } = options;
    this.#file = file;
    this.#now = now;
    this.#onTrouble = onTrouble;
    this.#rule = {
      maxBytes: options.maxBytes ?? 50_000_000,
      keepFiles: options.keepFiles ?? 14,
      keepDays: options.keepDays ?? 14,
    };
    this.#lines = new AccessLines(addresses, new DayKey(dayKey, now()));
    // Without traffic nothing would be written, and what is too old would stay.
    this.#upkeep = setInterval(() => void this.#maintain(), upkeepMs);
    this.#upkeep.unref();
  }

  /** Takes a request down; never waits and never throws. */
  record(record: AccessRecord): void {
    if (this.#closed) return;
    if (this.#pendingSize >= mostPending) {
      this.#dropped += 1;
      return;
    }
    const line = this.#lines.line(record);
    this.#pending.push(line);
    this.#pendingSize += line.length;
    if (this.#writing !== null) return;
    if (this.#pendingSize >= batchBytes) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), batchMs).unref();
  }

  /** Resolves when what was recorded before is in the file, or cannot be written. */
  async flush(): Promise<void> {
    if (this.#writing !== null) await this.#writing;
    if (this.#pending.length > 0 || this.#dropped > 0) {
      this.#start();
      await this.#writing;
    }
  }

  /** Writes what is left and lets go of the file. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#upkeep);
    await this.flush();
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#handle?.close();
    this.#handle = null;
  }

  #start(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null;
      if (this.#pending.length === 0 || this.#closed) return;
      this.#timer ??= setTimeout(() => this.#start(), this.#trouble === null ? batchMs : 1_000).unref();
    });
  }

  async #write(): Promise<void> {
    try {
      const handle = await this.#current();
      while (this.#pending.length > 0 || this.#dropped > 0) {
        const { text, count } = this.#batch();
        const bytes = Buffer.from(text);
        const { bytesWritten } = await handle.write(bytes);
        this.#taken(count, text.length);
        this.#torn = bytesWritten < bytes.length;
        // A disk that is full takes a part: the rest is lost, the next line begins on a line of its own.
        if (this.#torn) throw new Error('the disk took a part of the lines only');
        if (count === 0) this.#dropped = 0;
      }
      this.#say(null);
    } catch (error) {
      await this.#handle?.close().catch(() => {});
      this.#handle = null;
      this.#say(error instanceof Error ? error.message : String(error));
    }
  }

  #batch(): { readonly text: string; readonly count: number } {
    let text = this.#torn ? '\n' : '';
    let count = 0;
    for (const line of this.#pending) {
      if (text.length + line.length > batchBytes && count > 0) break;
      text += line;
      count += 1;
    }
    if (count === 0 && this.#dropped > 0) {
      text += `${JSON.stringify({ at: new Date(this.#now()).toISOString(), dropped: this.#dropped })}\n`;
    }
    return { text, count };
  }

  #taken(count: number, size: number): void {
    this.#pending.splice(0, count);
    this.#pendingSize = this.#pending.length === 0 ? 0 : Math.max(0, this.#pendingSize - size);
  }

  /** The file that has the name now, after its turn if that is due. */
  async #current(): Promise<FileHandle> {
    await rotateIfDue(this.#file, this.#rule, this.#now());
    if (this.#handle !== null) {
      const mine = await this.#handle.stat({ bigint: true });
      const named = await inodeOf(this.#file);
      if (named === mine.ino) return this.#handle;
      await this.#handle.close();
      this.#handle = null;
    }
    await mkdir(path.dirname(this.#file), { recursive: true, mode: 0o700 });
    this.#handle = await open(this.#file, 'a', 0o600);
    return this.#handle;
  }

  async #maintain(): Promise<void> {
    try {
      await rotateIfDue(this.#file, this.#rule, this.#now());
      await prune(this.#file, this.#rule, this.#now());
    } catch (error) {
      this.#say(error instanceof Error ? error.message : String(error));
    }
  }

  #say(trouble: string | null): void {
    if ((trouble === null) === (this.#trouble === null)) return;
    this.#trouble = trouble;
    this.#onTrouble(trouble);
  }
}

async function inodeOf(file: string): Promise<bigint | null> {
  try {
    return (await stat(file, { bigint: true })).ino;
  } catch {
    return null;
  }
}
