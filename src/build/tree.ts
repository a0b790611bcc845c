import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ArchiveEntryError } from '../errors.ts';

/** What a folder holds, as far as an artifact is concerned: no owner, no time, no permission but "may be executed". */
export type TreeEntry =
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'file'; readonly path: string; readonly size: number; readonly executable: boolean }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

/** Orders paths by their UTF-8 bytes: the same on every machine, whatever its locale. */
export const comparePaths = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const decodeName = (bytes: Buffer, inFolder: string): string => {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new ArchiveEntryError(
      join(inFolder, bytes.toString('latin1')),
      'has a name that is not UTF-8',
      'Rename it: such a name does not mean the same on every machine.',
    );
  }
};

/**
 * Everything below `root`, sorted by the bytes of the paths, which are relative to it and have `/` between their parts.
 * Symbolic links are not followed.
 *
 * @param onOddity called for what is neither file, folder nor link, and for names that are not UTF-8, which are then left
 *   out; without it they are thrown as ArchiveEntryError
 */
export const walkTree = async (
  root: string,
  signal: AbortSignal,
  onOddity: (error: ArchiveEntryError) => void = (error) => {
    throw error;
  },
): Promise<readonly TreeEntry[]> => {
  const entries: TreeEntry[] = [];
  const visit = async (folder: string): Promise<void> => {
    signal.throwIfAborted();
    const names = await readdir(join(root, folder), { encoding: 'buffer' });
    const found = await Promise.all(names.map((name) => readEntry(root, folder, name).catch(asOddity)));
    for (const entry of found) {
      if (entry instanceof ArchiveEntryError) {
        onOddity(entry);
        continue;
      }
      entries.push(entry);
      if (entry.kind === 'folder') await visit(entry.path);
    }
  };
  await visit('');
  return entries
    .map((entry) => ({ entry, key: Buffer.from(entry.path) }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
    .map(({ entry }) => entry);
};

const asOddity = (error: unknown): ArchiveEntryError => {
  if (error instanceof ArchiveEntryError) return error;
  throw error;
};

const readEntry = async (root: string, folder: string, bytes: Buffer): Promise<TreeEntry> => {
  const name = decodeName(bytes, folder);
  const path = folder === '' ? name : `${folder}/${name}`;
  const file = join(root, path);
  const stats = await lstat(file);
  if (stats.isDirectory()) return { kind: 'folder', path };
  if (stats.isFile()) return { kind: 'file', path, size: stats.size, executable: (stats.mode & 0o100) !== 0 };
  if (stats.isSymbolicLink()) {
    return { kind: 'link', path, target: decodeName(await readlink(file, { encoding: 'buffer' }), path) };
  }
  throw new ArchiveEntryError(
    path,
    'is a socket, pipe or device; an artifact holds files, folders and links',
    'Let the build remove it, or narrow `build.output`.',
  );
};
