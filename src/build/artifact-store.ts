import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Digest } from '../core/units/quantities.ts';
import { ArtifactChangedError, ArtifactMissingError } from '../errors.ts';
import { packFolder, type PackedArchive } from './archive.ts';
import { asDigest, hexOf } from './digest.ts';
import { diskFailure } from './disk-failure.ts';
import { compareWithArchive, extractArchive, removeTree, syncFolder } from './unpacked-tree.ts';
import { sweepLeftovers, temporaryName } from './work-folder.ts';

const never = new AbortController().signal;
const temporary = '.partial';

/**
 * The content-addressed store of artifacts:
 *
 *     blobs/sha256/HEX.tar    what was built; read-only, never written again
 *     unpacked/HEX/           the same, unpacked for instances to run from; read-only
 *
 * Everything appears by rename, after it is on disk: what has its final name is complete.
 *
 * An unpacked tree is compared with its blob, byte for byte, each time it is asked for, and the blob with its name. The
 * alternatives were a list of hashes beside the tree, which whoever changes the tree could change too and which reads the
 * tree just as often, and unpacking anew each time, which would pull the folder from under instances that run there.
 */
export class ArtifactStore {
  readonly #root: string;
  readonly #blobs: string;
  readonly #unpacked: string;
  readonly #unpacking = new Map<Digest, Promise<string>>();

  private constructor(root: string) {
    this.#root = root;
    this.#blobs = join(root, 'blobs', 'sha256');
    this.#unpacked = join(root, 'unpacked');
  }

