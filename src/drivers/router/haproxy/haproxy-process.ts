import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { secondLogVariable } from '../../../core/emit/haproxy/config.ts';
import type { GatewaySettings } from '../../../core/gateway-settings.ts';
import { HaproxyMissingError, HaproxyRefusedError, HaproxyStartError } from '../../../errors.ts';
import { ask } from './command-socket.ts';
import { isAlive } from '../../../system/is-alive.ts';
import { isMissing, replaceFile, stateFiles, type StateFiles } from './haproxy-files.ts';
import { holdSockets, releaseSockets } from './held-sockets.ts';
import type { LeavingProcess } from './leaving-streams.ts';

/** Milliseconds that HAProxy has to start, or to take a new configuration. */
const startMs = 10_000;
const pollMs = 15;
const maxLogBytes = 5 * 1024 * 1024;

/** A running HAProxy: its master process, told from later ones with the same number by its start. */
export interface RunningHaproxy {
  readonly pid: number;
  /** Clock ticks since the machine started (proc(5), field 22). */
  readonly started: string;
  /** UTC milliseconds. */
  readonly since: number;
  readonly listen: { readonly host: string; readonly port: number };
}

export interface Workers {
  readonly current: number | null;
  /** Replaced, but with connections that are not over. */
  readonly leaving: readonly LeavingProcess[];
  readonly failedReloads: number;
}

/** @throws HaproxyMissingError when it is not installed, too old, or built without Lua */
export async function checkInstalled(program: string, signal: AbortSignal): Promise<void> {
  const { output, status } = await run(program, ['-vv'], signal);
  if (status === 'ENOENT') throw new HaproxyMissingError(`the program ${program} is not installed`);
  const version = /HA-?Proxy version (\d+)\.(\d+)(\S*)/.exec(output);
  if (version === null) throw new HaproxyMissingError(`${program} does not say its version`);
  const [, major, minor, rest] = version;
  if (Number(major) < 2 || (Number(major) === 2 && Number(minor) < 6)) {
    throw new HaproxyMissingError(`${program} is version ${major}.${minor}${rest}, older than 2.6`);
  }
  if (!output.includes('+LUA')) throw new HaproxyMissingError(`${program} was built without Lua`);
}

/** @throws HaproxyRefusedError with what HAProxy's own check said, and which line it meant */
export async function checkConfig(program: string, file: string, signal: AbortSignal): Promise<void> {
  const { output, status } = await run(program, ['-c', '-f', file], signal);
  if (status === 0) return;
  const said = output
    .split('\n')
    .filter((line) => line.includes('[ALERT]'))
    .map((line) => line.replace(/^\[ALERT\]\s+\(\d+\) : (?:config : )?/, ''));
  throw new HaproxyRefusedError('config', `HAProxy refuses its configuration: ${said.join(' ') || output.trim()}`);
}

function run(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly output: string; readonly status: number | string }> {
  return new Promise((resolve, reject) => {
    execFile(program, [...args], { signal, cwd: '/', maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (signal.aborted) reject(signal.reason);
      else resolve({ output: `${stdout}${stderr}`, status: error === null ? 0 : (error.code ?? 1) });
    });
  });
}

/** The HAProxy of a state folder; null when none runs. `told` says whether one should: nobody told it to stop. */
export async function findHaproxy(
  files: StateFiles,
): Promise<{ readonly running: RunningHaproxy | null; readonly told: boolean }> {
  let noted: RunningHaproxy;
  try {
    noted = JSON.parse(await readFile(files.running, 'utf8')) as RunningHaproxy;
  } catch (error) {
    if (isMissing(error)) return { running: null, told: false };
    return { running: null, told: true };
  }
  const alive = (await startOf(noted.pid)) === noted.started;
  return { running: alive ? noted : null, told: true };
}

/** When a process started; null when there is none, or it is only waiting to be buried. */
async function startOf(pid: number): Promise<string | null> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

/**
 * Starts HAProxy on the configuration in the state folder: a process group of its own that goes on when the caller ends.
 *
 * @param onExit called when its master ends while this process lives
 * @throws HaproxyStartError
 */
