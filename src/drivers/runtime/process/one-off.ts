import { spawn } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { ProgramNotStartedError } from '../../../errors.ts';
import type { OneOff } from '../runtime.ts';
import { basePath, notInherited, signalGroup } from './launch.ts';
import { killLeftovers } from './leftovers.ts';
import { INSTANCE_MARKER } from '../supervision/instance-environment.ts';
import type { ProcessTable } from './process-table.ts';

/** Time between SIGTERM and SIGKILL for a one-off process that is cancelled, in milliseconds. */
const GRACE_MS = 5000;

/**
 * Runs a one-off process to its end. What an earlier call with the same id left running is ended first: its output had
 * nobody to go to any more.
 * @returns the exit status; 128 + the signal's number when a signal ended it, as shells have it
 * @throws ProgramNotStartedError when there is no such program; the signal's reason when that is aborted
 */
export async function runOneOff(
  stateDir: string,
  table: ProcessTable,
  oneOff: OneOff,
  signal: AbortSignal,
): Promise<number> {
  signal.throwIfAborted();
  await killLeftovers(table, oneOff.id, null);
  const folder = join(stateDir, 'one-offs', encodeURIComponent(oneOff.id));
  for (const name of ['home', 'tmp']) await mkdir(join(folder, name), { recursive: true, mode: 0o700 });
  try {
    signal.throwIfAborted();
    return await runToEnd(folder, oneOff, signal);
  } finally {
    await killLeftovers(table, oneOff.id, null);
    await rm(folder, { recursive: true, force: true });
  }
}

async function runToEnd(folder: string, oneOff: OneOff, signal: AbortSignal): Promise<number> {
  const [program, ...args] = oneOff.command;
  const child = spawn(program, args, {
    cwd: oneOff.artifactDir,
    env: {
      ...notInherited,
      PATH: basePath(),
      HOME: join(folder, 'home'),
      TMPDIR: join(folder, 'tmp'),
      ...oneOff.environment,
      [INSTANCE_MARKER]: oneOff.id,
    },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].on('data', (chunk: Uint8Array) => oneOff.onOutput(stream, chunk));
  }
  let killTimer: NodeJS.Timeout | null = null;
  const onAbort = (): void => {
    const { pid } = child;
    if (pid === undefined) return;
    signalGroup(pid, 'SIGTERM');
    killTimer = setTimeout(() => signalGroup(pid, 'SIGKILL'), GRACE_MS);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const status = await new Promise<number>((resolve, reject) => {
      child.once('error', (error) => reject(new ProgramNotStartedError(program, oneOff.artifactDir, error.message)));
      // `exit`, not `close`: a child of the process that keeps the pipes open must not hold us up. What the process
      // itself wrote is in the pipes by then and is read before they are given up.
      child.once('exit', (code, by) => {
        const result = code ?? 128 + (by === null ? 0 : constants.signals[by]);
        const drained = setTimeout(() => resolve(result), 500);
        child.once('close', () => {
          clearTimeout(drained);
          resolve(result);
        });
      });
    });
    signal.throwIfAborted();
    return status;
  } finally {
    signal.removeEventListener('abort', onAbort);
    if (killTimer !== null) clearTimeout(killTimer);
    child.stdout.destroy();
    child.stderr.destroy();
  }
}
