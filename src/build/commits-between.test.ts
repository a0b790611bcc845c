import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commitsBetween } from './commits-between.ts';

const never = new AbortController().signal;

describe('commits between two releases', () => {
  let top: string;
  beforeEach(async () => {
    top = await mkdtemp(join(tmpdir(), 'veza-commits-'));
    git('init', '--quiet', '--initial-branch=main');
    await mkdir(join(top, 'shop/services/web'), { recursive: true });
    await mkdir(join(top, 'shop/services/api'), { recursive: true });
  });
  afterEach(() => rm(top, { recursive: true, force: true }));

  const git = (...args: readonly string[]): string =>
    execFileSync('git', [
      '-C',
      top,
      '-c',
      'user.name=t',
      '-c',
      'user.email=t@localhost',
      '-c',
      'commit.gpgsign=false',
      ...args,
    ])
      .toString()
      .trim();
  async function commit(file: string, subject: string): Promise<string> {
    await writeFile(join(top, 'shop', file), subject);
    git('add', '--all');
    git('commit', '--quiet', '--message', `${subject}\n\nbody`);
    return git('rev-parse', 'HEAD');
  }
  const between = (from: string, to: string) =>
    commitsBetween({ projectDir: join(top, 'shop'), folder: 'services/web', from, to }, never);

  it('are those that touch the source or the declaration, newest first', async () => {
    const from = await commit('services/web/a', 'first');
    await commit('services/web/a', 'second');
    await commit('services/api/a', 'of another service');
    const to = await commit('veza.config.ts', 'declare: more');
    const found = await between(from, to);
    expect(found?.added.map(({ subject }) => subject)).toEqual(['declare: more', 'second']);
    expect(found?.added[0]?.commit).toBe(to);
    expect(found?.removed).toEqual([]);
  });

  it('tell what is taken away when it goes back', async () => {
    const from = await commit('services/web/a', 'first');
    const to = await commit('services/web/a', 'second');
    expect((await between(to, from))?.removed.map(({ subject }) => subject)).toEqual(['second']);
  });

  it('are unknown where the repository does not have them, and nothing else is taken for a commit', async () => {
    const from = await commit('services/web/a', 'first');
    expect(await between(from, '0'.repeat(40))).toBeNull();
    expect(await between('--output=/tmp/x', from)).toBeNull();
    expect(await between('main', from)).toBeNull();
  });

  it('are unknown without a repository', async () => {
    const from = await commit('services/web/a', 'first');
    await rm(join(top, '.git'), { recursive: true });
    expect(await between(from, from)).toBeNull();
  });
});
