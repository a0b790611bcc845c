import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type { CurrentSecond, TrafficSecond } from '../../../core/traffic.ts';
import { ArmCounts, type StoredCounts } from './arm-counts.ts';
import { replaceFile, requestFilePattern, streamsFile, type StateFiles } from './haproxy-files.ts';
import { LineFile, type Place } from './line-file.ts';
import { RequestLines } from './request-lines.ts';

/** Milliseconds after its end at which a second is closed: lines of it have been written by then. */
const settleMs = 250;
/** Milliseconds between two saves of what was counted. */
const saveMs = 10_000;

interface Stored {
  readonly format: 2;
  readonly requests: Place;
  readonly streams: Place;
  /** The HAProxy that was counted last. */
  readonly haproxy: string;
  readonly counts: StoredCounts;
  /** Requests of which one line has been read. */
  readonly seen: readonly (readonly [string, number])[];
}

/**
 * Counts from what HAProxy writes about each request, wherever it was left off: files, not a socket, so that nothing is lost
 * while nobody reads. Each HAProxy that is started writes a file of its own; all write the beginnings of streams to one.
 */
export class RequestLog {
  readonly #files: StateFiles;
  readonly #counts: ArmCounts;
  readonly #lines: RequestLines;
  readonly #streams: LineFile;
  #requests: LineFile;
  #runningSince: number;
  #haproxy: string;
  #turn: Promise<void> = Promise.resolve();
  #savedAt = 0;
  #failure: string | null = null;
  /** Something was read that says which paths users asked for, and is not erased yet. */
  #paths = true;

  private constructor(
    files: StateFiles,
    stored: Stored | null,
    requests: LineFile,
    streams: LineFile,
    haproxy: string,
    now: number,
  ) {
    this.#files = files;
    this.#requests = requests;
    this.#streams = streams;
    this.#haproxy = haproxy;
    this.#counts = stored === null ? new ArmCounts() : ArmCounts.restore(stored.counts);
    this.#lines = new RequestLines((request) => {
      this.#paths ||= request.route !== null;
      this.#counts.record(request);
    }, stored?.seen);
    // The same HAProxy has run all the time since it was looked at last; another one surely runs only now.
    this.#runningSince = stored !== null && stored.haproxy === haproxy ? 0 : Math.floor(now / 1000);
  }

  /** @param haproxy tells the running HAProxy from others @param now UTC milliseconds */
  static async open(files: StateFiles, haproxy: string, now: number): Promise<RequestLog> {
    let stored: Stored | null = null;
    try {
      const read = JSON.parse(await readFile(files.counts, 'utf8')) as Stored;
      if (read.format === 2) stored = read;
    } catch {
      // None yet, or damaged: then the lines that are still there are counted from the beginning.
    }
    const names = await requestFiles(files);
    const first = names.find((name) => stored === null || name >= stored.requests.name) ?? `${now}.log`;
    const [requests, streams] = await Promise.all([
      LineFile.open(first, path.join(files.requests, first), stored?.requests ?? null),
      LineFile.open(streamsFile, path.join(files.requests, streamsFile), stored?.streams ?? null),
    ]);
    return new RequestLog(files, stored, requests, streams, haproxy, now);
  }

  /** Why room could not be given back; null when all is well. */
  get failure(): string | null {
    return this.#failure;
  }

  /** Counts seconds of a service from now on, also those without traffic. */
  observe(service: string, now: number): void {
    this.#counts.observe(service, Math.floor(now / 1000));
  }

  /** HAProxy was started anew. */
  restarted(haproxy: string, now: number): void {
    this.#haproxy = haproxy;
    this.#runningSince = Math.floor(now / 1000);
  }

  /** Reads to the end and closes what is over. @param now UTC milliseconds, taken before */
  catchUp(now: number): Promise<void> {
    const turn = this.#turn.then(() => this.#catchUp(now));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #catchUp(now: number): Promise<void> {
    const count = (line: string): void => this.#lines.read(line);
    await this.#requests.read(count);
    // A newer file is there once its HAProxy runs, so the older one has got its last line.
    for (const name of await requestFiles(this.#files)) {
      if (name <= this.#requests.name) continue;
      await this.#requests.read(count);
      const old = this.#requests;
      this.#requests = await LineFile.open(name, path.join(this.#files.requests, name), null);
      await old.close();
      await this.#requests.read(count);
    }
    await this.#streams.read(count);
    this.#counts.closeBefore(Math.floor((now - settleMs) / 1000), this.#runningSince);
    if (now - this.#savedAt > saveMs) await this.#save(now);
  }

  traffic(service: string, afterSecond: number): readonly TrafficSecond[] {
    return this.#counts.since(service, afterSecond);
  }

  current(service: string, now: number): CurrentSecond | null {
    const second = Math.floor(now / 1000);
    const soFar = this.#counts.current(service, second);
    return soFar === null ? null : { soFar, passedMs: Math.floor(now) - second * 1000 };
  }

  async #save(now: number): Promise<void> {
    this.#savedAt = now;
    const stored: Stored = {
      format: 2,
      requests: this.#requests.place,
      streams: this.#streams.place,
      haproxy: this.#haproxy,
      counts: this.#counts.store(),
      seen: this.#lines.store(),
    };
    await replaceFile(this.#files.counts, JSON.stringify(stored));
    const erase = this.#paths;
    this.#paths = false;
    const failures = await Promise.all([
      this.#requests.giveBack(stored.requests.offset, erase),
      this.#streams.giveBack(stored.streams.offset, erase),
    ]);
    this.#paths ||= failures.some((failure) => failure !== null);
    this.#failure = failures.find((failure) => failure !== null) ?? null;
    for (const name of await requestFiles(this.#files)) {
      if (name < stored.requests.name) await rm(path.join(this.#files.requests, name), { force: true });
    }
  }

  async close(now: number): Promise<void> {
    try {
      await this.catchUp(now);
      await this.#save(now);
    } finally {
      await Promise.all([this.#requests.close(), this.#streams.close()]);
    }
  }
}

/** Files of requests, oldest first. */
const requestFiles = async ({ requests }: StateFiles): Promise<readonly string[]> =>
  (await readdir(requests)).filter((name) => requestFilePattern.test(name)).sort();
