import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

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
