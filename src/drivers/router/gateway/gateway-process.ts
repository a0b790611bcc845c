import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { open, mkdir, readFile, rename, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { controlProtocol, type GatewayHealth } from '../../../core/gateway-control.ts';
import type { GatewaySettings } from '../../../core/gateway-settings.ts';
import { socketPath } from '../../../core/socket-path.ts';
import {
  GatewayMismatchError,
  GatewayStartError,
  GatewayUnreachableError,
  GatewayUpgradeError,
} from '../../../errors.ts';
import { askGateway } from './control-client.ts';
import { isAlive } from '../../../system/is-alive.ts';

/** Milliseconds that a gateway has to answer after it was started. */
const startMs = 30_000;
/** Milliseconds that a running gateway has to replace itself. */
const upgradeMs = 45_000;
/** Milliseconds that workers have to start a supervisor in place of one that died. */
const electMs = 10_000;
/** Milliseconds that a running gateway has to say how it is. */
const healthMs = 5_000;
const maxLogBytes = 5 * 1024 * 1024;

export interface GatewayPlace {
  /** Absolute path of the state folder. */
  readonly stateDir: string;
  /** How it stands at the edge. Port 0 takes a free one, and keeps the one that a running gateway has. */
  readonly settings: GatewaySettings;
  /** Limits other than the defaults of src/gateway/limits.ts. */
  readonly limits?: Readonly<Record<string, number>>;
}

/** A running gateway and where to talk to it. */
export interface RunningGateway {
  readonly socket: string;
  readonly health: GatewayHealth;
}

export const gatewayLogFile = (stateDir: string): string => path.join(stateDir, 'gateway', 'gateway.log');

/**
 * The control socket of the state folder's gateway: where the running one says it is, else where a new one will be.
 * Looked up, since another shell may have other runtime folders in its environment.
 */
export async function controlSocket(stateDir: string): Promise<string> {
  const folder = path.join(stateDir, 'gateway');
  try {
    const running: unknown = JSON.parse(await readFile(path.join(folder, 'running.json'), 'utf8'));
    if (typeof running === 'object' && running !== null && 'socket' in running && typeof running.socket === 'string') {
      return running.socket;
    }
  } catch {
    // None is running, or its note is damaged; then the usual place is the best guess.
  }
  return socketPath({
    stateDir: folder,
    name: 'control.sock',
    runtimeDir: process.env['XDG_RUNTIME_DIR'] ?? path.join(os.tmpdir(), `veza-${process.getuid?.() ?? 'user'}`),
    hash: (text) => createHash('sha256').update(text).digest('hex'),
  });
}

/** How the state folder's gateway is; null when none answers. */
export async function findGateway(stateDir: string, signal: AbortSignal): Promise<RunningGateway | null> {
  const socket = await controlSocket(stateDir);
  try {
    const answer = await askGateway(socket, { kind: 'health' }, healthMs, signal);
    return answer.kind === 'health' ? { socket, health: answer } : null;
  } catch (error) {
    if (error instanceof GatewayUnreachableError) return null;
    throw error;
  }
}

/**
 * The state folder's gateway, started if none is running. It is a process group of its own and goes on when the caller
 * ends. One that runs with other settings, or is of another version, is replaced without losing a connection.
 *
 * @throws GatewayStartError when it ends or stays silent
 * @throws GatewayUpgradeError when it cannot be replaced
 * @throws GatewayMismatchError when it is of a version that cannot replace itself
 */
export async function ensureGateway(place: GatewayPlace, signal: AbortSignal): Promise<RunningGateway> {
  const running = await findOrStartGateway(place, signal);
  return (await isAsWanted(place, running.health)) ? running : await upgradeGateway(place, signal);
}

/** As `ensureGateway`, but one that runs is left as it is. */
export async function findOrStartGateway(place: GatewayPlace, signal: AbortSignal): Promise<RunningGateway> {
  return (await findGatewaySoon(place.stateDir, signal)) ?? (await startGateway(place, signal));
}

async function isAsWanted({ settings, limits = {} }: GatewayPlace, health: GatewayHealth): Promise<boolean> {
  if (health.protocol !== controlProtocol || health.version !== (await programVersion())) return false;
  const keptPort = <T extends { readonly port: number }>(wanted: T, running: { readonly port: number } | null): T =>
    wanted.port === 0 && running !== null ? { ...wanted, port: running.port } : wanted;
  const wanted: GatewaySettings = {
    ...settings,
    http: keptPort(settings.http, health.settings.http),
    https: settings.https === null ? null : keptPort(settings.https, health.settings.https),
  };
  return isDeepStrictEqual(wanted, health.settings) && isDeepStrictEqual(limits, health.limits);
}

/**
 * Replaces the state folder's gateway by this version with these settings: the new one gets the listening sockets and
 * the table, then the old one finishes what it has begun. No connection is refused or cut.
 *
 * @throws GatewayUpgradeError when the new one cannot start; the old one goes on
 * @throws GatewayMismatchError when the old one is of a version that cannot replace itself
 * @throws GatewayUnreachableError when none runs
 */
export async function upgradeGateway(place: GatewayPlace, signal: AbortSignal): Promise<RunningGateway> {
  const { settings, limits = {}, stateDir } = place;
  const socket = await controlSocket(stateDir);
  const answer = await askGateway(
    socket,
    { kind: 'upgrade', node: process.execPath, program: gatewayProgram(), settings, limits },
    upgradeMs,
    signal,
  );
  if (answer.kind === 'refused') {
    const { message } = answer;
    if (answer.code === 'upgrade-failed' || answer.code === 'internal')
      throw new GatewayUpgradeError(
        reasonInWords(message.replace(/^The gateway was not replaced: /, '')),
        gatewayLogFile(stateDir),
      );
    throw new GatewayMismatchError(`The running gateway is of a version that cannot replace itself: ${message}`);
  }
  const running = await findGateway(stateDir, signal);
  if (running === null) throw new GatewayUnreachableError(socket, 'it ended right after it was replaced');
  return running;
}

/** The running gateway; waits while workers of one whose supervisor has died are starting another one. */
async function findGatewaySoon(stateDir: string, signal: AbortSignal): Promise<RunningGateway | null> {
  const deadline = performance.now() + electMs;
  for (;;) {
    const running = await findGateway(stateDir, signal);
    if (running !== null || performance.now() > deadline || !(await workersLive(stateDir))) return running;
    await sleep(20, undefined, { signal });
  }
}

async function workersLive(stateDir: string): Promise<boolean> {
  try {
    const running: unknown = JSON.parse(await readFile(path.join(stateDir, 'gateway', 'running.json'), 'utf8'));
    if (typeof running !== 'object' || running === null || !('workers' in running)) return false;
    const live = await Promise.all(
      (running.workers as readonly number[]).map(async (pid) => isAlive(pid) && isOfStateFolder(pid, stateDir)),
    );
    return live.includes(true);
  } catch {
    return false;
  }
}

/** Process ids are used again. */
async function isOfStateFolder(pid: number, stateDir: string): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return commandLine.split('\0').includes(stateDir);
}

