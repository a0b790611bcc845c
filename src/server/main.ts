import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type ControlFile, controlFilePath, controlLogPath, type StartMessage } from '../api/control-file.ts';
import { controlSocketPath } from '../api/local-socket.ts';
import { toProblem } from '../api/problem.ts';
import { VERSION } from '../api/version.ts';
import { composeControlPlane } from './compose.ts';
import { startHttpServer } from './http-server.ts';
import { openLog } from './log-file.ts';

// The control plane's process. Crash-only: whatever it does not understand ends it with status 1, and the next one goes
// on from the journal. Arguments: --project DIR --state-dir DIR [--foreground].

const { values } = parseArgs({
  options: {
    project: { type: 'string' },
    'state-dir': { type: 'string' },
    foreground: { type: 'boolean', default: false },
  },
});
const projectDir = resolve(values.project ?? '.');
const stateDir = resolve(values['state-dir'] ?? `${projectDir}/.veza`);
try {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
} catch {
  // Whoever opens the store in it says what is wrong.
}
const log = openLog(controlLogPath(stateDir), (line) => {
  if (values.foreground) process.stdout.write(line);
});

/** Tells who started this process, while they are there. */
function tell(message: StartMessage): void {
  if (process.connected && process.send !== undefined) process.send(message, () => {});
}

const dying = (what: string) => (error: unknown) => {
  log(`${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  process.exit(1);
};
process.on('uncaughtException', dying('uncaught exception'));
process.on('unhandledRejection', dying('unhandled rejection'));
// The terminal it was started from may go.
process.on('SIGHUP', () => {});
// What stderr leads to is the log on a disk that may be full, or a terminal that may be gone: no reason to end.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

try {
  await start();
} catch (error) {
  const problem = toProblem(error);
  log(`failed to start: ${problem.detail} ${problem.hint ?? ''}`);
  if (!(error instanceof Error && 'code' in error)) log(error instanceof Error ? (error.stack ?? '') : String(error));
  if (!process.connected)
    process.stderr.write(`veza: ${problem.detail}\n${problem.hint === null ? '' : `  ${problem.hint}\n`}`);
  // The answer has to be out before the process is.
  if (process.connected && process.send !== undefined) {
    process.send({ type: 'failed', problem } satisfies StartMessage, () => process.exit(problem.exitStatus));
  } else process.exit(problem.exitStatus);
}

async function start(): Promise<void> {
  const startedAt = Date.now();
  log(`control plane ${VERSION} starts: pid ${process.pid}, project ${projectDir}, state ${stateDir}`);
  const composed = await composeControlPlane({
    projectDir,
    stateDir,
    log: (line) => {
      log(line);
      tell({ type: 'progress', text: line });
    },
  });
  const socket = controlSocketPath(stateDir);
  let endingSince: number | null = null;
  const end = async (why: string): Promise<void> => {
    // Ctrl-C in front arrives from the terminal and from who started this; asked again later, it ends at once.
    if (endingSince !== null && Date.now() - endingSince > 1_000) process.exit(1);
    if (endingSince !== null) return;
    endingSince = Date.now();
    log(`ends: ${why}`);
    await server.close();
    await composed.close();
    log('ended');
    // The last thing: who waits for its going may remove the folder, or start the next one.
    rmSync(controlFilePath(stateDir), { force: true });
    process.exit(0);
  };
  const server = await startHttpServer({
    controlPlane: composed.controlPlane,
    version: VERSION,
    socketPath: socket,
    log,
    onDown: () => void end('asked to by `veza down`'),
  });
  const file: ControlFile = { pid: process.pid, startedAt, socket, version: VERSION };
  writeFileSync(controlFilePath(stateDir), `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600 });
  process.on('SIGTERM', () => void end('SIGTERM'));
  process.on('SIGINT', () => void end('SIGINT'));
  log(`ready on ${socket} after ${Date.now() - startedAt} ms`);
  tell({ type: 'ready' });
  if (process.connected) process.disconnect();
}
