import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, openSync, closeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { controlLogPath, type StartMessage } from '../api/control-file.ts';
import { fromProblem, ProblemSchema } from '../api/problem.ts';
import { ControlPlaneStartError } from '../errors.ts';
import type { Project } from './project.ts';

const StartMessageSchema: z.ZodType<StartMessage> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('progress'), text: z.string() }),
  z.object({ type: z.literal('ready') }),
  z.object({ type: z.literal('failed'), problem: ProblemSchema }),
]);

/** `src/server/main.ts` from sources, `dist/server/main.js` from what is built. */
const MAIN = fileURLToPath(new URL(`../server/main.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url));

const argumentsFor = (project: Project): readonly string[] => [
  MAIN,
  '--project',
  project.dir,
  '--state-dir',
  project.stateDir,
];

export interface StartOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

/**
 * Starts the control plane as a process of its own that outlives this one and its terminal; resolves when it answers.
 * Rejects with what kept it from starting. Aborting the signal stops waiting, and the process that was started.
 */
export async function startDetached(project: Project, { signal, onProgress }: StartOptions): Promise<void> {
  const log = openLog(project.stateDir);
  let child: ChildProcess;
  try {
    child = spawn(process.execPath, argumentsFor(project), {
      cwd: project.dir,
      detached: true,
      stdio: ['ignore', log ?? 'ignore', log ?? 'ignore', 'ipc'],
    });
  } finally {
    if (log !== null) closeSync(log);
  }
  const waiting = new AbortController();
  try {
    await new Promise<void>((resolve, reject) => {
      child.once('error', (error) => reject(new ControlPlaneStartError(project.stateDir, error.message)));
      child.once('exit', (code, killer) =>
        reject(
          new ControlPlaneStartError(
            project.stateDir,
            killer === null ? `it exited with status ${String(code)}` : `it was ended by ${killer}`,
          ),
        ),
      );
      child.on('message', (raw) => {
        const message = StartMessageSchema.parse(raw);
        switch (message.type) {
          case 'progress':
            onProgress(message.text);
            break;
          case 'ready':
            resolve();
            break;
          case 'failed':
            reject(fromProblem(message.problem));
        }
      });
      signal.addEventListener(
        'abort',
        () => {
          child.kill('SIGTERM');
          reject(signal.reason as Error);
        },
        { signal: waiting.signal },
      );
    });
  } finally {
    // Once it answers, it is not the caller's to stop any more.
    waiting.abort();
    child.removeAllListeners();
    // It closes the channel by itself when it is ready; a failed one is about to end.
    if (child.connected) child.disconnect();
    child.unref();
  }
}

/**
 * Whatever the control plane says outside its log, a crash of Node itself for example, ends up there too. Null when it cannot be
 * opened: the control plane says what is wrong with the folder.
 */
function openLog(stateDir: string): number | null {
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    return openSync(controlLogPath(stateDir), 'a', 0o600);
  } catch {
    return null;
  }
}

/** Runs the control plane in front; resolves to its exit status. The terminal's Ctrl-C reaches it by itself. */
export function runForeground(project: Project, signal: AbortSignal): Promise<number> {
  const child = spawn(process.execPath, [...argumentsFor(project), '--foreground'], {
    cwd: project.dir,
    stdio: 'inherit',
  });
  const stop = (): void => void child.kill('SIGTERM');
  process.on('SIGTERM', stop);
  signal.addEventListener('abort', stop);
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new ControlPlaneStartError(project.stateDir, error.message)));
    child.once('exit', (code) => resolve(code ?? 1));
  });
}
