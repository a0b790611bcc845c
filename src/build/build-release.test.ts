import { spawn, spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Environment, Platform, Service } from '../core/spec/platform.ts';
import type { Command, Name } from '../core/units/quantities.ts';
import { BuildDiffersError, BuildFailedError, BuildOutputError, UncommittedChangesError } from '../errors.ts';
import { ArtifactStore } from './artifact-store.ts';
import { type BuildProgress, type BuildRequest, buildRelease, configurationsOf, thisBuilder } from './build-release.ts';
import { Claims } from './claims.ts';
import { hexOf } from './digest.ts';
import type { ReleaseCatalog } from './release-catalog.ts';
import { configurationDigest, releaseIdOf } from './release-identity.ts';
import { openReleaseCatalog } from './sqlite-release-catalog.ts';
import { removeTree } from './unpacked-tree.ts';

const never = new AbortController().signal;
let folder: string;
let project: string;
let workDir: string;
let store: ArtifactStore;
let catalog: ReleaseCatalog;
let progress: BuildProgress[];

// Makes dist/ out of src/, with permissions, times and an order that depend on who runs it.
const buildScript = `
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
console.log('building');
mkdirSync('dist/nested', { recursive: true });
writeFileSync('dist/zz', 'made first');
cpSync('src', 'dist/src', { recursive: true, preserveTimestamps: true });
writeFileSync('dist/nested/env', [process.env.SOURCE_DATE_EPOCH, process.env.CI, new Date(0).getTimezoneOffset()].join(' '));
writeFileSync('dist/run.sh', readFileSync('src/run.sh'), { mode: 0o777 });
`;
const recipe: Service['build'] = { commands: [['node', 'build.mjs']], output: 'dist' };

// The build reads name, source and build; the rest is configuration, which it only carries.
const service = (more: Partial<Service> = {}): Service =>
  ({
    name: 'api',
    source: 'services/api',
    build: recipe,
    run: ['node', 'server.js'],
    environment: {},
    ...more,
  }) as unknown as Service;

const git = (...args: readonly string[]): string => {
  const identity = ['-c', 'user.name=Ana', '-c', 'user.email=ana@example.org'];
  const { status, stdout, stderr } = spawnSync('git', ['-C', project, ...identity, ...args], {
    encoding: 'utf8',
    // All commits in the same second: the build writes SOURCE_DATE_EPOCH into its output.
    env: { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_COMMITTER_DATE: '2024-05-06T07:08:09Z' },
  });
  if (status !== 0) throw new Error(stderr);
  return stdout.trim();
};
const write = async (path: string, content: string): Promise<void> => {
  await mkdir(join(project, path, '..'), { recursive: true });
  await writeFile(join(project, path), content);
};
const commit = (message: string): void => {
  git('add', '--all');
  git('commit', '--quiet', '--allow-empty', '--message', message);
};

const build = (config: BuildRequest['config'] = { production: service() }, more: Partial<BuildRequest> = {}) => {
  progress = [];
  return buildRelease({
    projectDir: project,
    config,
    store,
    catalog,
    claims: new Claims(),
    dirty: false,
    builder: 'ana@laptop',
    now: () => 1_700_000_000_123,
    onProgress: (step) => progress.push(step),
    signal: never,
    workDir,
    ...more,
  });
};
const kinds = (): readonly string[] => progress.map(({ kind }) => kind);
const commandsRun = (): number => progress.filter(({ kind }) => kind === 'command').length;
const nothingLeft = async (): Promise<void> => {
  expect(await readdir(workDir)).toEqual([]);
  expect(await store.list()).toEqual([]);
  expect(await readdir(join(folder, 'artifacts/blobs/sha256'))).toEqual([]);
  expect(await catalog.list(null)).toEqual([]);
};

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'build-test-')));
  project = join(folder, 'project');
  workDir = join(folder, 'work');
  await mkdir(workDir);
  store = await ArtifactStore.open(join(folder, 'artifacts'));
  catalog = openReleaseCatalog(folder);
  await write('.gitignore', 'dist\n');
  await write('services/api/build.mjs', buildScript);
  await write('services/api/src/server.js', 'console.log("hello")');
  await write('services/api/src/run.sh', '#!/bin/sh');
  await write('services/web/index.html', '<p>');
  git('init', '--quiet');
  commit('First version');
});
afterEach(async () => {
  await catalog.close();
  await removeTree(folder);
});

