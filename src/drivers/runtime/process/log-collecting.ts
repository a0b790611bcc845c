import { spawn } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { LineSplitter } from './line-splitter.ts';
import {
  cursorsFile,
  LOG_FILES,
  logFile,
  MAX_LOG_BYTES,
  parseCursors,
  parseStoredLine,
  type StoredLine,
} from './log-files.ts';
import { instanceDir, logsDir, writeFileAtomically } from '../supervision/state-files.ts';
import { readRecord, type InstanceRecord } from './record.ts';

/** A raw file is shortened when it holds this much that has been collected. */
export const SHORTEN_AFTER_BYTES = 4 * 1024 ** 2;
/** Kept of it, for the last line that an exit's reason quotes. */
const KEPT_BYTES = 64 * 1024;
const BLOCK_BYTES = 4096;
/** Read of one file at a time, so that memory stays small whatever an instance writes. */
const CHUNK_BYTES = 256 * 1024;
/** Stored lines of one write: a flood of empty lines is many times larger stored than raw. */
const BATCH_LINES = 2000;

/** Gives the space of the first `bytes` of a file back to the disk; false when that does not work here. */
export type FreeSpace = (file: string, bytes: number) => Promise<boolean>;

/**
 * Frees what has been read without moving what follows: offsets, and so the writer, do not notice, and no line can fall
 * into a gap. Node has no fallocate(2), util-linux has a program for it.
 */
export const punchHole: FreeSpace = (file, bytes) =>
  new Promise((resolve) => {
    const child = spawn('fallocate', ['--punch-hole', '--offset', '0', '--length', String(bytes), file], {
      stdio: 'ignore',
    });
    child.once('error', () => resolve(false));
    child.once('exit', (status) => resolve(status === 0));
  });

interface Tail {
  readonly name: string;
  readonly launch: number;
  readonly stream: 'stdout' | 'stderr';
  readonly file: string;
  readonly descriptor: number;
  readonly splitter: LineSplitter;
  /** Bytes that were cut off the front by truncating: position in the file = position in the stream - base. */
  base: number;
  freed: number;
}

const RAW_NAME = /^(\d+)\.(stdout|stderr)$/;

/**
 * Turns raw output of instances into structured lines in rotated files. What is stored names its place in the raw output,
 * so after `kill -9` at any point the next collector goes on with the first line that is not stored yet: none is lost,
 * none comes twice.
 */
export class LogCollecting {
  readonly #stateDir: string;
  readonly #freeSpace: FreeSpace;
  readonly #tails = new Map<string, Map<string, Tail>>();
  /** Found in the structured files at the start: how far each stream was stored. */
  readonly #stored: Map<string, number>;
  #lastTime = 0;
  #canFreeSpace: boolean | null = null;

  constructor(stateDir: string, freeSpace: FreeSpace = punchHole) {
    this.#stateDir = stateDir;
    this.#freeSpace = freeSpace;
    this.#stored = recoverStored(stateDir);
  }

  /** Whether space can be freed without truncating; null before it was tried. */
  get canFreeSpace(): boolean | null {
    return this.#canFreeSpace;
  }