  /**
   * Opens the store in a folder, makes it when there is none, and removes what killed processes left half-done.
   *
   * @throws StoreUnavailableError when the folder cannot be used
   */
  static async open(root: string): Promise<ArtifactStore> {
    const store = new ArtifactStore(root);
    await store.#guard(async () => {
      for (const folder of [store.#blobs, store.#unpacked]) {
        await mkdir(folder, { recursive: true, mode: 0o755 });
        await sweepLeftovers(folder, temporary);
      }
    });
    return store;
  }

  /**
   * Packs a folder into the store. The same content gives the same digest, and writing it again mends a blob that was
   * changed.
   *
   * @throws StoreUnavailableError when the disk is full or the store read-only, ArchiveEntryError for what no artifact may
   *   hold; either way nothing is left behind
   */
  async put(folder: string, signal: AbortSignal): Promise<PackedArchive> {
    return this.#guard(async () => {
      const partial = join(this.#blobs, temporaryName(temporary));
      try {
        const handle = await open(partial, 'wx', 0o600);
        let packed: PackedArchive;
        try {
          packed = await packFolder(folder, (chunk) => handle.appendFile(chunk), signal);
          await handle.chmod(0o444);
          await handle.sync();
        } finally {
          await handle.close();
        }
        signal.throwIfAborted();
        await rename(partial, this.#blob(packed.digest));
        await syncFolder(this.#blobs);
        return packed;
      } finally {
        await rm(partial, { force: true });
      }
    });
  }

  async has(digest: Digest): Promise<boolean> {
    return this.#guard(() => exists(this.#blob(digest)));
  }

  /**
   * Reads the blob and checks that it still is what its name says.
   *
   * @throws ArtifactMissingError, ArtifactChangedError
   */
  async verify(digest: Digest, signal: AbortSignal = never): Promise<void> {
    await this.#guard(async () => {
      const file = this.#blob(digest);
      if (!(await exists(file))) throw new ArtifactMissingError(digest, file);
      const hash = createHash('sha256');
      await pipeline(createReadStream(file, { highWaterMark: 1024 * 1024, signal }), hash);
      this.#refuseOther(digest, asDigest(hash.digest('hex')));
    });
  }

  /**
   * The folder that holds the artifact unpacked, verified now. Calling it again, or at the same time, gives the same folder.
   *
   * A folder in which files were added (by an instance that runs as root, for example) is left to those who use it, and a
   * new one made beside it: what is added could change what runs, but must not keep a rollback from happening.
   *
   * @throws ArtifactMissingError; ArtifactChangedError when the blob, or a file that was unpacked from it, was changed
   */
  async unpack(digest: Digest, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    // One at a time for each digest: who comes second finds the folder there and compares it.
    const previous = this.#unpacking.get(digest);
    const mine = (async () => {
      await previous?.catch(() => undefined);
      return this.#guard(() => this.#unpackNow(digest, signal));
    })();
    this.#unpacking.set(digest, mine);
    try {
      return await mine;
    } finally {
      if (this.#unpacking.get(digest) === mine) this.#unpacking.delete(digest);
    }
  }

  /** All artifacts with the sizes of their blobs. */
  async list(): Promise<readonly { readonly digest: Digest; readonly bytes: number }[]> {
    return this.#guard(async () => {
      const found: { digest: Digest; bytes: number }[] = [];
      for (const name of (await readdir(this.#blobs)).toSorted()) {
        const hex = /^([0-9a-f]{64})\.tar$/.exec(name)?.[1];
        if (hex !== undefined) found.push({ digest: asDigest(hex), bytes: (await stat(join(this.#blobs, name))).size });
      }
      return found;
    });
  }

  /** Removes an artifact, packed and unpacked. One that is not there is fine. Nobody may run from it any more. */
  async remove(digest: Digest): Promise<void> {
    await this.#guard(async () => {
      await rm(this.#blob(digest), { force: true });
      const hex = hexOf(digest);
      for (const name of await readdir(this.#unpacked)) {
        if (name !== hex && !name.startsWith(`${hex}.`)) continue;
        // Renamed first: a folder that is half gone must not be taken for the artifact.
        const doomed = join(this.#unpacked, temporaryName(temporary));
        await rename(join(this.#unpacked, name), doomed);
        await removeTree(doomed);
      }
      await syncFolder(this.#blobs);
      await syncFolder(this.#unpacked);
    });
  }

  async #unpackNow(digest: Digest, signal: AbortSignal): Promise<string> {
    const file = this.#blob(digest);
    if (!(await exists(file))) throw new ArtifactMissingError(digest, file);
    for (let generation = 1; ; generation += 1) {
      const folder = join(this.#unpacked, generation === 1 ? hexOf(digest) : `${hexOf(digest)}.${generation}`);
      if (!(await exists(folder)) && (await this.#extract(digest, folder, signal))) return folder;
      if (await this.#isUntouched(digest, folder, signal)) return folder;
    }
  }

  /** Unpacks into a folder beside and renames it. False when another process was faster. */
  async #extract(digest: Digest, folder: string, signal: AbortSignal): Promise<boolean> {
    const partial = join(this.#unpacked, temporaryName(temporary));
    await mkdir(partial, { mode: 0o700 });
    try {
      const found = await this.#reading(digest, () => extractArchive(this.#blob(digest), partial, signal));
      this.#refuseOther(digest, found);
      signal.throwIfAborted();
      await rename(partial, folder);
      await syncFolder(this.#unpacked);
      return true;
    } catch (error) {
      if (isCode(error, 'ENOTEMPTY') || isCode(error, 'EEXIST')) return false;
      throw error;
    } finally {
      await removeTree(partial);
    }
  }

  /** False when files were added to the folder; throws when what was unpacked is not there as it was. */
  async #isUntouched(digest: Digest, folder: string, signal: AbortSignal): Promise<boolean> {
    if (!(await lstat(folder)).isDirectory()) throw this.#changedTree(digest, folder, folder, 'is not a folder');
    const comparison = await this.#reading(digest, () => compareWithArchive(this.#blob(digest), folder, signal));
    this.#refuseOther(digest, comparison.digest);
    const { changed } = comparison;
    if (changed !== null) throw this.#changedTree(digest, folder, join(folder, changed.path), changed.found);
    return comparison.extra === null;
  }

  /** An archive that cannot even be read was most likely changed: then that is what to say. */
  async #reading<T>(digest: Digest, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      if (!isSystemError(error) && !isAbort(error)) await this.verify(digest);
      throw error;
    }
  }

  #changedTree(digest: Digest, folder: string, file: string, found: string): ArtifactChangedError {
    return new ArtifactChangedError(
      digest,
      file,
      found,
      `It was not run, and nothing else was changed. The packed artifact is intact: find out who changed the file, stop what runs from ${folder}, remove that folder, and deploy again.`,
    );
  }

  #refuseOther(digest: Digest, found: Digest): void {
    if (found === digest) return;
    throw new ArtifactChangedError(
      digest,
      this.#blob(digest),
      `is now ${found}`,
      'It was not run, and what runs goes on. Build the release again from its commit (`veza build`), or restore the file from a backup; then find out who changed it, or check the disk.',
    );
  }

  #blob(digest: Digest): string {
    return join(this.#blobs, `${hexOf(digest)}.tar`);
  }

  async #guard<T>(task: () => Promise<T>): Promise<T> {
    try {
      return await task();
    } catch (error) {
      throw diskFailure(this.#root, error);
    }
  }
}

const isSystemError = (error: unknown): boolean =>
  error instanceof Error && 'syscall' in error && typeof error.syscall === 'string';
const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;
const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError';

const exists = async (path: string): Promise<boolean> => {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return false;
    throw error;
  }
};