describe('building a release', () => {
  it('puts the output of the recipe into the store, and says what, from where, by whom and when', async () => {
    const config = { staging: service({ instances: 1 }), production: service({ instances: 3 }) };
    const release = await build(config);

    expect(release).toMatchObject({
      service: 'api',
      config,
      configuration: configurationDigest(config),
      commit: git('rev-parse', 'HEAD'),
      subject: 'First version',
      dirty: false,
      builder: 'ana@laptop',
      builtAt: 1_700_000_000_123,
    });
    expect(release.id).toBe(releaseIdOf(release));
    expect(release.id).toMatch(/^rel_[0-9a-f]{20}$/);
    expect(await store.list()).toEqual([{ digest: release.artifact, bytes: release.artifactBytes }]);
    expect(await catalog.get(release.id, null)).toEqual(release);
    const unpacked = await store.unpack(release.artifact, never);
    expect((await readdir(unpacked)).toSorted()).toEqual(['nested', 'run.sh', 'src', 'zz']);
    expect(await readFile(join(unpacked, 'nested/env'), 'utf8')).toBe(`${Date.UTC(2024, 4, 6, 7, 8, 9) / 1000} true 0`);
    expect(kinds()).toEqual(['source', 'command', 'output', 'packed', 'released']);
    expect(await readdir(workDir)).toEqual([]);
    // and the working tree is as it was
    expect(git('status', '--porcelain', '--ignored')).toBe('');
  });

  it('reuses what was built from the same source, and gives back the same release', async () => {
    const first = await build();
    const second = await build(undefined, { now: () => 5, builder: 'bo@server' });
    expect(second).toEqual(first);
    expect(kinds()).toEqual(['source', 'reused', 'released']);
    expect(progress.at(-1)).toMatchObject({ existed: true });
    expect(await catalog.list(null)).toHaveLength(1);
    // also after a commit that does not touch its source
    await write('services/web/index.html', '<h1>');
    commit('Another service');
    expect(await build()).toEqual(first);
    expect(commandsRun()).toBe(0);
  });

  it('makes another release of the same artifact when only the configuration differs', async () => {
    const first = await build();
    const second = await build({ production: service({ environment: { LEVEL: 'debug' } }) });
    expect(second.artifact).toBe(first.artifact);
    expect(second.id).not.toBe(first.id);
    expect(commandsRun()).toBe(0);
    expect(await store.list()).toHaveLength(1);
    expect((await catalog.list('api' as Name)).map(({ release }) => release.id)).toEqual([second.id, first.id]);
  });

  it('builds again when the source or the recipe changed, and makes an old release the newest again when it comes back', async () => {
    const first = await build();
    await write('services/api/src/server.js', 'console.log("changed")');
    commit('Second version');
    const second = await build();
    expect(commandsRun()).toBe(1);
    expect(second.artifact).not.toBe(first.artifact);
    const commands: readonly Command[] = [['node', 'build.mjs'], ['true']];
    const third = await build({ production: service({ build: { ...recipe, commands } }) });
    expect(commandsRun()).toBe(2);
    expect(third.artifact).toBe(second.artifact);
    git('revert', '--no-edit', 'HEAD');
    expect(await build()).toEqual(first);
    expect((await catalog.list(null)).map(({ release }) => release.id)).toEqual([first.id, third.id, second.id]);
  });

  it('builds again when the artifact was changed or is missing, and mends it', async () => {
    const first = await build();
    const blob = join(folder, 'artifacts/blobs/sha256', `${hexOf(first.artifact)}.tar`);
    await chmod(blob, 0o644);
    await writeFile(blob, 'changed');
    expect(await build()).toEqual(first);
    expect(kinds()).toEqual(['source', 'not-reusable', 'command', 'output', 'packed', 'released']);
    await store.verify(first.artifact);
    await rm(blob);
    expect(await build()).toEqual(first);
    await store.verify(first.artifact);
  });

  it('refuses uncommitted changes, or builds them as a dirty release that is never taken for a clean one', async () => {
    await write('services/api/src/server.js', 'console.log("uncommitted")');
    await expect(build()).rejects.toThrow(UncommittedChangesError);
    const dirty = await build(undefined, { dirty: true });
    expect(dirty.dirty).toBe(true);
    const again = await build(undefined, { dirty: true });
    expect(again).toEqual(dirty);
    expect(commandsRun()).toBe(0);
    // The same bytes, committed, are a clean release with an id of its own
    commit('Now committed');
    const clean = await build(undefined, { dirty: true });
    expect(clean.dirty).toBe(false);
    expect(clean.artifact).toBe(dirty.artifact);
    expect(clean.id).not.toBe(dirty.id);
  });

  it('builds without commands, and the whole source as output', async () => {
    const release = await build({ production: service({ build: { commands: [], output: '.' } }) });
    const unpacked = await store.unpack(release.artifact, never);
    expect((await readdir(unpacked)).toSorted()).toEqual(['build.mjs', 'src']);
  });

  it('serves two builds at the same time', async () => {
    const [one, two] = await Promise.all([build(), build()]);
    expect(one).toEqual(two);
    expect(await catalog.list(null)).toHaveLength(1);
    expect(await readdir(workDir)).toEqual([]);
  });
});

