import { readdirSync, rmSync, watch, type FSWatcher } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { LogCollecting } from './log-collecting.ts';
import { collectorFile, collectorLock } from './log-files.ts';
import { systemProcessTable } from './process-table.ts';
import { instanceDir, instancesDir, writeFileAtomically } from '../supervision/state-files.ts';

// The log collector: a process of its own per state folder (its only argument), started by the runtime, independent of
// it from then on. It ends when there is nothing to collect any more.

/** Wait after a change, so that a burst of lines is one write, in milliseconds. */
const SETTLE_MS = 10;
/** Everything is looked at this often, should a change have gone unnoticed, in milliseconds. */
const LOOK_MS = 2000;
/** Ends after this long without any instance, in milliseconds. */
const IDLE_MS = 3000;

/** A lock that the kernel takes back when the process dies, however it does: SQLite's, which works wherever Node does. */
function lock(file: string): DatabaseSync | null {
  const database = new DatabaseSync(file);
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    return database;
  } catch {
    database.close();
    return null;
  }
}

class Collector {
  readonly #stateDir: string;
  readonly #collecting: LogCollecting;
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #due = new Set<string>();
  #busy = false;
  #timer: NodeJS.Timeout | null = null;
  #lastInstanceAt = performance.now();
  #saidCanFreeSpace: boolean | null = null;

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
    this.#collecting = new LogCollecting(stateDir);
  }

  start(): void {
    watch(instancesDir(this.#stateDir), () => this.#look()).on('error', () => undefined);
    setInterval(() => this.#look(), LOOK_MS);
    this.#look();
  }

  #look(): void {
    let ids: string[];
    try {
      ids = readdirSync(instancesDir(this.#stateDir));
    } catch {
      // The state folder is gone, and with it everything there was to do.
      process.exit(0);
    }
    const now = performance.now();
    if (ids.length > 0) this.#lastInstanceAt = now;
    else if (now - this.#lastInstanceAt > IDLE_MS) this.#end();
    for (const id of ids) {
      this.#watch(id);
      this.#note(id);
    }
    for (const [id, watcher] of this.#watchers) {
      if (ids.includes(id)) continue;
      watcher.close();
      this.#watchers.delete(id);
      this.#collecting.forget(id);
    }
  }

  #end(): never {
    rmSync(collectorFile(this.#stateDir), { force: true });
    process.exit(0);
  }

  #watch(id: string): void {
    if (this.#watchers.has(id)) return;
    try {
      const watcher = watch(instanceDir(this.#stateDir, id), (_event, name) => {
        // Our own cursors are no news.
        if (name?.startsWith('collected.json') !== true) this.#note(id);
      });
      watcher.on('error', () => undefined);
      this.#watchers.set(id, watcher);
    } catch {
      // Out of watches, or gone already: the regular look sees to it.
    }
  }

  #note(id: string): void {
    this.#due.add(id);
    if (this.#busy || this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#collectDue();
    }, SETTLE_MS);
  }

  async #collectDue(): Promise<void> {
    this.#busy = true;
    const ids = [...this.#due];
    this.#due.clear();
    const again: string[] = [];
    for (const id of ids) {
      try {
        if (await this.#collecting.collect(id)) again.push(id);
      } catch {
        // A full disk, or a folder removed under us: what was not stored is read again at the next look.
      }
    }
    this.#busy = false;
    this.#sayWhatWorks();
    for (const id of [...again, ...this.#due]) this.#note(id);
  }

  #sayWhatWorks(): void {
    if (this.#collecting.canFreeSpace === this.#saidCanFreeSpace) return;
    this.#saidCanFreeSpace = this.#collecting.canFreeSpace;
    void sayWhoWeAre(this.#stateDir, this.#saidCanFreeSpace);
  }
}

async function sayWhoWeAre(stateDir: string, canFreeSpace: boolean | null): Promise<void> {
  const identity = await systemProcessTable().identify(process.pid);
  writeFileAtomically(collectorFile(stateDir), `${JSON.stringify({ ...identity, canFreeSpace })}\n`);
}

const stateDir = process.argv[2];
if (stateDir === undefined) {
  process.exitCode = 2;
} else {
  const held = lock(collectorLock(stateDir));
  if (held !== null) {
    await sayWhoWeAre(stateDir, null);
    new Collector(stateDir).start();
    // Referenced to the end: the lock goes with the connection.
    process.on('exit', () => held.close());
  }
}
