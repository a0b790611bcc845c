import { createHash } from 'node:crypto';
import { chmod, copyFile, lstat, mkdir, open, readFile, readlink, realpath, symlink, utimes } from 'node:fs/promises';
import { dirname, join, posix, relative, sep } from 'node:path';
import { NoCommittedSourceError, SourceEntryError, SourceFolderError, UncommittedChangesError } from '../errors.ts';
import { collectBody } from './archive.ts';
import { askGit, git, literalPath, readBlobs } from './git.ts';
import { comparePaths, walkTree } from './tree.ts';

/** The source of a service, found in its repository; nothing is copied yet. */
export interface Source {
  /** Top folder of the repository (of this worktree). */
  readonly repository: string;
  /** The source folder, relative to it, with `/`; empty when it is the top folder itself. */
  readonly path: string;
  readonly commit: string;
  /** First line of the commit's message. */
  readonly subject: string;
  /** Time of the commit in seconds since 1970, UTC. */
  readonly committedAtSeconds: number;
  /** The id git gives to the content of the source folder in that commit. */
  readonly tree: string;
  /** Files of the source folder, and the declaration, that are not as committed, relative to the repository; empty when building clean. */
  readonly changes: readonly string[];
}

/**
 * Finds the committed source of a service.
 *
 * @param projectDir folder of `veza.config.ts`
 * @param folder the service's source, relative to it
 * @param dirty accept uncommitted changes; they are then part of what `copySource` copies
 * @throws NoCommittedSourceError, SourceFolderError, UncommittedChangesError, GitMissingError, GitFailedError
 */
