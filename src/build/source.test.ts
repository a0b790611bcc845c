import { spawnSync } from 'node:child_process';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  realpath,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  GitMissingError,
  NoCommittedSourceError,
  SourceEntryError,
  SourceFolderError,
  UncommittedChangesError,
} from '../errors.ts';
import { copySource, findSource, fingerprintFolder } from './source.ts';
import { walkTree } from './tree.ts';

const never = new AbortController().signal;
let folder: string;
let repository: string;

const git = (...args: readonly string[]): string => {
  const { status, stdout, stderr } = spawnSync('git', ['-C', repository, ...args], {
    encoding: 'utf8',
    env: {
      ...process.env,
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_AUTHOR_NAME: 'Ana',
      GIT_AUTHOR_EMAIL: 'ana@example.org',
      GIT_COMMITTER_NAME: 'Ana',
      GIT_COMMITTER_EMAIL: 'ana@example.org',
      GIT_COMMITTER_DATE: '2024-05-06T07:08:09Z',
    },
  });
  if (status !== 0) throw new Error(stderr);
  return stdout;
};

const write = async (path: string, content: string): Promise<void> => {
  const file = join(repository, path);
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(file, content);
};

const commit = (message: string): void => {
  git('add', '--all');
  git('commit', '--quiet', '--allow-empty', '--message', message);
};

const find = (source: string, dirty = false, projectDir = repository) =>
  findSource({ projectDir, folder: source, service: 'api', dirty }, never);

const copied = async (source: string, dirty = false, projectDir = repository): Promise<string> => {
  const into = await mkdtemp(join(folder, 'copy-'));
  await copySource(await find(source, dirty, projectDir), into, never);
  return into;
};

const paths = async (root: string): Promise<readonly string[]> =>
  (await walkTree(root, never)).filter(({ kind }) => kind !== 'folder').map(({ path }) => path);

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'source-test-')));
  repository = join(folder, 'a repository');
  await mkdir(repository);
  git('init', '--quiet', '--initial-branch=main');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

