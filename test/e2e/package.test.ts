import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../src/system/free-port.ts';

// What a user gets: the tarball that `npm pack` writes, installed into an empty folder with install scripts off.

const root = join(import.meta.dirname, '../..');
// The machine's own Node and npm, as a user has them: without the Node 24 that is first in the path of our tests.
const env = {
  ...process.env,
  PATH: (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => !folder.endsWith('node_modules/.bin'))
    .join(delimiter),
};
const npm = (cwd: string, ...args: string[]): string =>
  execFileSync('npm', [...args, '--loglevel=error', '--no-audit', '--no-fund'], { cwd, env, encoding: 'utf8' });

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

let folder: string;
let installed: string;
let files: string[];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'veza package '));
  npm(root, 'pack', '--ignore-scripts', '--pack-destination', folder);
  const tarball = join(folder, `veza-deploy-${manifest.version}.tgz`);
  npm(folder, 'init', '--yes');
  npm(folder, 'install', '--ignore-scripts', '--prefer-offline', tarball);
  installed = join(folder, 'node_modules/veza-deploy');
  files = readdirSync(installed, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(installed, join(entry.parentPath, entry.name)))
    .filter((file) => !file.startsWith('node_modules/'));
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the package', () => {
  test('has what a user needs and nothing of the workshop', () => {
    expect(files).toEqual(
      expect.arrayContaining([
        'LICENSE',
        'README.md',
        'CHANGELOG.md',
        'bin/veza.js',
        'dist/index.js',
        'dist/index.d.ts',
      ]),
    );
    expect(
      files.filter((file) => /(^|[./])test[./-]|\/testing\/|^(src|test|bench|scripts|examples|\.)/.test(file)),
    ).toEqual([]);
  });

  test('has every file that its manifest names', () => {
    const { exports, bin } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
      exports: Record<string, string | Record<string, string>>;
      bin: Record<string, string>;
    };
    const named = [
      ...Object.values(bin),
      ...Object.values(exports).flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(entry))),
    ];
    expect(named.map((file) => file.replace(/^\.\//, '')).filter((file) => !files.includes(file))).toEqual([]);
  });

  test('has source maps that carry their sources, because src/ is not there', () => {
    const maps = files.filter((file) => file.endsWith('.map'));
    expect(maps.length).toBeGreaterThan(0);
    const empty = maps.filter((file) => {
      const map = JSON.parse(readFileSync(join(installed, file), 'utf8')) as {
        sources: string[];
        sourcesContent?: (string | null)[];
      };
      return map.sources.some((_, index) => typeof map.sourcesContent?.[index] !== 'string');
    });
    expect(empty).toEqual([]);
  });
});

describe('the installed command', () => {
  test("says its version under the machine's own Node, from a folder with a space in its name", () => {
    const { stdout, stderr, status } = spawnSync(join(folder, 'node_modules/.bin/veza'), ['--version'], {
      cwd: folder,
      env,
      encoding: 'utf8',
    });
    expect({ stdout: stdout.trim(), stderr, status }).toEqual({ stdout: manifest.version, stderr: '', status: 0 });
  });

  test('can be imported by a declaration', () => {
    const code = "import('veza-deploy').then((it) => console.log(typeof it.definePlatform))";
    const node = join(root, 'node_modules/.bin/node');
    expect(execFileSync(node, ['-e', code], { cwd: folder, env, encoding: 'utf8' }).trim()).toBe('function');
  });
});