  /** Collects what an instance has written since the last time. True while there is more of it. */
  async collect(id: string): Promise<boolean> {
    const record = readRecord(this.#stateDir, id);
    if (record === null) return false;
    const tails = this.#open(record);
    try {
      let more = false;
      for (const tail of tails) more = this.#take(record, tail) || more;
      for (const tail of tails) await this.#shorten(record, tail);
      if (!more) this.#tidy(record, tails);
      return more;
    } catch (error) {
      // Nothing is consumed that was not stored: the next attempt begins at the last stored line.
      this.forget(id);
      throw error;
    }
  }

  /** Closes what is open of an instance. */
  forget(id: string): void {
    for (const tail of this.#tails.get(id)?.values() ?? []) closeSync(tail.descriptor);
    this.#tails.delete(id);
  }

  #open(record: InstanceRecord): readonly Tail[] {
    const { id } = record;
    const known = this.#tails.get(id) ?? new Map<string, Tail>();
    this.#tails.set(id, known);
    const folder = instanceDir(this.#stateDir, id);
    for (const name of readdirSync(folder)) {
      const match = RAW_NAME.exec(name);
      if (match === null || known.has(name)) continue;
      const file = join(folder, name);
      const cursors = readCursors(this.#stateDir, id);
      const end = Math.max(cursors[name] ?? 0, this.#stored.get(`${id}/${name}`) ?? 0);
      const descriptor = openSync(file, 'r+');
      const base = cursors[`${name}.base`] ?? 0;
      // Shorter than what was read of it: it was truncated just before the last collector died.
      const truncated = fstatSync(descriptor).size < end - base;
      known.set(name, {
        name,
        launch: Number(match[1]),
        stream: match[2] === 'stdout' ? 'stdout' : 'stderr',
        file,
        descriptor,
        splitter: new LineSplitter(end),
        base: truncated ? end : base,
        freed: 0,
      });
    }
    return [...known.values()].sort((one, other) => one.launch - other.launch || (one.name < other.name ? -1 : 1));
  }

  /** Reads and stores one chunk; true when there may be more. */
  #take(record: InstanceRecord, tail: Tail): boolean {
    const { splitter } = tail;
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const length = readSync(tail.descriptor, chunk, 0, CHUNK_BYTES, splitter.position - tail.base);
    const { mtimeMs } = fstatSync(tail.descriptor);
    const lines = splitter.push(chunk.subarray(0, length));
    if (length < CHUNK_BYTES && hasEnded(record, tail)) lines.push(...splitter.flush());
    if (lines.length > 0) {
      // The time of the last write to the file is nearest to when the line was written, also when we were away then.
      this.#lastTime = Math.max(this.#lastTime, Math.floor(Math.min(mtimeMs, Date.now())));
      const stored = lines.map(({ text, end }): StoredLine => ({
        time: this.#lastTime,
        instance: record.id,
        release: record.release,
        stream: tail.stream,
        text,
        launch: tail.launch,
        end,
      }));
      for (let from = 0; from < stored.length; from += BATCH_LINES) {
        this.#store(record, tail, stored.slice(from, from + BATCH_LINES));
      }
      this.#saveCursors(record.id);
    }
    return length === CHUNK_BYTES;
  }

  #store(record: InstanceRecord, tail: Tail, lines: readonly StoredLine[]): void {
    const { environment, service } = record.ref;
    const file = logFile(this.#stateDir, environment, service, 0);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const data = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const size = sizeOf(file);
    if (size > 0 && size + data.length > MAX_LOG_BYTES) {
      for (let index = LOG_FILES - 2; index >= 0; index -= 1) {
        const from = logFile(this.#stateDir, environment, service, index);
        if (sizeOf(from) > 0) renameSync(from, logFile(this.#stateDir, environment, service, index + 1));
      }
    }
    appendWhole(file, data);
    this.#stored.set(`${record.id}/${tail.name}`, lines.at(-1)?.end ?? 0);
  }

  #saveCursors(id: string): void {
    const cursors: Record<string, number> = {};
    for (const tail of this.#tails.get(id)?.values() ?? []) {
      cursors[tail.name] = tail.splitter.end;
      if (tail.base > 0) cursors[`${tail.name}.base`] = tail.base;
    }
    writeFileAtomically(cursorsFile(this.#stateDir, id), `${JSON.stringify(cursors)}\n`);
  }

  async #shorten(record: InstanceRecord, tail: Tail): Promise<void> {
    const collected = tail.splitter.end - tail.base;
    if (collected - tail.freed < SHORTEN_AFTER_BYTES) return;
    const bytes = Math.floor((collected - KEPT_BYTES) / BLOCK_BYTES) * BLOCK_BYTES;
    if (this.#canFreeSpace !== false) {
      this.#canFreeSpace = await this.#freeSpace(tail.file, bytes);
      tail.freed = bytes;
      if (this.#canFreeSpace) return;
    }
    this.#truncate(record, tail);
  }

  // For file systems without holes. Between the look at the size and the cut lie a few microseconds in which a line could
  // be lost: `limitations` says so. Stopping the instance for the moment would close that gap, but a collector that is
  // killed in the moment would leave the instance stopped, which is worse.
  #truncate(record: InstanceRecord, tail: Tail): void {
    for (;;) {
      while (this.#take(record, tail));
      const { size } = fstatSync(tail.descriptor);
      if (tail.splitter.position - tail.base < size) continue;
      // A line without its end is still in the file only: the next round has it whole.
      if (tail.splitter.position !== tail.splitter.end) return;
      ftruncateSync(tail.descriptor, 0);
      tail.base = tail.splitter.end;
      tail.freed = 0;
      this.#saveCursors(record.id);
      return;
    }
  }

  /** Removes what has been collected to its end and will not grow: output of earlier launches, folders of gone instances. */
  #tidy(record: InstanceRecord, tails: readonly Tail[]): void {
    const { id } = record;
    if (record.phase.kind === 'gone') {
      for (const tail of tails) this.#stored.delete(`${id}/${tail.name}`);
      this.forget(id);
      rmSync(instanceDir(this.#stateDir, id), { recursive: true, force: true });
      return;
    }
    for (const tail of tails) {
      if (tail.launch >= record.launches) continue;
      closeSync(tail.descriptor);
      this.#tails.get(id)?.delete(tail.name);
      this.#stored.delete(`${id}/${tail.name}`);
      rmSync(tail.file, { force: true });
    }
  }
}

const hasEnded = (record: InstanceRecord, tail: Tail): boolean =>
  tail.launch < record.launches || record.phase.kind === 'down' || record.phase.kind === 'gone';

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

const readCursors = (stateDir: string, id: string): Record<string, number> => {
  try {
    return parseCursors(readFileSync(cursorsFile(stateDir, id), 'utf8'));
  } catch {
    return {};
  }
};

/** Appends all of the data or, on a full disk, nothing of it. */
function appendWhole(file: string, data: Buffer): void {
  const descriptor = openSync(file, 'a', 0o600);
  try {
    const { size } = fstatSync(descriptor);
    try {
      for (let written = 0; written < data.length;) written += writeSync(descriptor, data, written);
    } catch (error) {
      ftruncateSync(descriptor, size);
      throw error;
    }
  } finally {
    closeSync(descriptor);
  }
}

/**
 * What the structured files say was stored: `<instance>/<launch>.<stream>` to bytes. The cursors beside the raw files are
 * written after the lines, so these can be ahead of them. A line cut short by a crash is removed.
 */
function recoverStored(stateDir: string): Map<string, number> {
  const stored = new Map<string, number>();
  for (const environment of subfolders(logsDir(stateDir))) {
    const folder = join(logsDir(stateDir), environment);
    // The current file and the one before it: cursors are never further behind than one batch.
    for (const name of readdirSync(folder).filter((file) => /^[^.]+(\.1)?\.jsonl$/.test(file))) {
      const file = join(folder, name);
      const content = readFileSync(file);
      const whole = content.lastIndexOf(0x0a) + 1;
      if (whole < content.length) truncateSync(file, whole);
      for (const text of content.toString('utf8', 0, whole).split('\n')) {
        const line = text === '' ? null : parseStoredLine(text);
        if (line === null) continue;
        const key = `${line.instance}/${line.launch}.${line.stream}`;
        stored.set(key, Math.max(stored.get(key) ?? 0, line.end));
      }
    }
  }
  return stored;
}

function subfolders(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return [];
  }
}