/** The same program from sources and from the built package. */
function gatewayProgram(): string {
  const extension = path.extname(fileURLToPath(import.meta.url));
  return fileURLToPath(new URL(`../../../gateway/main${extension}`, import.meta.url));
}

async function programVersion(): Promise<string> {
  const text = await readFile(new URL('../../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}

async function startGateway(place: GatewayPlace, signal: AbortSignal): Promise<RunningGateway> {
  const logFile = gatewayLogFile(place.stateDir);
  await mkdir(path.dirname(logFile), { recursive: true, mode: 0o700 });
  await rotate(logFile);
  const log = await open(logFile, 'a', 0o600);
  const before = (await log.stat()).size;
  const exit: { status: string | null } = { status: null };
  try {
    const child = spawn(
      process.execPath,
      [
        gatewayProgram(),
        '--state-dir',
        place.stateDir,
        '--socket',
        await controlSocket(place.stateDir),
        '--settings',
        JSON.stringify(place.settings),
        '--limits',
        JSON.stringify(place.limits ?? {}),
      ],
      { detached: true, stdio: ['ignore', 'ignore', log.fd], cwd: '/', env: gatewayEnvironment(place.stateDir) },
    );
    child.on('error', (error) => (exit.status = error.message));
    child.on(
      'exit',
      (code, by) => (exit.status ??= by === null ? `it ended with status ${code}` : `it was ended by ${by}`),
    );
    child.unref();
  } finally {
    await log.close();
  }
  const deadline = performance.now() + startMs;
  while (performance.now() < deadline) {
    const running = await findGateway(place.stateDir, signal);
    if (running !== null) return running;
    if (exit.status !== null) {
      const reason = (await lastError(logFile, before)) ?? exit.status;
      // Another caller was faster: its gateway is ours too, and answers soon.
      if (!reason.includes('already uses this state folder'))
        throw new GatewayStartError(reasonInWords(reason), logFile);
    }
    await sleep(20, undefined, { signal });
  }
  throw new GatewayStartError(`it did not answer within ${startMs} ms`, logFile);
}

/** What the system says about an address that cannot be listened on, in words. */
function reasonInWords(reason: string): string {
  if (reason.includes('ENOSPC')) return `the disk is full (${reason})`;
  const [, code, host = '', port = ''] = /listen (E[A-Z]+): (.+):(\d+)/.exec(reason) ?? [];
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  if (code === 'EADDRINUSE') return `another program listens on ${address}`;
  if (code === 'EACCES') return `this user may not listen on ${address}`;
  if (code === 'EADDRNOTAVAIL') return `${host} is not an address of this machine`;
  return reason;
}

/** Nothing of the caller's environment but what the system itself needs. */
function gatewayEnvironment(stateDir: string): NodeJS.ProcessEnv {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'XDG_RUNTIME_DIR', 'LANG', 'TZ'];
  const entries = kept.map((name) => [name, process.env[name]] as const).filter(([, value]) => value !== undefined);
  return {
    ...Object.fromEntries(entries),
    NODE_ENV: 'production',
    // Compiled code is kept, so that the next worker starts in a third of the time; never where others could write.
    NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? path.join(stateDir, 'gateway', 'code-cache'),
  };
}

async function rotate(logFile: string): Promise<void> {
  const size = await stat(logFile).then(
    (status) => status.size,
    () => 0,
  );
  if (size > maxLogBytes) await rename(logFile, `${logFile}.1`);
}

/** What a gateway said about why it could not start. */
async function lastError(logFile: string, from: number): Promise<string | null> {
  const lines = (await readFile(logFile)).subarray(from).toString().trim().split('\n').toReversed();
  for (const line of lines) {
    try {
      const entry: unknown = JSON.parse(line);
      if (typeof entry === 'object' && entry !== null && 'message' in entry) return String(entry.message);
    } catch {
      // A line of the Node process itself.
    }
  }
  return null;
}

/**
 * Stops the state folder's gateway: it takes no new connections, tells streams to come back, and answers what is in
 * flight.
 *
 * @param drainMs milliseconds for what is in flight
 * @returns false when none was running
 * @throws GatewayStartError never; GatewayUnreachableError when it does not end
 */
export async function stopGateway(
  stateDir: string,
  drainMs = 10_000,
  signal = AbortSignal.timeout(drainMs + 15_000),
): Promise<boolean> {
  let stopped = false;
  // One that is being replaced at this moment has a successor.
  for (;;) {
    const running = await findGatewaySoon(stateDir, signal);
    if (running === null) return stopped;
    await stopRunning(running, drainMs, signal);
    stopped = true;
  }
}

async function stopRunning({ socket, health }: RunningGateway, drainMs: number, signal: AbortSignal): Promise<void> {
  try {
    await askGateway(socket, { kind: 'stop', drainMs }, healthMs, signal);
  } catch (error) {
    if (!(error instanceof GatewayUnreachableError)) throw error;
  }
  const pids = [health.pid, ...(health.workers ?? []).map(({ pid }) => pid)];
  for (let pid = pids.find(isAlive); pid !== undefined; pid = pids.find(isAlive)) {
    if (signal.aborted) throw new GatewayUnreachableError(socket, `process ${pid} does not end`);
    await sleep(20);
  }
}