describe('a build that fails', () => {
  it.each([
    [
      'a failing command',
      { commands: [['node', '-e', 'console.error("boom"); process.exit(1)']], output: '.' },
      BuildFailedError,
    ],
    ['no output folder', { commands: [], output: 'dist' }, BuildOutputError],
    ['an empty output folder', { commands: [['mkdir', 'dist']], output: 'dist' }, BuildOutputError],
    ['an output that is a file', { commands: [], output: 'build.mjs' }, BuildOutputError],
    ['an output that leads out', { commands: [['ln', '-s', '/usr', 'dist']], output: 'dist' }, BuildOutputError],
  ] as const)('leaves nothing: %s', async (_, failing, error) => {
    await expect(build({ production: service({ build: failing }) })).rejects.toThrow(error);
    await nothingLeft();
  });

  it('says which folders there are when the output is not', async () => {
    const failing = build({ production: service({ build: { ...recipe, output: 'build' } }) });
    await expect(failing).rejects.toMatchObject({ hint: expect.stringContaining('dist, src') as string });
  });

  it('leaves nothing when it is aborted, at any of its steps', async () => {
    const steps = ['source', 'command', 'output', 'packed'] as const;
    for (const at of steps) {
      const abort = new AbortController();
      const waiting = {
        commands: [...recipe.commands, ...(at === 'packed' ? [] : [['sleep', '60'] as Command])],
        output: 'dist',
      };
      const aborted = build(
        { production: service({ build: waiting }) },
        {
          signal: abort.signal,
          onProgress: ({ kind }) => {
            if (kind === at) abort.abort(new Error(`aborted at ${at}`));
          },
        },
      );
      await expect(aborted).rejects.toThrow(`aborted at ${at}`);
      expect(await readdir(workDir)).toEqual([]);
      expect(await catalog.list(null)).toEqual([]);
      // An artifact that was complete may stay; without a release, the next collection takes it.
      expect(await store.list()).toHaveLength(at === 'packed' ? 1 : 0);
    }
  });

  it('refuses environments that build the same service differently', async () => {
    const other = service({ build: { ...recipe, output: 'other' } });
    await expect(build({ staging: service(), production: other })).rejects.toThrow(BuildDiffersError);
  });

  it('removes the folders that killed builds left', async () => {
    await mkdir(join(workDir, 'veza-build-4194304-1-0123456789ab', 'source'), { recursive: true });
    await mkdir(join(workDir, 'veza-build-something-else'));
    await build();
    expect(await readdir(workDir)).toEqual(['veza-build-something-else']);
  });
});

describe('another machine', () => {
  it('gives the same artifact, the same source and the same release, built from its own clone', async () => {
    const program = `
      process.umask(Number(process.argv[1]));
      const [, , root, config, base] = process.argv;
      const { ArtifactStore } = await import(base + 'artifact-store.ts');
      const { buildRelease } = await import(base + 'build-release.ts');
      const { Claims } = await import(base + 'claims.ts');
      const { openReleaseCatalog } = await import(base + 'sqlite-release-catalog.ts');
      const release = await buildRelease({
        projectDir: root + '/clone', config: JSON.parse(config), store: await ArtifactStore.open(root + '/artifacts'),
        catalog: openReleaseCatalog(root), claims: new Claims(), dirty: false, builder: 'x@y', now: Date.now,
        onProgress: () => {}, signal: new AbortController().signal, workDir: root + '/tmp',
      });
      process.stdout.write(JSON.stringify([release.id, release.artifact, release.source, release.commit]));`;
    const machines = [
      { umask: 0o022, env: { TZ: 'UTC', LANG: 'C', HOME: '/root', USER: 'root' } },
      {
        umask: 0o077,
        env: {
          TZ: 'Pacific/Auckland',
          LC_ALL: 'sv_SE.UTF-8',
          HOME: '/nonexistent',
          USER: 'anna',
          NODE_ENV: 'production',
        },
      },
      { umask: 0o002, env: { TZ: 'America/Lima', LANG: 'tr_TR.UTF-8', HOME: '/tmp', DEBUG: '1' } },
    ];
    const answers = await Promise.all(
      machines.map(async ({ umask, env }, index) => {
        const root = join(folder, `${'machine '.repeat(index + 1)}${index}`);
        await mkdir(root);
        git('clone', '--quiet', project, join(root, 'clone'));
        const args = [
          String(umask),
          root,
          JSON.stringify({ production: service() }),
          new URL('.', import.meta.url).href,
        ];
        const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '--eval', program, ...args], {
          env: { PATH: process.env['PATH'], ...env },
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        const output: Buffer[] = [];
        child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
        const { promise, resolve } = Promise.withResolvers<number | null>();
        child.once('close', resolve);
        expect(await promise).toBe(0);
        return Buffer.concat(output).toString();
      }),
    );
    const here = await build();
    for (const answer of answers)
      expect(JSON.parse(answer)).toEqual([here.id, here.artifact, here.source, here.commit]);
  });
});

describe('what a release is made of', () => {
  it('is the service as each environment that has it runs it', () => {
    const environment = (services: Readonly<Record<string, Service>>): Environment =>
      ({ services }) as unknown as Environment;
    const staging = service({ instances: 1 });
    const platform: Platform = {
      images: { vulnerabilities: { refuseFrom: 'high', refuseUnchecked: false }, exceptions: [] },
      name: 'veza' as Name,
      environments: { development: environment({}), staging: environment({ api: staging, web: service() }) },
    };
    expect(configurationsOf(platform, 'api' as Name)).toEqual({ staging });
  });

  it('has a builder', () => {
    expect(thisBuilder()).toMatch(/^.+@.+$/);
  });
});
