import { spawn } from 'node:child_process';
import { delimiter, dirname, isAbsolute } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import type { Readable } from 'node:stream';
import type { Command } from '../core/units/quantities.ts';
import { BuildFailedError, BuildTimeoutError } from '../errors.ts';

export interface RecipeRun {
  readonly commands: readonly Command[];
  /** The clean copy that the commands run in. */
  readonly folder: string;
  /** All that the commands see; make it with `buildEnvironment`. */
  readonly environment: Readonly<Record<string, string>>;
  /** Time for all commands together. */
  readonly timeLimitMs: number;
  /** Time from SIGTERM to SIGKILL when a command is stopped. */
  readonly stopGraceMs: number;
  readonly onCommand: (command: Command, index: number) => void;
  readonly onLine: (stream: 'stdout' | 'stderr', line: string) => void;
}

/**
 * The environment of a build. Nothing of the parent's but where programs are (PATH) and where the user's caches and
 * registry settings are (HOME), and what is passed on by name, so that a build does not depend on who runs it.
 *
 * `SOURCE_DATE_EPOCH`: https://reproducible-builds.org/specs/source-date-epoch/
 */
export const buildEnvironment = (request: {
  readonly parent: Readonly<Record<string, string | undefined>>;
  /** The Node that runs us; its folder comes first in PATH. */
  readonly node: string;
  readonly temporaryFolder: string;
  readonly committedAtSeconds: number;
  /** Names of further variables of the parent; what is set here wins. */
  readonly pass: readonly string[];
}): Readonly<Record<string, string>> => {
  // Relative entries would mean other programs in the clean copy than outside.
  const inherited = (request.parent['PATH'] ?? '/usr/local/bin:/usr/bin:/bin').split(delimiter).filter(isAbsolute);
  const passed = request.pass.flatMap((name) => {
    const value = request.parent[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(passed),
    PATH: [...new Set([dirname(request.node), ...inherited])].join(delimiter),
    HOME: request.parent['HOME'] ?? request.temporaryFolder,
    TMPDIR: request.temporaryFolder,
    CI: 'true',
    SOURCE_DATE_EPOCH: String(request.committedAtSeconds),
    TZ: 'UTC',
    LANG: 'C.UTF-8',
  };
};

const rememberedLines = 20;
const maxLineLength = 8192;

/**
 * Runs the commands of a build recipe one after another. Each is a process group of its own: when it ends, fails, takes
 * too long or is aborted, everything it started in that group is stopped too.
 *
 * @throws BuildFailedError with the last lines of output, BuildTimeoutError, or the reason of the signal when it aborts
 */
export const runRecipe = async (run: RecipeRun, signal: AbortSignal): Promise<void> => {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), run.timeLimitMs);
  try {
    for (const [index, command] of run.commands.entries()) {
      signal.throwIfAborted();
      run.onCommand(command, index);
      await runCommand(run, command, limit.signal, signal);
    }
  } finally {
    clearTimeout(timer);
  }
};

const runCommand = async (run: RecipeRun, command: Command, limit: AbortSignal, signal: AbortSignal): Promise<void> => {
  const last: string[] = [];
  const take = (stream: 'stdout' | 'stderr') => (line: string) => {
    last.push(line);
    if (last.length > rememberedLines) last.shift();
    run.onLine(stream, line);
  };
  const [program, ...args] = command;
  const child = spawn(program, args, {
    cwd: run.folder,
    env: { ...run.environment },
    // A group of its own, so that all of it can be stopped.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { promise: ended, resolve } = Promise.withResolvers<Error | readonly [number | null, NodeJS.Signals | null]>();
  child.once('error', resolve);
  child.once('exit', (status, killedBy) => resolve([status, killedBy]));
  const stop = new AbortController();
  const stopping = stopWhenAsked(child.pid, AbortSignal.any([limit, signal]), run.stopGraceMs, stop.signal);
  const reading = [readLines(child.stdout, take('stdout')), readLines(child.stderr, take('stderr'))];
  const end = await ended;
  stop.abort();
  await stopping;
  // What it left running in its group would go on writing into a folder that is about to be packed or removed.
  signalGroup(child.pid, 'SIGKILL');
  await endReading(child.stdout, child.stderr, reading);
  signal.throwIfAborted();
  if (limit.aborted) throw new BuildTimeoutError(command, run.timeLimitMs, last);
  if (end instanceof Error) throw cannotStart(command, end);
  const [status, killedBy] = end;
  if (status === 0) return;
  throw new BuildFailedError(
    command,
    status === null ? `was killed by ${killedBy ?? 'a signal'}` : `exited with status ${status}`,
    last,
  );
};

const cannotStart = (command: Command, error: Error): BuildFailedError => {
  const code = 'code' in error ? error.code : null;
  if (code === 'ENOENT') {
    return new BuildFailedError(
      command,
      `cannot be started: there is no program \`${command[0]}\``,
      [],
      'A build command is a program and its arguments, found in PATH or in the source (`./build.sh`); for shell syntax, put it into a script.',
    );
  }
  if (code === 'EACCES') {
    return new BuildFailedError(
      command,
      `cannot be started: \`${command[0]}\` is not executable`,
      [],
      `Run \`git update-index --chmod=+x ${command[0]}\` and commit.`,
    );
  }
  return new BuildFailedError(command, `cannot be started: ${error.message}`, []);
};

/** Sends SIGTERM to the group when `ask` aborts, and SIGKILL when it is still there after the grace; returns once `gone` aborts. */
const stopWhenAsked = async (
  pid: number | undefined,
  ask: AbortSignal,
  graceMs: number,
  gone: AbortSignal,
): Promise<void> => {
  if (pid === undefined) return;
  await firstAbort(ask, gone);
  if (gone.aborted) return;
  signalGroup(pid, 'SIGTERM');
  const timer = setTimeout(() => signalGroup(pid, 'SIGKILL'), graceMs);
  await firstAbort(gone);
  clearTimeout(timer);
};

const firstAbort = async (...signals: readonly AbortSignal[]): Promise<void> => {
  const any = AbortSignal.any([...signals]);
  if (any.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  any.addEventListener('abort', () => resolve(), { once: true });
  await promise;
};

const signalGroup = (pid: number | undefined, name: NodeJS.Signals): void => {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch (error) {
    // ESRCH: nobody is left. EPERM: macOS says so of a group that only holds a zombie.
    if (!(error instanceof Error && 'code' in error && (error.code === 'ESRCH' || error.code === 'EPERM'))) throw error;
  }
};

/** A process that left the group (a daemon) may hold the pipes open for ever; what it writes is not waited for. */
const endReading = async (stdout: Readable, stderr: Readable, reading: readonly Promise<void>[]): Promise<void> => {
  const timer = setTimeout(() => {
    stdout.destroy();
    stderr.destroy();
  }, 1000);
  await Promise.all(reading);
  clearTimeout(timer);
};

const readLines = async (stream: Readable, take: (line: string) => void): Promise<void> => {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(trimmed(line));
    if (rest.length > maxLineLength) {
      take(trimmed(rest));
      rest = '';
    }
  });
  stream.once('close', resolve);
  await promise;
  rest += decoder.end();
  if (rest !== '') take(trimmed(rest));
};

const trimmed = (line: string): string => line.replace(/\r$/, '').slice(0, maxLineLength);