describe('the source of a service', () => {
  it('is what is committed below its folder, and nothing else', async () => {
    await write('.gitignore', 'node_modules\n*.log\n');
    await write('services/api/main.js', 'committed');
    await write('services/api/grüße 世界 "quoted"\ttab.txt', 'odd name');
    await write('services/api/-begins-with-a-dash', 'x');
    await write('services/web/main.js', 'another service');
    await write('services/api-other/main.js', 'a name that only begins the same');
    commit('First\n\nwith a body');
    await write('services/api/node_modules/left-pad/index.js', 'ignored');
    await write('services/api/debug.log', 'ignored');

    const source = await find('services/api');
    const copy = await copied('./services/api/');

    expect(await paths(copy)).toEqual(['-begins-with-a-dash', 'grüße 世界 "quoted"\ttab.txt', 'main.js']);
    expect(await readFile(join(copy, 'main.js'), 'utf8')).toBe('committed');
    expect(source).toMatchObject({
      path: 'services/api',
      commit: git('rev-parse', 'HEAD').trim(),
      subject: 'First',
      committedAtSeconds: Date.UTC(2024, 4, 6, 7, 8, 9) / 1000,
      changes: [],
    });
  });

  it('can be the whole repository, and can lie below a project that lies below the repository', async () => {
    await write('deep/project/veza.config.ts', '');
    await write('deep/project/svc/a', '1');
    await write('b', '2');
    commit('x');
    expect(await paths(await copied('.'))).toEqual(['b', 'deep/project/svc/a', 'deep/project/veza.config.ts']);
    expect(await paths(await copied('svc', false, join(repository, 'deep/project')))).toEqual(['a']);
    expect(await paths(await copied('..', false, join(repository, 'deep/project')))).toEqual([
      'project/svc/a',
      'project/veza.config.ts',
    ]);
  });

  it('keeps links and executable bits, whatever the umask, and takes the time of the commit', async () => {
    await write('s/run', '#!/bin/sh');
    await chmod(join(repository, 's/run'), 0o755);
    await write('s/dir/data', 'x');
    await symlink('../run', join(repository, 's/dir/link'));
    commit('x');
    const before = process.umask(0o077);
    const copy = await copied('s').finally(() => process.umask(before));

    expect(await readlink(join(copy, 'dir/link'))).toBe('../run');
    expect((await lstat(join(copy, 'run'))).mode & 0o777).toBe(0o755);
    expect((await lstat(join(copy, 'dir/data'))).mode & 0o777).toBe(0o644);
    expect((await lstat(join(copy, 'dir'))).mode & 0o777).toBe(0o755);
    for (const path of ['run', 'dir/data', 'dir', '.']) {
      expect((await lstat(join(copy, path))).mtime.toISOString(), path).toBe('2024-05-06T07:08:09.000Z');
    }
  });

  it('is not changed by .gitattributes: no export-ignore, no export-subst, no line endings, no filters', async () => {
    await write(
      's/.gitattributes',
      'secret export-ignore\nversion export-subst\n*.txt text eol=crlf\n*.up filter=up\n',
    );
    await write('s/secret', 'kept');
    await write('s/version', '$Format:%H$');
    await write('s/lines.txt', 'a\nb\n');
    await write('s/some.up', 'text');
    commit('x');
    git('config', 'filter.up.smudge', 'tr a-z A-Z');
    git('config', 'core.autocrlf', 'true');
    const copy = await copied('s');
    expect(await paths(copy)).toEqual(['.gitattributes', 'lines.txt', 'secret', 'some.up', 'version']);
    expect(await readFile(join(copy, 'version'), 'utf8')).toBe('$Format:%H$');
    expect(await readFile(join(copy, 'lines.txt'), 'utf8')).toBe('a\nb\n');
    expect(await readFile(join(copy, 'some.up'), 'utf8')).toBe('text');
  });

  it('copies large and empty files exactly', async () => {
    const large = Buffer.alloc(3_000_000, 'x\ny');
    await writeFile(join(repository, 'large'), large);
    await write('empty', '');
    commit('x');
    const copy = await copied('.');
    expect(large.equals(await readFile(join(copy, 'large')))).toBe(true);
    expect((await lstat(join(copy, 'empty'))).size).toBe(0);
  });

  it('is found in another worktree, and when git runs us from a hook', async () => {
    await write('s/a', '1');
    commit('x');
    git('worktree', 'add', '--quiet', join(folder, 'other tree'), '-b', 'other');
    await writeFile(join(folder, 'other tree/s/a'), '2');
    spawnSync('git', [
      '-C',
      join(folder, 'other tree'),
      '-c',
      'user.name=A',
      '-c',
      'user.email=a@b',
      'commit',
      '-qam',
      'two',
    ]);
    expect(await readFile(join(await copied('s', false, join(folder, 'other tree')), 'a'), 'utf8')).toBe('2');

    // As git sets them for hooks; taken at their word they would name another repository
    vi.stubEnv('GIT_DIR', join(folder, 'nowhere'));
    vi.stubEnv('GIT_INDEX_FILE', join(folder, 'no-index'));
    vi.stubEnv('GIT_WORK_TREE', folder);
    expect(await readFile(join(await copied('s'), 'a'), 'utf8')).toBe('1');
  });
});

