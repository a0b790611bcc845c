import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { COMPRESSED, readStoredFile, type StoredFile } from './stored-file.ts';

/** What an asset may be called: nothing that could leave its folder, and nothing hidden. */
const ASSET_NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$/;
const SET_NAME = /^[0-9a-f]{32}$/;
const INCOMING = 'incoming-';

export interface ShelfOptions {
  /** Folder that outlives releases and is shared by all instances: VEZA_DATA. */
  readonly folder: string;
  /** A set that no instance has served for longer than this is taken away. */
  readonly keepMs: number;
  /** At most this many sets, the most recently served first. */
  readonly keepSets: number;
  readonly clock: () => number;
}

/**
 * The assets of all releases that a page somewhere may still have been loaded from.
 *
 * One folder a set of assets, named by what is in it, put in place whole by a rename: instances of both slots may add and
 * tidy at the same time, and none sees half a set. A set's modification time is when an instance last served it. Asked
 * for a name that it does not know, the shelf looks at the folder again, because a page of the candidate may ask stable
 * for its assets while both share the traffic.
 */
export class AssetShelf {
  readonly #options: ShelfOptions;
  #where = new Map<string, string>();
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | null = null;

  constructor(options: ShelfOptions) {
    this.#options = options;
  }

  /**
   * Puts a release's assets on the shelf; safe to repeat, and for several instances at once.
   *
   * @param source folder with assets and their compressed forms
   * @returns name of the set
   */
  async add(source: string): Promise<string> {
    const set = await nameOfSet(source);
    // Another instance may take an old set away just when it is about to be served again: then it is put back.
    for (let attempt = 1; ; attempt += 1) {
      await this.#put(source, set);
      if ((await this.#touch(set)) || attempt === 3) break;
    }
    await this.#look();
    return set;
  }

  /**
   * Takes away what is too old or too much; never the set that is given.
   *
   * @returns names of the sets that went
   */
  async tidy(own: string): Promise<readonly string[]> {
    const { keepMs, keepSets, clock } = this.#options;
    const oldest = clock() - keepMs;
    const sets = await this.#newestFirst();
    const others = sets.filter((set) => set.name !== own);
    const goes = others.filter((set, index) => set.servedAt < oldest || index + 1 >= keepSets);
    for (const set of goes) await rm(join(this.#sets, set.name), { recursive: true, force: true });
    await this.#sweepIncoming(oldest);
    if (goes.length > 0) await this.#look();
    return goes.map((set) => set.name);
  }

  /** Finds an asset of any release. */
  async find(name: string): Promise<StoredFile | null> {
    if (!ASSET_NAME.test(name)) return null;
    if (!this.#where.has(name)) await this.#lookAgain();
    const set = this.#where.get(name);
    if (set === undefined) return null;
    return readStoredFile(join(this.#sets, set), name);
  }

  get #sets(): string {
    return join(this.#options.folder, 'assets');
  }

  async #put(source: string, set: string): Promise<void> {
    const target = join(this.#sets, set);
    await mkdir(this.#sets, { recursive: true });
    if (await isThere(target)) return;
    const beside = await mkdtemp(join(this.#options.folder, INCOMING));
    await cp(source, beside, { recursive: true });
    try {
      await rename(beside, target);
    } catch (error) {
      // Another instance was faster: what it put there is the same.
      await rm(beside, { recursive: true, force: true });
      if (!(await isThere(target))) throw error;
    }
  }

  /** Says that a set is being served now; false when it is gone. */
  async #touch(set: string): Promise<boolean> {
    const seconds = this.#options.clock() / 1000;
    const target = join(this.#sets, set);
    return utimes(target, seconds, seconds).then(
      () => true,
      () => isThere(target),
    );
  }

  /** At most once a second, however many unknown names are asked for. */
  async #lookAgain(): Promise<void> {
    if (this.#looking === null && this.#options.clock() - this.#lookedAt < 1000) return;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    await this.#looking;
  }

  async #look(): Promise<void> {
    this.#lookedAt = this.#options.clock();
    const where = new Map<string, string>();
    for (const set of await this.#newestFirst()) {
      for (const name of await namesIn(join(this.#sets, set.name))) if (!where.has(name)) where.set(name, set.name);
    }
    this.#where = where;
  }

  async #newestFirst(): Promise<{ readonly name: string; readonly servedAt: number }[]> {
    const sets: { name: string; servedAt: number }[] = [];
    for (const name of await namesIn(this.#sets)) {
      if (!SET_NAME.test(name)) continue;
      const found = await stat(join(this.#sets, name)).catch(() => null);
      if (found !== null) sets.push({ name, servedAt: found.mtimeMs });
    }
    return sets.sort((one, other) => other.servedAt - one.servedAt || (one.name < other.name ? -1 : 1));
  }

  /** What an instance left behind that was killed while it copied. */
  async #sweepIncoming(olderThan: number): Promise<void> {
    for (const name of await namesIn(this.#options.folder)) {
      if (!name.startsWith(INCOMING)) continue;
      const path = join(this.#options.folder, name);
      const found = await stat(path).catch(() => null);
      if (found !== null && found.mtimeMs < olderThan) await rm(path, { recursive: true, force: true });
    }
  }
}

/** Names a set by the names of its files: each carries the hash of its content. */
async function nameOfSet(folder: string): Promise<string> {
  const names = (await namesIn(folder)).filter((name) => !Object.values(COMPRESSED).some((end) => name.endsWith(end)));
  return createHash('sha256').update(names.sort().join('\n')).digest('hex').slice(0, 32);
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}
