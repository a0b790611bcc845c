import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { open, mkdir, readFile, rename, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { controlProtocol, type GatewayHealth } from '../../../core/gateway-control.ts';
import { socketPath } from '../../../core/socket-path.ts';
import { GatewayMismatchError, GatewayStartError, GatewayUnreachableError } from '../../../errors.ts';
import { askGateway } from './control-client.ts';

/** Milliseconds that a gateway has to answer after it was started. */
const startMs = 10_000;
/** Milliseconds that a running gateway has to say how it is. */
const healthMs = 5_000;
const maxLogBytes = 5 * 1024 * 1024;

export interface GatewayPlace {
  /** Absolute path of the state folder. */
  readonly stateDir: string;
  /** Address for users; port 0 takes a free one, and keeps the one that a running gateway has. */
  readonly listen: { readonly host: string; readonly port: number };
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
 * ends.
 *
 * @throws GatewayStartError when it ends or stays silent
 * @throws GatewayMismatchError when one runs with another address or protocol
 */
export async function ensureGateway(place: GatewayPlace, signal: AbortSignal): Promise<RunningGateway> {
  const running = (await findGateway(place.stateDir, signal)) ?? (await startGateway(place, signal));
  const { protocol, listen } = running.health;
  if (protocol !== controlProtocol) {
    throw new GatewayMismatchError(
      `The running gateway speaks protocol ${protocol}, this version of veza speaks ${controlProtocol}.`,
    );
  }
  const samePort = place.listen.port === 0 || place.listen.port === listen.port;
  if (!samePort || place.listen.host !== listen.host) {
    throw new GatewayMismatchError(
      `The running gateway listens on ${listen.host}:${listen.port}, wanted is ${place.listen.host}:${place.listen.port}.`,
    );
  }
  return running;
}

async function startGateway(place: GatewayPlace, signal: AbortSignal): Promise<RunningGateway> {
  const logFile = gatewayLogFile(place.stateDir);
  await mkdir(path.dirname(logFile), { recursive: true, mode: 0o700 });
  await rotate(logFile);
  const log = await open(logFile, 'a', 0o600);
  const before = (await log.stat()).size;
  const exit: { status: string | null } = { status: null };
  try {
    // The same program from sources and from the built package.
    const extension = path.extname(fileURLToPath(import.meta.url));
    const program = fileURLToPath(new URL(`../../../gateway/main${extension}`, import.meta.url));
    const child = spawn(
      process.execPath,
      [
        program,
        '--state-dir',
        place.stateDir,
        '--socket',
        await controlSocket(place.stateDir),
        '--host',
        place.listen.host,
        '--port',
        String(place.listen.port),
        '--limits',
        JSON.stringify(place.limits ?? {}),
      ],
      { detached: true, stdio: ['ignore', 'ignore', log.fd], cwd: '/', env: gatewayEnvironment() },
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
        throw new GatewayStartError(reasonInWords(reason, place.listen), logFile);
    }
    await sleep(20, undefined, { signal });
  }
  throw new GatewayStartError(`it did not answer within ${startMs} ms`, logFile);
}

/** What the system says about an address that cannot be listened on, in words. */
function reasonInWords(reason: string, { host, port }: GatewayPlace['listen']): string {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  if (reason.includes('EADDRINUSE')) return `another program listens on ${address}`;
  if (reason.includes('EACCES')) return `this user may not listen on ${address}`;
  if (reason.includes('EADDRNOTAVAIL')) return `${host} is not an address of this machine`;
  return reason;
}

/** Nothing of the caller's environment but what the system itself needs. */
function gatewayEnvironment(): NodeJS.ProcessEnv {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'XDG_RUNTIME_DIR', 'LANG', 'TZ'];
  const entries = kept.map((name) => [name, process.env[name]] as const).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(entries), NODE_ENV: 'production' };
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
  const running = await findGateway(stateDir, signal);
  if (running === null) return false;
  await askGateway(running.socket, { kind: 'stop', drainMs }, healthMs, signal);
  while (isAlive(running.health.pid)) {
    if (signal.aborted) throw new GatewayUnreachableError(running.socket, `process ${running.health.pid} does not end`);
    await sleep(20);
  }
  return true;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