export async function startHaproxy(
  program: string,
  files: StateFiles,
  settings: GatewaySettings,
  onExit: () => void,
  signal: AbortSignal,
): Promise<RunningHaproxy> {
  await endOrphans(files, signal);
  const sockets = await holdSockets(files.folder, settings);
  await rotate(files.log);
  // HAProxy takes O_APPEND from what it writes to, so each one that is started gets a file of its own.
  const requestFile = path.join(files.requests, `${Date.now()}.log`);
  const [log, requests] = await Promise.all([open(files.log, 'a', 0o600), open(requestFile, 'wx', 0o600)]);
  const exit: { status: string | null } = { status: null };
  let child: ChildProcess;
  const before = (await log.stat()).size;
  try {
    child = spawn(program, ['-W', '-S', `${files.master},mode,600`, '-f', files.config], {
      detached: true,
      stdio: ['ignore', requests.fd, log.fd, requests.fd, ...sockets.map(({ fd }) => fd)],
      cwd: '/',
      env: {
        PATH: process.env['PATH'] ?? '',
        TZ: process.env['TZ'] ?? '',
        [secondLogVariable]: 'fd@3',
        ...Object.fromEntries(sockets.map(({ variable }, i) => [variable, `fd@${i + 4}`])),
      },
    });
    child.on('error', (error) => (exit.status = error.message));
    child.on('exit', (code, by) => (exit.status ??= by === null ? `it ended with status ${code}` : `ended by ${by}`));
    child.unref();
  } finally {
    await Promise.all([log.close(), requests.close()]);
  }
  const { pid = 0 } = child;
  const deadline = performance.now() + startMs;
  while (performance.now() < deadline) {
    if (exit.status !== null) {
      throw new HaproxyStartError(await reasonOf(files.log, before, exit.status), files.log);
    }
    const info = await infoOf(files, signal);
    const started = await startOf(pid);
    if (info !== null && started !== null && (await workersOf(files, signal)).current === info.pid) {
      const running = { pid, started, since: Date.now(), listen: settings.http };
      child.once('exit', onExit);
      await replaceFile(files.running, `${JSON.stringify(running)}\n`);
      return running;
    }
    await sleep(pollMs, undefined, { signal });
  }
  throw new HaproxyStartError(`it did not answer within ${startMs} ms`, files.log);
}

/** Workers whose master was killed hold the ports; they are ended before a new master is started. */
async function endOrphans(files: StateFiles, signal: AbortSignal): Promise<void> {
  const orphan = await infoOf(files, signal);
  if (orphan === null || !(await isOurs(orphan.pid, files))) return;
  process.kill(orphan.pid, 'SIGKILL');
  while ((await startOf(orphan.pid)) !== null) await sleep(pollMs, undefined, { signal });
}

async function isOurs(pid: number, files: StateFiles): Promise<boolean> {
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return commandLine.split('\0').includes(files.config);
}

export interface WorkerInfo {
  readonly pid: number;
  readonly structure: string;
  readonly stopping: boolean;
}

/** What the newest process says of itself; null when it does not answer. */
export async function infoOf(files: StateFiles, signal: AbortSignal): Promise<WorkerInfo | null> {
  try {
    return parseInfo(await ask(files.admin, 'show info', signal));
  } catch (error) {
    if (signal.aborted) throw error;
    return null;
  }
}

function parseInfo(answer: string): WorkerInfo | null {
  const pid = Number(/^Pid: (\d+)$/m.exec(answer)?.[1] ?? 0);
  if (pid === 0) return null;
  return {
    pid,
    structure: /^description: veza-(\S*)$/m.exec(answer)?.[1] ?? '',
    stopping: /^Stopping: 1$/m.test(answer),
  };
}

/** The processes of a master. */
export async function workersOf(files: StateFiles, signal: AbortSignal): Promise<Workers> {
  let answer: string;
  try {
    answer = await ask(files.master, 'show proc', signal);
  } catch (error) {
    if (signal.aborted) throw error;
    return { current: null, leaving: [], failedReloads: 0 };
  }
  const [now = '', old = ''] = answer.split('# old workers');
  const [current = null] = processes(now);
  const replaced = processes(old);
  const all = [...(current === null ? [] : [current]), ...replaced];
  return {
    current: current?.pid ?? null,
    // Each was replaced when the next one was started; if that is gone, not after one that came later.
    leaving: replaced.map(({ pid, reloads }) => {
      const later = all.filter((other) => other.reloads < reloads).map(({ upMs }) => upMs);
      return { pid, leftForMs: Math.max(0, ...later) };
    }),
    failedReloads: Number(/\[failed: (\d+)\]/.exec(answer)?.[1] ?? 0),
  };
}

