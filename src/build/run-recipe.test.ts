import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Command } from '../core/units/quantities.ts';
import { BuildFailedError, BuildTimeoutError } from '../errors.ts';
import { buildEnvironment, type RecipeRun, runRecipe } from './run-recipe.ts';

const never = new AbortController().signal;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'recipe-test-'));
});
afterEach(() => rm(folder, { recursive: true }));

const node = (program: string): Command => [process.execPath, '--input-type=module', '--eval', program];

const recipe = (commands: readonly Command[], more: Partial<RecipeRun> = {}): RecipeRun => ({
  commands,
  folder,
  environment: { PATH: '/usr/bin:/bin' },
  timeLimitMs: 30_000,
  stopGraceMs: 200,
  onCommand: () => undefined,
  onLine: () => undefined,
  ...more,
});

const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('did not happen within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

// Gone, or dead and not yet reaped by whoever adopted it.
const isRunning = async (pid: number): Promise<boolean> => {
  if (!isAlive(pid)) return false;
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z');
  return !stat.slice(stat.lastIndexOf(')')).startsWith(') Z');
};

describe('a build recipe', () => {
  it('runs its commands in order, in the folder, line by line', async () => {
    const heard: string[] = [];
    await runRecipe(
      recipe([node('console.log("one"); console.error("zwei \\u{1F600}"); process.stdout.write("no end")'), ['pwd']], {
        onCommand: (command, index) => heard.push(`${index} ${command[0]}`),
        onLine: (stream, line) => heard.push(`${stream}: ${line}`),
      }),
      never,
    );
    expect(heard[0]).toBe(`0 ${process.execPath}`);
    expect(heard.slice(1, 4).toSorted()).toEqual(['stderr: zwei 😀', 'stdout: no end', 'stdout: one']);
    expect(heard.slice(4)).toEqual(['1 pwd', `stdout: ${folder}`]);
  });

  it('hands arguments over as they are: no shell looks at them', async () => {
    const lines: string[] = [];
    const odd = ['$HOME', '; rm -rf x', '`id`', '*', ''];
    await runRecipe(
      recipe([[process.execPath, '-p', 'JSON.stringify(process.argv.slice(1))', '--', ...odd]], {
        onLine: (_, line) => lines.push(line),
      }),
      never,
    );
    expect(JSON.parse(lines.join(''))).toEqual(odd);
  });

  it('sees the declared environment and nothing of ours', async () => {
    const environment = buildEnvironment({
      parent: {
        PATH: `relative${delimiter}${delimiter}/usr/bin${delimiter}/bin`,
        HOME: '/home/ana',
        SECRET: 'x',
        HTTPS_PROXY: 'http://proxy:3128',
        LANG: 'sv_SE',
      },
      node: process.execPath,
      temporaryFolder: '/tmp/t',
      committedAtSeconds: 1_700_000_000,
      pass: ['HTTPS_PROXY', 'NO_PROXY', 'LANG'],
    });
    const lines: string[] = [];
    await runRecipe(
      recipe([['node', '-p', 'JSON.stringify(process.env)']], { environment, onLine: (_, line) => lines.push(line) }),
      never,
    );
    expect(JSON.parse(lines.join(''))).toEqual({
      PATH: [dirname(process.execPath), '/usr/bin', '/bin'].join(delimiter),
      HTTPS_PROXY: 'http://proxy:3128',
      HOME: '/home/ana',
      TMPDIR: '/tmp/t',
      CI: 'true',
      SOURCE_DATE_EPOCH: '1700000000',
      TZ: 'UTC',
      LANG: 'C.UTF-8',
    });
  });

  it('runs with the Node that runs us, first in PATH', async () => {
    const environment = buildEnvironment({
      parent: {},
      node: process.execPath,
      temporaryFolder: '/tmp',
      committedAtSeconds: 0,
      pass: [],
    });
    const lines: string[] = [];
    await runRecipe(
      recipe([['node', '-p', 'process.execPath']], { environment, onLine: (_, line) => lines.push(line) }),
      never,
    );
    expect(lines).toEqual([process.execPath]);
  });

  it('stops at the first command that fails and says how, with the last lines', async () => {
    const second: string[] = [];
    const failing = node(
      'for (let i = 0; i < 50; i += 1) console.log("line " + i); console.error("boom"); process.exitCode = 3',
    );
    const run = runRecipe(
      recipe([failing, ['touch', 'never']], { onCommand: ([program]) => second.push(program) }),
      never,
    );
    const error = await run.catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(BuildFailedError);
    expect((error as BuildFailedError).message).toMatch(/exited with status 3/);
    expect((error as BuildFailedError).message).toContain('| line 49');
    expect((error as BuildFailedError).lastLines).toHaveLength(20);
    expect(second).toEqual([process.execPath]);
  });

  it.each([
    [['no-such-program', 'x'] as Command, /there is no program `no-such-program`/],
    [['./script'] as Command, /`\.\/script` is not executable/],
    [node('process.kill(process.pid, "SIGSEGV")'), /was killed by SIGSEGV/],
  ])('says why %j cannot run', async (command, words) => {
    await writeFile(join(folder, 'script'), 'exit 0', { mode: 0o644 });
    await expect(runRecipe(recipe([command]), never)).rejects.toThrow(words);
  });

  it('is stopped with everything it started when it is aborted, also when it ignores SIGTERM', async () => {
    // Given a command that ignores SIGTERM and has a child that does too
    const stubborn = 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000);';
    const program = `
      import { spawn } from 'node:child_process';
      const child = spawn(process.execPath, ['--eval', ${JSON.stringify(`${stubborn} console.log("up " + process.pid)`)}], { stdio: 'inherit' });
      ${stubborn} console.log("up " + process.pid);`;
    const pids: number[] = [];
    const abort = new AbortController();
    const run = runRecipe(
      recipe([node(program)], { onLine: (_, line) => pids.push(Number(line.slice(3))) }),
      abort.signal,
    );
    run.catch(() => undefined);
    await until(() => pids.length === 2);
    // When it is aborted
    abort.abort(new Error('changed my mind'));
    // Then the reason comes back and nobody is left
    await expect(run).rejects.toThrow('changed my mind');
    for (const pid of pids) await until(async () => !(await isRunning(pid)));
  });

  it('is stopped when it takes too long, and what it said last is told', async () => {
    const run = runRecipe(
      recipe([node('console.log("waiting for input"); setInterval(() => {}, 1000)')], { timeLimitMs: 1500 }),
      never,
    );
    const error = await run.catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(BuildTimeoutError);
    expect((error as BuildTimeoutError).message).toMatch(/stopped after 1\.5 s[^]*\| waiting for input/);
  });

  it('does not wait for what a command left running', async () => {
    const pids: number[] = [];
    const program = `
      import { spawn } from 'node:child_process';
      const child = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
      console.log(child.pid); process.exit(0);`;
    await runRecipe(recipe([node(program)], { onLine: (_, line) => pids.push(Number(line)) }), never);
    expect(pids).toHaveLength(1);
    for (const pid of pids) await until(async () => !(await isRunning(pid)));
  });

  it('does not start when it is aborted before', async () => {
    await expect(runRecipe(recipe([['touch', 'x']]), AbortSignal.abort(new Error('no')))).rejects.toThrow('no');
    await expect(readFile(join(folder, 'x'))).rejects.toThrow('ENOENT');
  });
});
