import { readFileSync } from 'node:fs';
import { chmod, type FileHandle, lstat, mkdir, open, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../core/units/quantities.ts';
import { collectBody, readArchive, smallFileBytes } from './archive.ts';
import { Pool } from './pool.ts';
import { type TreeEntry, walkTree } from './tree.ts';

type FileEntry = TreeEntry & { readonly kind: 'file' };

// So many small files are written or compared at a time: enough for the disk to take several syncs together.
const parallelFiles = 16;
// For so little, four trips to the thread pool cost several times what the read does.
const syncReadBytes = 64 * 1024;

/**
 * Unpacks an archive into `into`, an empty folder, makes everything read-only and durable.
 *
 * Nothing of the archive can land outside: paths are checked by `readArchive`, and symbolic links are made last, when all
 * files are written and all links are known to stay inside.
 *
 * @returns the digest of the bytes that were read; the caller compares it before anybody sees the tree
 */
export const extractArchive = async (file: string, into: string, signal: AbortSignal): Promise<Digest> => {
  const folders: string[] = [into];
  const links: { readonly path: string; readonly target: string }[] = [];
  const pool = new Pool(parallelFiles);
  try {
    const digest = await readArchive(
      file,
      async (entry, body) => {
        const path = join(into, entry.path);
        if (entry.kind === 'folder') {
          await mkdir(path, { mode: 0o700 });
          folders.push(path);
        } else if (entry.kind === 'link') {
          links.push({ path, target: entry.target });
        } else if (entry.size > smallFileBytes) {
          await writeFile(path, entry, body);
        } else {
          const content = await collectBody(body);
          await pool.run(() => writeFile(path, entry, [content]));
        }
      },
      signal,
    );
    await pool.drain();
    for (const { path, target } of links) await symlink(target, path);
    for (const folder of folders.toReversed()) {
      await chmod(folder, 0o555);
      await syncFolder(folder);
    }
    return digest;
  } finally {
    await pool.settle();
  }
};

const writeFile = async (
  path: string,
  entry: FileEntry,
  chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
): Promise<void> => {
  const handle = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of chunks) await handle.appendFile(chunk);
    await handle.chmod(entry.executable ? 0o555 : 0o444);
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/** Makes what was created, renamed or removed in a folder survive a power cut. */
export const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

export interface TreeComparison {
  /** Digest of the archive that the tree was compared with. */
  readonly digest: Digest;
  /** The first thing of the archive that is not in the tree as it was unpacked, in words; null when all of it is. */
  readonly changed: { readonly path: string; readonly found: string } | null;
  /** The first thing in the tree that the archive does not hold; null when there is none. */
  readonly extra: string | null;
}

/**
 * Compares an unpacked tree with its archive, byte for byte. The archive, whose digest is computed on the way, is the only
 * thing that is believed: there is no list of hashes beside the tree that could be changed together with it.
 */
export const compareWithArchive = async (file: string, root: string, signal: AbortSignal): Promise<TreeComparison> => {
  const walked = await walkOrOddity(root, signal);
  const present = new Map(walked.entries.map((entry) => [entry.path, entry]));
  const differences: { readonly path: string; readonly found: string }[] = [];
  const pool = new Pool(parallelFiles);
  try {
    const digest = await readArchive(
      file,
      async (entry, body) => {
        const found = present.get(entry.path);
        present.delete(entry.path);
        const unlike = walked.oddity === entry.path ? 'is no longer a file' : describeDifference(entry, found);
        if (unlike !== null) {
          differences.push({ path: entry.path, found: unlike });
        } else if (entry.kind === 'file') {
          const compare = async (chunks: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<void> => {
            if (!(await hasContent(join(root, entry.path), chunks))) {
              differences.push({ path: entry.path, found: 'has other content' });
            }
          };
          if (entry.size > smallFileBytes) {
            await compare(body);
          } else {
            const content = await collectBody(body);
            await pool.run(() => compare([content]));
          }
        }
      },
      signal,
    );
    await pool.drain();
    return { digest, changed: differences[0] ?? null, extra: present.keys().next().value ?? walked.oddity };
  } finally {
    await pool.settle();
  }
};

/** What no artifact can hold (a socket, a name that is not UTF-8) is an oddity of the tree, not a failure of the comparison. */
const walkOrOddity = async (
  root: string,
  signal: AbortSignal,
): Promise<{ readonly entries: readonly TreeEntry[]; readonly oddity: string | null }> => {
  const oddities: string[] = [];
  const entries = await walkTree(root, signal, (error) => oddities.push(error.path));
  return { entries, oddity: oddities[0] ?? null };
};

const describeDifference = (expected: TreeEntry, found: TreeEntry | undefined): string | null => {
  if (found === undefined) return 'is missing';
  if (found.kind !== expected.kind) return `is a ${found.kind} instead of a ${expected.kind}`;
  if (expected.kind === 'link' && found.kind === 'link' && found.target !== expected.target) {
    return `points to ${found.target}`;
  }
  if (expected.kind === 'file' && found.kind === 'file') {
    if (found.size !== expected.size) return `has ${found.size} bytes instead of ${expected.size}`;
    if (found.executable !== expected.executable)
      return found.executable ? 'was made executable' : 'is no longer executable';
  }
  return null;
};

const hasContent = async (path: string, chunks: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<boolean> => {
  if (Symbol.iterator in chunks) {
    const [only = Buffer.alloc(0)] = chunks;
    return only.equals(only.byteLength <= syncReadBytes ? readFileSync(path) : await readFile(path));
  }
  const handle = await open(path, 'r');
  try {
    let same = true;
    for await (const chunk of chunks) same = same && (await readExactly(handle, chunk.byteLength)).equals(chunk);
    return same;
  } finally {
    await handle.close();
  }
};

const readExactly = async (handle: FileHandle, length: number): Promise<Buffer> => {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
};

/** Removes a folder and all below it, read-only folders included. Nothing there is fine. */
export const removeTree = async (root: string): Promise<void> => {
  const open = async (folder: string): Promise<void> => {
    await chmod(folder, 0o700);
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) await open(join(folder, entry.name));
    }
  };
  const stats = await lstat(root).catch(absent);
  if (stats?.isDirectory() === true) await open(root);
  await rm(root, { recursive: true, force: true, maxRetries: 3 });
};

const absent = (error: unknown): null => {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
  throw error;
};