/** Lines of `show proc` (management.txt, 9.4): process id, type, reloads it has seen, time since its start. */
function processes(text: string): readonly { readonly pid: number; readonly reloads: number; readonly upMs: number }[] {
  return [...text.matchAll(/^(\d+)\s+worker\s+(\d+)\s+(\d+)d(\d+)h(\d+)m(\d+)s/gm)].map((line) => {
    const [pid = 0, reloads = 0, days = 0, hours = 0, minutes = 0, seconds = 0] = line.slice(1).map(Number);
    return { pid, reloads, upMs: (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000 };
  });
}

/** Sends a command to one process of a master, also to one that was replaced; null when it is gone. */
export async function askWorker(
  files: StateFiles,
  pid: number,
  command: string,
  signal: AbortSignal,
): Promise<string | null> {
  try {
    return await ask(files.master, `@!${pid} ${command}`, signal);
  } catch (error) {
    if (signal.aborted || isAlive(pid)) throw error;
    return null;
  }
}

/**
 * Lets HAProxy take the configuration in the state folder without losing a connection: the listening sockets go to a new
 * process. Resolves when every new request follows it: the new process has the sockets, and those that were replaced
 * pass on what still comes over kept connections.
 *
 * @throws HaproxyStartError when the new process could not be started; the old one goes on
 */
export async function reloadHaproxy(files: StateFiles, signal: AbortSignal): Promise<void> {
  const before = await workersOf(files, signal);
  const logged = await stat(files.log).then(
    (status) => status.size,
    () => 0,
  );
  await ask(files.master, 'reload', signal);
  const deadline = performance.now() + startMs;
  while (performance.now() < deadline) {
    const workers = await workersOf(files, signal);
    if (workers.failedReloads > before.failedReloads) {
      throw new HaproxyStartError(await reasonOf(files.log, logged, 'it refused its new configuration'), files.log);
    }
    if (workers.current !== null && workers.current !== before.current) {
      const info = await infoOf(files, signal);
      if (info?.pid === workers.current && (await allLeave(files, pidsOf(workers.leaving), signal))) return;
    }
    await sleep(pollMs, undefined, { signal });
  }
  throw new HaproxyStartError(`it did not take its new configuration within ${startMs} ms`, files.log);
}

export const pidsOf = (processes: readonly LeavingProcess[]): readonly number[] => processes.map(({ pid }) => pid);

async function allLeave(files: StateFiles, pids: readonly number[], signal: AbortSignal): Promise<boolean> {
  for (const pid of pids) {
    const answer = await askWorker(files, pid, 'show info', signal);
    const info = answer === null ? null : parseInfo(answer);
    if (info !== null && !info.stopping) return false;
    if (info === null && isAlive(pid) && (await workersOf(files, signal)).leaving.some((other) => other.pid === pid)) {
      return false;
    }
  }
  return true;
}

/**
 * Stops the HAProxy of a state folder: it takes no new connections and answers what is in flight.
 *
 * @param drainMs milliseconds for what is in flight; what is left then is cut
 * @returns false when none was running
 * @throws HaproxyStartError when it does not end
 */
export async function stopHaproxy(
  stateDir: string,
  drainMs = 10_000,
  signal = AbortSignal.timeout(drainMs + 15_000),
): Promise<boolean> {
  const files = stateFiles(stateDir);
  const { running } = await findHaproxy(files);
  // Whoever watches it must know that it is meant to be gone.
  await rm(files.running, { force: true });
  releaseSockets(files.folder);
  if (running === null) return false;
  const { current, leaving } = await workersOf(files, signal);
  const workers = [...(current === null ? [] : [current]), ...pidsOf(leaving)];
  if (drainMs > 0) process.kill(running.pid, 'SIGUSR1');
  const until = performance.now() + drainMs;
  const gone = async (): Promise<boolean> => (await startOf(running.pid)) !== running.started;
  while (!(await gone()) && performance.now() < until) await sleep(pollMs, undefined, { signal });
  if (!(await gone())) process.kill(running.pid, 'SIGTERM');
  const killAt = performance.now() + 5_000;
  while (!(await gone())) {
    if (performance.now() > killAt)
      for (const pid of [running.pid, ...workers]) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    if (signal.aborted) throw new HaproxyStartError(`process ${running.pid} does not end`, files.log);
    await sleep(pollMs);
  }
  return true;
}

async function rotate(logFile: string): Promise<void> {
  const size = await stat(logFile).then(
    (status) => status.size,
    () => 0,
  );
  if (size > maxLogBytes) await rename(logFile, `${logFile}.1`);
}

/** What HAProxy said about why it could not start. */
async function reasonOf(logFile: string, from: number, otherwise: string): Promise<string> {
  const text = (await readFile(logFile)).subarray(from).toString();
  const alerts = text
    .split('\n')
    .filter((line) => line.includes('[ALERT]') && !/Exiting|exited|All workers|Fatal errors|Error\(s\)/.test(line))
    .map((line) => line.replace(/^.*?\(\d+\) : /, ''));
  return alerts.length === 0 ? otherwise : alerts.join(' ');
}
