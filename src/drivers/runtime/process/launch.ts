import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { SlotDesire } from '../runtime.ts';
import { commandOf, instanceEnvironment, type InstancePlace } from '../supervision/instance-environment.ts';
import { instanceDir } from '../supervision/state-files.ts';
import { rawLogFile } from './record.ts';

export const HOST = '127.0.0.1';

/** PATH of instances: the Node that runs us, then the system's programs. Nothing of our own PATH. */
export const basePath = (): string => {
  const system = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
  const homebrew = process.platform === 'darwin' ? ['/opt/homebrew/bin'] : [];
  return [dirname(process.execPath), ...homebrew, ...system].join(delimiter);
};

/** Node hands this one on to every child unless it is named; a value of `undefined` names it and leaves it out. */
export const notInherited: NodeJS.ProcessEnv = { NODE_V8_COVERAGE: undefined };

/**
 * Starts an instance: a session and process group of its own, nothing on stdin, stdout and stderr straight into
 * files. Nothing of it depends on us from then on. The child's `pid` is undefined when the program could not be started;
 * its `error` event says why.
 */
export function launchInstance(
  stateDir: string,
  desire: SlotDesire,
  id: string,
  place: Omit<InstancePlace, 'id' | 'host'>,
  launch: number,
): ChildProcess {
  const folder = instanceDir(stateDir, id);
  for (const name of ['home', 'tmp']) mkdirSync(join(folder, name), { recursive: true, mode: 0o700 });
  const whole = { ...place, id, host: HOST };
  const [program = '', ...args] = commandOf(desire, whole);
  const outputs: number[] = [];
  try {
    for (const stream of ['stdout', 'stderr'] as const) {
      outputs.push(openSync(rawLogFile(stateDir, id, launch, stream), 'a', 0o600));
    }
    const child = spawn(program, args, {
      cwd: desire.artifactDir,
      env: {
        ...notInherited,
        ...instanceEnvironment(desire, whole, {
          PATH: basePath(),
          HOME: join(folder, 'home'),
          TMPDIR: join(folder, 'tmp'),
        }),
      },
      detached: true,
      stdio: ['ignore', ...outputs],
    });
    child.unref();
    return child;
  } finally {
    for (const descriptor of outputs) closeSync(descriptor);
  }
}

/** Sends a signal to a process group; false when there is none any more. */
export function signalGroup(leader: number, signal: 'SIGTERM' | 'SIGKILL'): boolean {
  try {
    process.kill(-leader, signal);
    return true;
  } catch {
    return false;
  }
}

/** Why a program could not be started, in words for people. */
export function startErrorInWords(error: NodeJS.ErrnoException | null, desire: SlotDesire): string {
  const [program] = desire.run;
  switch (error?.code) {
    case 'ENOENT':
      // Node reports a missing working directory as a missing program.
      if (!existsSync(desire.artifactDir)) return `the artifact's folder ${desire.artifactDir} is missing`;
      return `program ${program} was not found (in the artifact, or in PATH)`;
    case 'EACCES':
      return `program ${program} may not be executed`;
    default:
      return error?.message ?? 'unknown reason';
  }
}