describe('a new user', () => {
  let project: string;
  let url: string;
  const bin = (): string => join(folder, 'node_modules/.bin/veza');

  interface Said {
    readonly status: number;
    readonly out: string;
    readonly err: string;
  }

  /** A command line as it is typed, without a terminal. */
  async function veza(...args: string[]): Promise<Said> {
    const child = spawn(bin(), args, { cwd: project, env: userEnv, stdio: ['ignore', 'pipe', 'pipe'] });
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { status: child.exitCode ?? -1, out, err };
  }

  async function succeeds(...args: string[]): Promise<string> {
    const said = await veza(...args);
    expect(said.status, `veza ${args.join(' ')}: ${said.err}`).toBe(0);
    return said.out + said.err;
  }

  const commit = (message: string): void => {
    execFileSync('git', ['commit', '--quiet', '--all', '--message', message], { cwd: project, env: userEnv });
  };

  function changeText(from: string, to: string): void {
    const file = join(project, 'hello/server.mjs');
    const before = readFileSync(file, 'utf8');
    expect(before).toContain(from);
    writeFileSync(file, before.replace(from, to));
  }

  const page = async (): Promise<string> => (await fetch(url)).text();

  // Of a user who has never used git either, and of nothing of ours.
  const userEnv: NodeJS.ProcessEnv = {
    ...Object.fromEntries(Object.entries(env).filter(([name]) => !/^(VEZA_|NODE_|VITEST|GIT_)/.test(name))),
    GIT_AUTHOR_NAME: 'Ada',
    GIT_AUTHOR_EMAIL: 'ada@example.org',
    GIT_COMMITTER_NAME: 'Ada',
    GIT_COMMITTER_EMAIL: 'ada@example.org',
  };

  beforeAll(() => {
    project = join(folder, 'shop');
    mkdirSync(project);
  });

  afterAll(async () => {
    if (existsSync(join(project, '.veza'))) await veza('down');
  });

  test('gets from an empty folder to a release, the next one, and back, without a request lost', async () => {
    const began = await succeeds('init');
    url = /curl (http:\S+)/.exec(began)?.[1] ?? '';
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    expect(await succeeds('validate')).toContain('shop is valid: 1 service in development.');
    // Shorter than what a person would watch.
    const config = join(project, 'veza.config.ts');
    writeFileSync(config, readFileSync(config, 'utf8').replace("watch: '10s'", "watch: '2s'"));
    commit('Watch for two seconds');
    expect(await succeeds('up')).toContain('The control plane is up');

    expect(await succeeds('deploy')).toMatch(/hello is at rel_[0-9a-f]+ \(Watch for two seconds\) in development/);
    expect(await page()).toContain('this is version 1');

    const users = askingAllTheTime(url);
    changeText('this is version 1', 'this is version 2');
    const refused = await veza('deploy');
    expect(refused).toMatchObject({ status: 4 });
    expect(refused.err).toContain('hello/server.mjs');
    commit('Version 2');
    expect(await succeeds('deploy')).toMatch(/\(Version 2\) in development: \d+ requests during the rollout, 0 lost/);
    expect(await page()).toContain('this is version 2');
    expect(await succeeds('deploy')).toContain('nothing to do');

    const back = await succeeds('rollback');
    expect(back).toContain('(Watch for two seconds)');
    expect(await page()).toContain('this is version 1');
    const { answers, failures } = await users.end();
    expect(failures).toEqual([]);
    expect(answers).toBeGreaterThan(20);

    expect(await succeeds('show')).toContain('Timeline');
    expect(await succeeds('status')).toMatch(/hello\s+rel_/);
    expect(await succeeds('logs', 'hello')).toContain('this is version 2');
    expect((await veza('run', 'hello', '--', 'node', '-e', 'console.log(40 + 2)')).out).toBe('42\n');
    expect(await succeeds('down')).toContain('the control plane has ended');
    await expect(page()).rejects.toThrow();
  }, 90_000);

  test('finds what was live again after `down` and `up`, though the declaration has lost another environment', async () => {
    const config = join(project, 'veza.config.ts');
    const declared = readFileSync(config, 'utf8');
    const staging = `staging: { target: { kind: 'process', listen: '127.0.0.1:${await freePort('127.0.0.1', 18_080)}' } },\n`;
    writeFileSync(config, declared.replace('environments: {\n', `environments: {\n    ${staging}`));
    commit('Add staging');
    await succeeds('up');
    expect(await page()).toContain('this is version 1');
    await succeeds('deploy', '--environment', 'staging');
    changeText('this is version 2', 'this is version 3');
    commit('Version 3');
    // The old slot stays warm for minutes: this deployment goes on while its environment is taken away.
    await succeeds('deploy', '--environment', 'staging');
    writeFileSync(config, declared);
    await succeeds('down');
    expect(await succeeds('up')).toContain('staging is not declared any more');
    expect(await page()).toContain('this is version 1');
  }, 60_000);
});
/** Users who never pause: every answer must be one of the page's. */
function askingAllTheTime(url: string): { end(): Promise<{ answers: number; failures: string[] }> } {
  const over = new AbortController();
  let answers = 0;
  const failures: string[] = [];
  const user = async (): Promise<void> => {
    while (!over.signal.aborted) {
      try {
        const response = await fetch(url);
        const body = await response.text();
        if (response.status !== 200 || !/this is version [12]\./.test(body))
          failures.push(`${response.status} ${body}`);
        answers += 1;
      } catch (error) {
        failures.push(String(error));
      }
      await sleep(20);
    }
  };
  const users = [user(), user()];
  return {
    async end() {
      over.abort();
      await Promise.all(users);
      return { answers, failures };
    },
  };
}
