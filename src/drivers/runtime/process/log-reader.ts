import { watch } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ReleaseId } from '../../../core/release/release.ts';
import type { LogLine, LogQuery } from '../runtime.ts';
import { cursorsFile, LOG_FILES, logFile, parseCursors, parseStoredLine, type StoredLine } from './log-files.ts';
import { instanceIds } from '../supervision/state-files.ts';
import { rawLogFile, readRecord } from './record.ts';

/** Longest wait for the collector to catch up with what was written before the question, in milliseconds. */
const CATCH_UP_MS = 2000;
/** A followed file is looked at this often even when the system reports no change, in milliseconds. */
const LOOK_MS = 250;

const asLogLine = ({ time, instance, release, stream, text }: StoredLine): LogLine => ({
  time,
  instance,
  release: release as ReleaseId,
  stream,
  text,
});

/**
 * The last lines of a service, all its instances together and ordered by time, then, with `follow`, what comes until the
 * signal is aborted. Ends quietly when it is.
 */
export async function* readLogs(stateDir: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> {
  await caughtUp(stateDir, query, signal);
  const follower = new Follower(stateDir, query);
  try {
    const past = await follower.open();
    const last = query.tail <= 0 ? [] : past.slice(-query.tail);
    // Older files are read only when the current one does not hold enough.
    for (let index = 1; index < LOG_FILES && last.length < query.tail; index += 1) {
      const older = await readStored(logFile(stateDir, query.environment, query.service, index));
      last.unshift(...older.slice(-(query.tail - last.length)));
    }
    for (const line of byTime(last)) yield asLogLine(line);
    while (query.follow && !signal.aborted) {
      for (const line of byTime(await follower.more())) yield asLogLine(line);
      await follower.changed(signal);
    }
  } finally {
    await follower.close();
  }
}

const byTime = (lines: readonly StoredLine[]): StoredLine[] => [...lines].sort((one, other) => one.time - other.time);

async function readStored(file: string): Promise<StoredLine[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => (line === '' ? [] : (parseStoredLine(line) ?? [])));
}

/** Waits until the collector has taken what the service's instances had written when we were asked. */
async function caughtUp(stateDir: string, query: LogQuery, signal: AbortSignal): Promise<void> {
  const goals = new Map<string, Map<string, number>>();
  for (const id of await instanceIds(stateDir)) {
    const record = readRecord(stateDir, id);
    if (record?.ref.environment !== query.environment || record.ref.service !== query.service) continue;
    const sizes = new Map<string, number>();
    for (const stream of ['stdout', 'stderr'] as const) {
      const file = rawLogFile(stateDir, id, record.launches, stream);
      const size = (await stat(file).catch(() => null))?.size ?? 0;
      // A last line without its newline is not collected before its instance ends or writes on.
      if (size > 0 && (await endsWithNewline(file, size))) sizes.set(`${record.launches}.${stream}`, size);
    }
    goals.set(id, sizes);
  }
  const deadline = performance.now() + CATCH_UP_MS;
  while (goals.size > 0 && performance.now() < deadline && !signal.aborted) {
    for (const [id, sizes] of goals) {
      const text = await readFile(cursorsFile(stateDir, id), 'utf8').catch(() => null);
      const cursors = parseCursors(text ?? '');
      const missing = [...sizes].filter(([name, size]) => (cursors[name] ?? 0) - (cursors[`${name}.base`] ?? 0) < size);
      // Without its folder an instance has been collected to the end.
      if (missing.length === 0 || readRecord(stateDir, id) === null) goals.delete(id);
    }
    if (goals.size > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function endsWithNewline(file: string, size: number): Promise<boolean> {
  const handle = await open(file, 'r').catch(() => null);
  if (handle === null) return false;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
    return bytesRead === 1 && buffer[0] === 0x0a;
  } finally {
    await handle.close();
  }
}

type Handle = Awaited<ReturnType<typeof open>>;

/** Reads the current file of a service on and on, across rotations. */
class Follower {
  readonly #file: string;
  #handle: Handle | null = null;
  #position = 0;
  #rest = '';
  #wake: (() => void) | null = null;
  #watcher: ReturnType<typeof watch> | null = null;

  constructor(stateDir: string, query: LogQuery) {
    this.#file = logFile(stateDir, query.environment, query.service, 0);
  }

  async open(): Promise<StoredLine[]> {
    return this.more();
  }

  /** Everything new since the last call. */
  async more(): Promise<StoredLine[]> {
    const lines = await this.#read();
    if (!(await this.#wasRotated())) return lines;
    // Whatever the old file got between the read and the rename, then the new one from its start.
    lines.push(...(await this.#read()));
    await this.#handle?.close();
    this.#handle = null;
    this.#position = 0;
    this.#rest = '';
    lines.push(...(await this.#read()));
    return lines;
  }

  async #read(): Promise<StoredLine[]> {
    this.#handle ??= await open(this.#file, 'r').catch(() => null);
    if (this.#handle === null) return [];
    const chunks: Buffer[] = [];
    for (;;) {
      const { buffer, bytesRead } = await this.#handle.read(Buffer.alloc(256 * 1024), 0, 256 * 1024, this.#position);
      if (bytesRead === 0) break;
      this.#position += bytesRead;
      chunks.push(buffer.subarray(0, bytesRead));
    }
    // The collector writes whole lines, so characters are never cut between two reads that end at what it wrote; a read
    // in the middle of a write leaves a part that has no newline yet and is kept as it is.
    const pieces = (this.#rest + Buffer.concat(chunks).toString('latin1')).split('\n');
    this.#rest = pieces.pop() ?? '';
    return pieces.flatMap((piece) => parseStoredLine(Buffer.from(piece, 'latin1').toString('utf8')) ?? []);
  }

  async #wasRotated(): Promise<boolean> {
    if (this.#handle === null) return false;
    const [ours, current] = await Promise.all([this.#handle.stat(), stat(this.#file).catch(() => null)]);
    return current !== null && current.ino !== ours.ino;
  }

  /** Resolves when there may be more, or when the signal is aborted. */
  async changed(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.#watcher ??= this.#watch();
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#wake = null;
        resolve();
      };
      const timer = setTimeout(done, LOOK_MS);
      this.#wake = done;
      signal.addEventListener('abort', done, { once: true });
    });
  }

  #watch(): ReturnType<typeof watch> | null {
    try {
      const watcher = watch(dirname(this.#file), { persistent: false }, () => this.#wake?.());
      watcher.on('error', () => undefined);
      return watcher;
    } catch {
      // The folder appears with the first line; until then the timer does.
      return null;
    }
  }

  async close(): Promise<void> {
    this.#watcher?.close();
    await this.#handle?.close();
  }
}