export const findSource = async (
  request: { readonly projectDir: string; readonly folder: string; readonly service: string; readonly dirty: boolean },
  signal: AbortSignal,
): Promise<Source> => {
  const projectDir = await realpath(request.projectDir);
  const repository = await topOf(projectDir, signal);
  const path = posix.normalize(posix.join(slashes(relative(repository, projectDir)), slashes(request.folder)));
  const inside = path === '.' ? '' : path.replace(/\/$/, '');
  const shown = join(projectDir, request.folder);
  if (inside === '..' || inside.startsWith('../') || inside.startsWith('/')) {
    throw new SourceFolderError(
      shown,
      `is outside the git repository ${repository}`,
      'A service is built from the repository of its platform: move the source there.',
    );
  }
  const head = await askGit(repository, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'], signal);
  if (head.status !== 0) throw new NoCommittedSourceError(projectDir, 'no-commits');
  const commit = head.stdout.toString().trim();
  const inFolder = await changesBelow(repository, inside, signal);
  const tree = await treeOf(repository, commit, inside, shown, signal);
  if (tree === null && !request.dirty) throw notCommitted(shown, inFolder.length > 0);
  // The declaration is part of a release, so it has to be committed as well.
  const declaration = posix.join(slashes(relative(repository, projectDir)), 'veza.config.ts');
  const inDeclaration = await changesBelow(repository, declaration, signal);
  const changes = [...new Set([...inFolder, ...inDeclaration])].sort(comparePaths);
  if (changes.length > 0 && !request.dirty) throw new UncommittedChangesError(request.service, changes);
  const [seconds = '', subject = ''] = (
    await git(repository, ['show', '--no-patch', '--encoding=UTF-8', '--format=%ct%x00%s', commit], signal)
  )
    .toString()
    .trimEnd()
    .split('\0');
  if (tree === null && inFolder.length === 0) throw notCommitted(shown, false);
  return { repository, path: inside, commit, subject, committedAtSeconds: Number(seconds), tree: tree ?? '', changes };
};

const slashes = (path: string): string => path.split(sep).join('/');

const topOf = async (folder: string, signal: AbortSignal): Promise<string> => {
  const { status, stdout, stderr } = await askGit(folder, ['rev-parse', '--show-toplevel'], signal);
  if (status === 0) return realpath(stdout.toString().replace(/\r?\n$/, ''));
  if (stderr.includes('not a git repository') || stderr.includes('must be run in a work tree')) {
    throw new NoCommittedSourceError(folder, 'no-repository');
  }
  // Somebody else's folder ("dubious ownership"), a damaged repository: git says best what is wrong and what to do.
  await git(folder, ['rev-parse', '--show-toplevel'], signal);
  return folder;
};

const notCommitted = (folder: string, exists: boolean): SourceFolderError =>
  exists
    ? new SourceFolderError(
        folder,
        'is not committed',
        'Commit it (`git add` and `git commit`), or build what is there with `--dirty`.',
      )
    : new SourceFolderError(
        folder,
        'does not exist in the last commit',
        'Correct `source` of the service; it is relative to the folder of veza.config.ts. Folders that git ignores cannot be built from.',
      );

const changesBelow = async (repository: string, path: string, signal: AbortSignal): Promise<readonly string[]> => {
  const args = [
    'status',
    '--porcelain=v1',
    '-z',
    '--untracked-files=all',
    '--no-renames',
    '--ignore-submodules=none',
    '--',
    literalPath(path),
  ];
  const records = (await git(repository, args, signal)).toString().split('\0');
  return records
    .filter((record) => record !== '')
    .map((record) => record.slice(3))
    .sort(comparePaths);
};

const treeOf = async (
  repository: string,
  commit: string,
  path: string,
  shown: string,
  signal: AbortSignal,
): Promise<string | null> => {
  const name = path === '' ? `${commit}^{tree}` : `${commit}:${path}`;
  const { status, stdout } = await askGit(repository, ['rev-parse', '--verify', '--quiet', name], signal);
  if (status !== 0) return null;
  const id = stdout.toString().trim();
  const kind = await askGit(repository, ['cat-file', '-t', id], signal);
  // The commit of a submodule is seldom in this repository, so its kind is unknown here.
  const found = kind.stdout.toString().trim();
  if (kind.status !== 0 || found === 'commit')
    throw new SourceFolderError(shown, 'is a git submodule', 'Put the source into the repository of veza.config.ts.');
  if (found !== 'tree')
    throw new SourceFolderError(
      shown,
      'is not a folder',
      'Set `source` of the service to the folder itself; symbolic links are not followed.',
    );
  return id;
};

/**
 * Copies the source into a folder: what is committed when there are no uncommitted changes, otherwise the working tree
 * without what git ignores. Permissions and times are the same on every machine: 0644 or 0755, and the time of the commit.
 *
 * @throws SourceEntryError for submodules, Git LFS pointers and whatever is not a file or link
 */
export const copySource = async (source: Source, into: string, signal: AbortSignal): Promise<void> => {
  const copy = new CleanCopy(into, source.committedAtSeconds);
  await copy.folder('.');
  if (source.changes.length === 0) await copyCommitted(source, copy, signal);
  else await copyWorkingTree(source, copy, signal);
  await copy.finish();
};

/** A text that is the same for the same content of a folder, whatever the machine: kind, path and sha256 of each entry. */
export const fingerprintFolder = async (root: string, signal: AbortSignal): Promise<string> => {
  const hash = createHash('sha256');
  for (const entry of await walkTree(root, signal)) {
    const content =
      entry.kind === 'file'
        ? createHash('sha256')
            .update(await readFile(join(root, entry.path)))
            .digest('hex')
        : entry.kind === 'link'
          ? entry.target
          : '';
    hash.update(JSON.stringify([entry.kind, entry.path, entry.kind === 'file' && entry.executable, content]));
  }
  return hash.digest('hex');
};

const submodule = (path: string): SourceEntryError =>
  new SourceEntryError(
    path,
    'a git repository of its own (a submodule)',
    'A release is built from one repository: copy its files in (for example with `git subtree`), or let the build recipe fetch a fixed version.',
  );

const copyCommitted = async (source: Source, copy: CleanCopy, signal: AbortSignal): Promise<void> => {
  const listing = (
    await git(source.repository, ['ls-tree', '-r', '-z', '--full-tree', source.tree], signal)
  ).toString();
  const entries = listing
    .split('\0')
    .filter((line) => line !== '')
    .map(parseTreeLine);
  for (const { mode, path } of entries) if (mode === '160000') throw submodule(join(source.path, path));
  let index = 0;
  await readBlobs(
    source.repository,
    entries.map(({ id }) => id),
    async (_, content) => {
      const entry = entries[index];
      index += 1;
      if (entry === undefined) throw new Error('git answered more than it was asked');
      if (entry.mode === '120000') await copy.link(entry.path, (await collectBody(content)).toString());
      else await copy.file(entry.path, content, entry.mode === '100755', join(source.path, entry.path));
    },
    signal,
  );
};

const parseTreeLine = (line: string): { readonly mode: string; readonly id: string; readonly path: string } => {
  const [, mode, id, path] = /^(\d{6}) [a-z]+ ([0-9a-f]+)\t(.*)$/s.exec(line) ?? [];
  if (mode === undefined || id === undefined || path === undefined)
    throw new Error(`not a line of git ls-tree: ${line}`);
  return { mode, id, path: safePath(path) };
};

// git itself refuses to make such trees, but not to read them.
const safePath = (path: string): string => {
  if (path.split('/').some((part) => part === '' || part === '.' || part === '..' || part.toLowerCase() === '.git')) {
    throw new SourceEntryError(
      path,
      'a path that could lead out of the source',
      'The repository is damaged or malicious: run `git fsck`.',
    );
  }
  return path;
};

const copyWorkingTree = async (source: Source, copy: CleanCopy, signal: AbortSignal): Promise<void> => {
  const args = [
    'ls-files',
    '-z',
    '--cached',
    '--others',
    '--exclude-standard',
    '--full-name',
    '--',
    literalPath(source.path),
  ];
  const listed = (await git(source.repository, args, signal))
    .toString()
    .split('\0')
    .filter((line) => line !== '');
  for (const full of new Set(listed)) {
    signal.throwIfAborted();
    if (full.endsWith('/')) throw submodule(full);
    const from = join(source.repository, full);
    const path = safePath(source.path === '' ? full : full.slice(source.path.length + 1));
    const stats = await lstat(from).catch(goneMeanwhile);
    if (stats === null) continue;
    if (stats.isSymbolicLink()) await copy.link(path, await readlink(from));
    else if (stats.isFile()) await copy.existing(path, from, (stats.mode & 0o100) !== 0);
    else if (stats.isDirectory()) throw submodule(full);
    else throw new SourceEntryError(full, 'neither a file nor a link', 'Remove it, or let git ignore it.');
  }
};

// A tracked file that is deleted in the working tree is still listed.
const goneMeanwhile = (error: unknown): null => {
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return null;
  throw error;
};

const lfsPointer = Buffer.from('version https://git-lfs.github.com/spec/v1\n');

class CleanCopy {
  readonly #root: string;
  readonly #timeSeconds: number;
  readonly #folders = new Set<string>();

  constructor(root: string, timeSeconds: number) {
    this.#root = root;
    this.#timeSeconds = timeSeconds;
  }

  async folder(path: string): Promise<void> {
    if (this.#folders.has(path)) return;
    if (path !== '.') await this.folder(dirname(path));
    await mkdir(join(this.#root, path), { recursive: true });
    await chmod(join(this.#root, path), 0o755);
    this.#folders.add(path);
  }

  async file(path: string, content: AsyncIterable<Buffer>, executable: boolean, shown: string): Promise<void> {
    await this.folder(dirname(path));
    const handle = await open(join(this.#root, path), 'wx');
    try {
      let first = true;
      for await (const chunk of content) {
        if (first && chunk.subarray(0, lfsPointer.byteLength).equals(lfsPointer)) {
          throw new SourceEntryError(
            shown,
            'a Git LFS pointer; its content is not in the repository',
            'Commit the file itself (`git lfs migrate export`), or let the build recipe fetch it.',
          );
        }
        first = false;
        await handle.appendFile(chunk);
      }
      // After it is made, because the umask of whoever builds must not show.
      await handle.chmod(executable ? 0o755 : 0o644);
      await handle.utimes(this.#timeSeconds, this.#timeSeconds);
    } finally {
      await handle.close();
    }
  }

  async existing(path: string, from: string, executable: boolean): Promise<void> {
    await this.folder(dirname(path));
    const to = join(this.#root, path);
    await copyFile(from, to);
    await chmod(to, executable ? 0o755 : 0o644);
    await utimes(to, this.#timeSeconds, this.#timeSeconds);
  }

  async link(path: string, target: string): Promise<void> {
    await this.folder(dirname(path));
    await symlink(target, join(this.#root, path));
  }

  /** Times of folders change with every file made in them, so they come last. */
  async finish(): Promise<void> {
    for (const folder of this.#folders) await utimes(join(this.#root, folder), this.#timeSeconds, this.#timeSeconds);
  }
}
