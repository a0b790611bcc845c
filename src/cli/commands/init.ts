import { Option } from 'commander';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { VERSION } from '../../api/version.ts';
import { ExitStatus, UsageError } from '../../errors.ts';
import { exampleFiles } from '../example-project.ts';
import { freePort } from '../../system/free-port.ts';
import { runProgram } from '../program-run.ts';
import { paint, sign } from '../render/style.ts';
import { textArgument, textOption, type Verb, type VerbContext } from '../verb.ts';

const FIRST_PORT = 8080;

export const init: Verb = {
  definition: {
    name: 'init',
    arguments: [['[dir]', 'folder (default: this one)']],
    summary: 'make a working example',
    description: 'Nothing that exists is changed. Where there is no git repository, one is made with a first commit.',
    options: [new Option('--name <name>', "name of the platform (default: the folder's)")],
    examples: [
      ['veza init', 'in an empty folder'],
      ['veza init shop --name shop', 'in a new one'],
    ],
  },
  action: async (context, { args, options }) => {
    const { terminal, json, cwd } = context;
    const dir = resolve(cwd, textArgument(args[0]) ?? '.');
    const name = platformName(textOption(options.name), dir);
    const port = await freePort('127.0.0.1', FIRST_PORT);
    const written: string[] = [];
    const existing: string[] = [];
    for (const file of exampleFiles(name, port, VERSION)) {
      const path = join(dir, file.path);
      if (await exists(path)) existing.push(file.path);
      else {
        await mkdir(dirname(path), { recursive: true });
        // Should it appear in this moment, it stays as it is.
        await writeFile(path, file.text, { flag: 'wx' });
        written.push(file.path);
      }
    }
    const git = await firstCommit(context, dir, written);
    if (json) {
      terminal.out(JSON.stringify({ dir, name, written, existing, git }));
      return ExitStatus.ok;
    }
    const { style } = terminal;
    const done = paint(style, 'green', sign(style, 'done'));
    for (const path of written) terminal.out(`${done} ${path}`);
    for (const path of existing)
      terminal.out(`${paint(style, 'yellow', sign(style, 'warning'))} ${path} exists; left as it is`);
    for (const line of GIT_TEXT[git]) terminal.out(git === 'committed' ? `${done} ${line}` : line);
    // `npx veza init` leaves no `veza` in PATH.
    const veza = context.env.npm_command === 'exec' ? 'npx veza' : 'veza';
    const into = dir === cwd ? [] : [`cd ${textArgument(args[0]) ?? dir}`];
    terminal.out('\nNext:');
    for (const command of [...into, `${veza} up`, `${veza} deploy`, `curl http://127.0.0.1:${port}/`]) {
      terminal.out(`  ${paint(style, 'bold', command)}`);
    }
    return ExitStatus.ok;
  },
};

type GitOutcome = 'committed' | 'in-repository' | 'no-git' | 'failed';

const GIT_TEXT: Readonly<Record<GitOutcome, readonly string[]>> = {
  committed: ['git repository with a first commit'],
  'in-repository': ['Releases are built from what is committed: `git add . && git commit -m "Add a platform"`'],
  'no-git': [
    'git is not installed, and releases are built from commits: install it, then `git init && git add . && git commit -m "Begin"`',
  ],
  failed: ['The first commit did not work; do it by hand: `git add . && git commit -m "Begin"`'],
};

/** Makes a repository where there is none. Names an author only where git knows none. */
async function firstCommit(
  { interrupt: signal }: VerbContext,
  dir: string,
  written: readonly string[],
): Promise<GitOutcome> {
  const git = (...args: string[]) => runProgram('git', args, { cwd: dir, signal });
  const version = await git('--version');
  if (version.status !== 0) return 'no-git';
  if ((await git('rev-parse', '--is-inside-work-tree')).status === 0) return 'in-repository';
  if ((await git('init', '--quiet', '--initial-branch', 'main')).status !== 0) return 'failed';
  if (written.length > 0 && (await git('add', '--', ...written)).status !== 0) return 'failed';
  const known = (await git('config', 'user.email')).status === 0;
  const author = known ? [] : ['-c', 'user.name=veza init', '-c', 'user.email=veza@localhost'];
  return (await git(...author, 'commit', '--quiet', '--message', 'Begin')).status === 0 ? 'committed' : 'failed';
}

function platformName(given: string | null, dir: string): string {
  const pattern = /^[a-z][a-z0-9-]{0,30}$/;
  if (given !== null) {
    if (pattern.test(given)) return given;
    throw new UsageError(
      `\`${given}\` cannot be the name of a platform.`,
      'Lower-case letters, digits and hyphens, a letter first, at most 31.',
    );
  }
  const made = basename(dir)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, 31)
    .replace(/-+$/, '');
  return pattern.test(made) ? made : 'example';
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}
