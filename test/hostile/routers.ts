import { fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { freePort } from '../../src/system/free-port.ts';
import type { GatewaySettings } from '../../src/core/gateway-settings.ts';
import { plainEdge, type Endpoint, type RouteTableEntry } from '../../src/core/route-table.ts';
import { createGatewayRouter, stopGateway } from '../../src/drivers/router/gateway/gateway-router.ts';

// The routers that the cases go through: our gateway, and HAProxy as reference.

/** A router in front of one instance. */
export interface RouterUnderFire {
  readonly name: 'gateway' | 'haproxy';
  readonly version: string;
  readonly port: number;
  /** Port for TLS with HTTP/2; null when there is none. */
  readonly tlsPort: number | null;
  /** Process ids of everything that works for it. */
  pids(): Promise<readonly number[]>;
  /** Bytes that are in use after a collection; null when it cannot say. */
  liveBytes(): Promise<number | null>;
  /** What it wrote to its log that nobody should cause. */
  complaints(): Promise<readonly string[]>;
  end(): Promise<void>;
}

export interface GatewayFireOptions {
  readonly limits?: Readonly<Record<string, number>>;
  /** PEM texts; adds a listener with TLS and HTTP/2. */
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly proxy?: Partial<Record<keyof RouteTableEntry['proxy'], number | null>>;
}

const entryFor = async (instance: Endpoint, proxy: GatewayFireOptions['proxy']): Promise<RouteTableEntry> =>
  ({
    service: 'web',
    public: { hosts: [], paths: ['/'], sticky: false, canaryHeader: null },
    internalPort: await freePort('127.0.0.1', 0),
    proxy: { responseTimeoutMs: 5_000, idleTimeoutMs: 5_000, maxBodyBytes: null, drainMs: 500, ...proxy },
    edge: plainEdge,
    stable: 'blue',
    candidateWeight: 0,
    endpoints: { blue: [instance], green: [] },
    releases: { blue: 'rel_hostile', green: null },
  }) as unknown as RouteTableEntry;

const ownVersion = async (): Promise<string> => {
  const manifest: unknown = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
  return (manifest as { readonly version: string }).version;
};

/**
 * What one worker of the gateway does, in a process of its own: all of the path of a request, without supervisor and state
 * on disk. Starts in a fraction of a second, and its memory is that of the traffic alone.
 */
export async function startDataPlane(instance: Endpoint, options: GatewayFireOptions = {}): Promise<RouterUnderFire> {
  const entry = await entryFor(instance, options.proxy);
  const settings = JSON.stringify({
    entry,
    limits: { connectTimeoutMs: 1_000, ...options.limits },
    tls: options.tls ?? null,
  });
  const program = new URL('./data-plane-program.ts', import.meta.url);
  const child = fork(program, [settings], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], execArgv: ['--expose-gc'] });
  const errors: string[] = [];
  child.stderr?.on('data', (chunk: Buffer) => errors.push(chunk.toString()));
  const ended = once(child, 'exit');
  const started = await Promise.race([once(child, 'message'), ended.then(() => null)]);
  if (started === null) throw new Error(`the data plane did not start: ${errors.join('')}`);
  const [{ port, tlsPort }] = started as [{ readonly port: number; readonly tlsPort: number | null }];
  return {
    name: 'gateway',
    version: await ownVersion(),
    port,
    tlsPort,
    pids: async () => (child.exitCode === null && child.pid !== undefined ? [child.pid] : []),
    async liveBytes() {
      const answer = once(child, 'message');
      child.send('memory');
      const [{ live }] = (await answer) as [{ readonly live: number }];
      return live;
    },
    complaints: async () => (child.exitCode === null ? errors : [...errors, `it ended with status ${child.exitCode}`]),
    async end() {
      child.disconnect();
      await ended;
    },
  };
}

const fireSettings: GatewaySettings = {
  workers: 2,
  http: { host: '127.0.0.1', port: 0 },
  https: null,
  accessLog: null,
  lingerMs: 1_000,
};

/** Our gateway as it is started by `veza up`, with one service whose only instance this is. */
export async function startGateway(instance: Endpoint, options: GatewayFireOptions = {}): Promise<RouterUnderFire> {
  const stateDir = await mkdtemp(path.join(os.tmpdir(), 'veza-hostile-'));
  const signal = AbortSignal.timeout(30_000);
  const router = await createGatewayRouter(
    { stateDir, settings: fireSettings, limits: { connectTimeoutMs: 1_000, ...options.limits } },
    signal,
  );
  await router.write({ epoch: 1, version: 1 }, await entryFor(instance, options.proxy), signal);
  return {
    name: 'gateway',
    version: await ownVersion(),
    port: router.listen.port,
    tlsPort: null,
    pids: () => familyOf(router.pid),
    liveBytes: async () => null,
    async complaints() {
      const log = await readFile(path.join(stateDir, 'gateway', 'gateway.log'), 'utf8');
      const bad = /"event":"(?:uncaught|unhandled-rejection|request-failed|control-failed|worker-died)"|Warning/;
      return log.split('\n').filter((line) => bad.test(line));
    },
    async end() {
      await router.close();
      await stopGateway(stateDir, 0);
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

/** The process and its children, grandchildren ... */
async function familyOf(pid: number): Promise<readonly number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const children = text.split(' ').filter(Boolean).map(Number);
  return [pid, ...(await Promise.all(children.map(familyOf))).flat()];
}

/** Resident bytes of these processes together (VmRSS of /proc/PID/status). */
export async function residentBytes(pids: readonly number[]): Promise<number> {
  const sizes = await Promise.all(
    pids.map(async (pid) => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1_024;
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** The first line of `haproxy -v`, or null when it is not installed. */
export function haproxyVersion(): string | null {
  const { status, stdout } = spawnSync('haproxy', ['-v'], { encoding: 'utf8' });
  return status === 0 ? (stdout.split('\n')[0] ?? '').replace(/ - .*/, '') : null;
}

/** HAProxy as it comes: strict parsing is its default, nothing of it is loosened. */
const configuration = (port: number, instance: Endpoint): string => `global
    maxconn 4000
    nbthread 1
defaults
    mode http
    option http-keep-alive
    http-reuse safe
    timeout connect 1s
    timeout client 10s
    timeout server 10s
    timeout http-request 10s
frontend public
    bind 127.0.0.1:${port}
    default_backend instance
backend instance
    server recording ${instance.host}:${instance.port}
`;

export async function startHaproxy(instance: Endpoint): Promise<RouterUnderFire> {
  const version = haproxyVersion();
  if (version === null) throw new Error('haproxy is not installed');
  const folder = await mkdtemp(path.join(os.tmpdir(), 'veza-hostile-haproxy-'));
  const file = path.join(folder, 'haproxy.cfg');
  const port = await freePort('127.0.0.1', 0);
  await writeFile(file, configuration(port, instance));
  const child = spawn('haproxy', ['-db', '-q', '-f', file], { stdio: ['ignore', 'ignore', 'ignore'] });
  const ended = once(child, 'exit');
  const deadline = performance.now() + 10_000;
  while (!(await accepts(port))) {
    if (child.exitCode !== null || performance.now() > deadline) throw new Error('haproxy does not start');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    name: 'haproxy',
    version,
    port,
    tlsPort: null,
    pids: async () => (child.pid === undefined ? [] : [child.pid]),
    liveBytes: async () => null,
    complaints: async () => [],
    async end() {
      child.kill('SIGKILL');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
