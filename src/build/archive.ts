import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { extract, type Header, pack, type Pack } from 'tar-stream';
import type { Digest } from '../core/units/quantities.ts';
import { ArchiveEntryError } from '../errors.ts';
import { asDigest } from './digest.ts';
import { resolveInside } from './links.ts';
import { comparePaths, type TreeEntry, walkTree } from './tree.ts';

// A deterministic tar (POSIX.1-2001 pax, as tar-stream writes it): entries sorted by the bytes of their paths, times and
// owners 0, modes 0644 or 0755. What it holds depends on names, contents, links and executable bits, and on nothing else:
// not on the umask, the clock, the locale, the order of a folder, or where the folder is.
// https://reproducible-builds.org/docs/archives/

/** Files up to this size are read as a whole; larger ones are streamed. */
export const smallFileBytes = 1024 * 1024;
const writeBytes = 256 * 1024;

export interface PackedArchive {
  /** sha256 of the uncompressed tar. */
  readonly digest: Digest;
  readonly bytes: number;
  readonly entries: number;
}

/**
 * Packs everything below `root`, handing the tar to `write` piece by piece.
 *
 * @throws ArchiveEntryError for links that leave the folder, devices, sockets, pipes, and names that are not UTF-8
 */
export const packFolder = async (
  root: string,
  write: (chunk: Buffer) => Promise<void>,
  signal: AbortSignal,
): Promise<PackedArchive> => {
  const entries = await walkTree(root, signal);
  refuseEscapingLinks(entries);
  const tar = pack();
  const feeding = feed(tar, root, entries, signal).catch((error: unknown) => {
    tar.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  const hash = createHash('sha256');
  let bytes = 0;
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  const flush = async (): Promise<void> => {
    const chunk = Buffer.concat(pending);
    pending = [];
    pendingBytes = 0;
    hash.update(chunk);
    await write(chunk);
  };
  try {
    for await (const chunk of tar as AsyncIterable<Buffer>) {
      bytes += chunk.byteLength;
      pending.push(chunk);
      pendingBytes += chunk.byteLength;
      if (pendingBytes >= writeBytes) await flush();
    }
    if (pendingBytes > 0) await flush();
  } finally {
    tar.destroy();
    await feeding;
  }
  return { digest: asDigest(hash.digest('hex')), bytes, entries: entries.length };
};

const refuseEscapingLinks = (entries: readonly TreeEntry[]): void => {
  const links = new Map(
    entries.flatMap((entry) => (entry.kind === 'link' ? [[entry.path, entry.target] as const] : [])),
  );
  for (const [path, target] of links) {
    if (resolveInside(path, links) === null) {
      throw new ArchiveEntryError(
        path,
        `is a symbolic link to ${target}, which does not stay inside the artifact`,
        'Let the build copy what it points to, or make the link relative to a place inside `build.output`.',
      );
    }
  }
};

const feed = async (tar: Pack, root: string, entries: readonly TreeEntry[], signal: AbortSignal): Promise<void> => {
  for (const entry of entries) {
    signal.throwIfAborted();
    if (entry.kind === 'file' && entry.size > smallFileBytes) await feedLarge(tar, root, entry);
    else await feedWhole(tar, await headerAndBody(root, entry));
  }
  tar.finalize();
};

type NewHeader = Partial<Header> & Pick<Header, 'name'>;

const epoch = new Date(0);
const header = (entry: TreeEntry): NewHeader => {
  const common = { name: entry.path, mtime: epoch, uid: 0, gid: 0 };
  switch (entry.kind) {
    case 'folder':
      return { ...common, type: 'directory', mode: 0o755 };
    case 'link':
      return { ...common, type: 'symlink', mode: 0o777, linkname: entry.target };
    case 'file':
      return { ...common, type: 'file', mode: entry.executable ? 0o755 : 0o644, size: entry.size };
  }
};

const headerAndBody = async (root: string, entry: TreeEntry): Promise<readonly [NewHeader, Buffer | null]> => {
  if (entry.kind !== 'file') return [header(entry), null];
  const body = await readFile(join(root, entry.path));
  if (body.byteLength !== entry.size) throw changedMeanwhile(entry.path);
  return [header(entry), body];
};

const feedWhole = (tar: Pack, [head, body]: readonly [NewHeader, Buffer | null]): Promise<void> => {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const done = (error?: Error | null): void => {
    if (error instanceof Error) reject(error);
    else resolve();
  };
  if (body === null) tar.entry(head, done);
  else tar.entry(head, body, done);
  return promise;
};

const feedLarge = async (tar: Pack, root: string, entry: TreeEntry & { kind: 'file' }): Promise<void> => {
  const sink = tar.entry(header(entry));
  let read = 0;
  await pipeline(
    createReadStream(join(root, entry.path), { highWaterMark: writeBytes }),
    async function* check(chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        read += chunk.byteLength;
        if (read > entry.size) throw changedMeanwhile(entry.path);
        yield chunk;
      }
      if (read !== entry.size) throw changedMeanwhile(entry.path);
    },
    sink,
  );
};

const changedMeanwhile = (path: string): ArchiveEntryError =>
  new ArchiveEntryError(
    path,
    'changed while it was packed',
    'Something started by the build still writes to it: let the build wait for it.',
  );

/** Called for each entry in turn; the body of a file must be read to its end. */
export type ArchiveVisitor = (entry: TreeEntry, body: AsyncIterable<Buffer>) => Promise<void>;

/**
 * Reads an archive that `packFolder` wrote and hands each entry to `visit`. Entries that such an archive cannot hold
 * (absolute paths, `..`, duplicates, devices, hard links, a parent that is no folder, links that leave it) are refused
 * before `visit` sees them, except that links can only be judged together: `visit` sees a link before it is known to stay
 * inside, so it must not follow it nor create it before this function has returned.
 *
 * @returns the digest of the bytes that were read
 * @throws ArchiveEntryError for what no artifact may hold
 */
export const readArchive = async (file: string, visit: ArchiveVisitor, signal: AbortSignal): Promise<Digest> => {
  const hash = createHash('sha256');
  const seen: TreeEntry[] = [];
  const folders = new Set<string>(['']);
  const accept = (head: Header): TreeEntry => {
    const entry = entryOf(head);
    const previous = seen.at(-1);
    const parent = entry.path.slice(0, Math.max(0, entry.path.lastIndexOf('/')));
    if (!folders.has(parent)) throw notOurs(entry.path, 'lies in a folder that is not part of the archive');
    if (previous !== undefined && comparePaths(previous.path, entry.path) >= 0)
      throw notOurs(entry.path, 'is out of order');
    if (entry.kind === 'folder') folders.add(entry.path);
    seen.push(entry);
    return entry;
  };
  const untar = extract();
  const onEntry = async (head: Header, body: AsyncIterable<Buffer>, next: (error?: Error) => void): Promise<void> => {
    try {
      signal.throwIfAborted();
      await visit(accept(head), body);
      next();
    } catch (error) {
      next(error instanceof Error ? error : new Error(String(error)));
    }
  };
  untar.on('entry', (head, body, next) => {
    // An error of the archive is emitted by the body as well, where nobody may be listening.
    body.on('error', () => undefined);
    void onEntry(head, body as AsyncIterable<Buffer>, next);
  });
  await pipeline(
    createReadStream(file, { highWaterMark: writeBytes, signal }),
    async function* hashing(chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        yield chunk;
      }
    },
    untar,
  );
  refuseEscapingLinks(seen);
  return asDigest(hash.digest('hex'));
};

const notOurs = (path: string, why: string): ArchiveEntryError =>
  new ArchiveEntryError(
    path,
    `in the archive ${why}`,
    'The archive was not made by this program: build the release again.',
  );

const entryOf = (head: Header): TreeEntry => {
  const path = head.name;
  if (path.includes('\0') || path.split('/').some((part) => part === '' || part === '.' || part === '..')) {
    throw notOurs(path, 'has a path that could lead out of it');
  }
  switch (head.type) {
    case 'directory':
      return { kind: 'folder', path };
    case 'symlink':
      // null when it is empty, whatever the types say.
      return { kind: 'link', path, target: head.linkname || '' };
    case 'file':
      return { kind: 'file', path, size: head.size, executable: (head.mode & 0o100) !== 0 };
    default:
      throw notOurs(path, `is of the kind ${head.type}`);
  }
};

/** The whole body of a small file. */
export const collectBody = async (body: AsyncIterable<Buffer>): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
};