describe('uncommitted changes', () => {
  beforeEach(async () => {
    await write('.gitignore', 'ignored\n');
    await write('s/changed', 'before');
    await write('s/deleted', 'x');
    await write('s/same', 'same');
    await write('other/file', 'x');
    commit('x');
  });

  it('elsewhere do not matter', async () => {
    await write('other/file', 'changed');
    await write('s/ignored', 'ignored');
    expect((await find('s')).changes).toEqual([]);
  });

  it('are refused, naming the files and both ways out', async () => {
    await write('s/changed', 'after');
    await rm(join(repository, 's/deleted'));
    await write('s/new file', 'new');
    await write('s/staged', 'staged');
    git('add', 's/staged');
    const refusal = await find('s').catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(UncommittedChangesError);
    expect(refusal).toMatchObject({ files: ['s/changed', 's/deleted', 's/new file', 's/staged'], exitStatus: 4 });
    expect((refusal as UncommittedChangesError).message).toContain('s/new file');
    expect((refusal as UncommittedChangesError).hint).toMatch(/commit.*--dirty/);
  });

  it('of the declaration count too: it is part of the release', async () => {
    await write('veza.config.ts', 'export default {};');
    commit('declare');
    expect((await find('s')).changes).toEqual([]);
    await write('veza.config.ts', 'export default { name: "other" };');
    await expect(find('s')).rejects.toThrow(/veza\.config\.ts/);
    expect((await find('s', true)).changes).toEqual(['veza.config.ts']);
  });

  it('are part of a dirty build, what git ignores is not', async () => {
    await write('s/changed', 'after');
    await rm(join(repository, 's/deleted'));
    await write('s/new dir/new', 'new');
    await symlink('same', join(repository, 's/link'));
    await chmod(join(repository, 's/same'), 0o755);
    await write('s/ignored', 'ignored');
    const copy = await copied('s', true);
    expect(await paths(copy)).toEqual(['changed', 'link', 'new dir/new', 'same']);
    expect(await readFile(join(copy, 'changed'), 'utf8')).toBe('after');
    expect((await lstat(join(copy, 'same'))).mode & 0o777).toBe(0o755);
    // and the same content has the same fingerprint, another content another
    const fingerprint = await fingerprintFolder(copy, never);
    expect(await fingerprintFolder(await copied('s', true), never)).toBe(fingerprint);
    await write('s/changed', 'once more');
    expect(await fingerprintFolder(await copied('s', true), never)).not.toBe(fingerprint);
  });

  it('are found whatever the user has configured for `git status`', async () => {
    git('config', 'status.showUntrackedFiles', 'no');
    git('config', 'status.renames', 'copies');
    await write('s/new', 'x');
    git('mv', 's/same', 's/renamed');
    await expect(find('s')).rejects.toMatchObject({ files: ['s/new', 's/renamed', 's/same'] });
  });

  it('may be the whole source folder: refused, or built dirty', async () => {
    await write('fresh/a', '1');
    await expect(find('fresh')).rejects.toThrow(/is not committed/);
    expect(await paths(await copied('fresh', true))).toEqual(['a']);
  });
});

describe('a source that cannot be built', () => {
  it('says that there is no repository, no commit, no folder, no git', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'no-repository-'));
    await expect(find('.', false, outside)).rejects.toThrow(NoCommittedSourceError);
    await expect(find('.', false, outside)).rejects.toMatchObject({
      hint: expect.stringContaining('git init') as string,
    });
    await rm(outside, { recursive: true });
    await write('s/a', '1');
    await expect(find('s')).rejects.toThrow(/has no commit yet/);
    commit('x');
    await expect(find('typo')).rejects.toThrow(/typo does not exist in the last commit/);
    await expect(find('s/a')).rejects.toThrow(/is not a folder/);
    await expect(find('../elsewhere')).rejects.toThrow(SourceFolderError);
    vi.stubEnv('PATH', folder);
    await expect(find('s')).rejects.toThrow(GitMissingError);
  });

  it('names submodules and Git LFS pointers', async () => {
    await write('s/a', '1');
    commit('x');
    git('-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', repository, 's/sub');
    commit('with a submodule');
    await expect(copied('s')).rejects.toThrow(/s\/sub in the source is a git repository of its own/);
    await expect(find('s/sub')).rejects.toThrow(/is a git submodule/);
    git('rm', '--quiet', '-f', 's/sub');
    await write('s/big.bin', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n');
    commit('with a pointer');
    await expect(copied('s')).rejects.toThrow(SourceEntryError);
  });

  it('stops when it is aborted', async () => {
    await write('s/a', '1');
    commit('x');
    const source = await find('s');
    const into = join(folder, 'aborted');
    await expect(copySource(source, into, AbortSignal.abort())).rejects.toThrow(/abort/i);
    expect(await readdir(into)).toEqual([]);
  });
});
