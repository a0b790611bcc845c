import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../src/system/free-port.ts';
import { DockerRig } from '../contract/docker-rig.ts';
import { until } from '../contract/router-instance.ts';

const run = promisify(execFile);
const system = { ...process.env, PATH: `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin${delimiter}/sbin` };

/** OpenSSH's server is there. */
export const sshAvailable = spawnSync('sh', ['-c', 'command -v sshd'], { env: system }).status === 0;

/** What the hosts of a test have in common: a key, who they are, and an `ssh` that knows both, in a folder for PATH. */
export class HostRigs {
  readonly folder: string;
  readonly #hosts: HostRig[] = [];
  readonly #path = process.env['PATH'];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async start(): Promise<HostRigs> {
    const folder = await mkdtemp(join(tmpdir(), 'veza-hosts-'));
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'key')]);
    const bin = join(folder, 'bin');
    await mkdir(bin);
    const { stdout: ssh } = await run('sh', ['-c', 'command -v ssh']);
    await writeFile(join(bin, 'ssh'), `#!/bin/sh\nexec ${ssh.trim()} -F ${join(folder, 'config')} "$@"\n`);
    await chmod(join(bin, 'ssh'), 0o755);
    const known = join(folder, 'known');
    await writeFile(
      join(folder, 'config'),
      `IdentityFile ${join(folder, 'key')}\nUserKnownHostsFile ${known}\nStrictHostKeyChecking yes\n`,
    );
    await writeFile(known, '');
    process.env['PATH'] = `${bin}${delimiter}${process.env['PATH'] ?? ''}`;
    return new HostRigs(folder);
  }

  /** @param address of this machine that the host has for itself; it is taken away in the end */
  async host(name: string, address: string): Promise<HostRig> {
    const host = await HostRig.start(this.folder, name, address);
    this.#hosts.push(host);
    return host;
  }

  async end(): Promise<void> {
    for (const host of this.#hosts) await host.end();
    process.env['PATH'] = this.#path;
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A Docker host as far as one machine can have several: an Engine and an SSH server of its own, and an address. */
export class HostRig {
  readonly name: string;
  readonly address: string;
  readonly engine: DockerRig;
  readonly #configuration: string;
  readonly #port: number;
  #sshd: ChildProcess | null = null;

  private constructor(name: string, address: string, engine: DockerRig, configuration: string, port: number) {
    this.name = name;
    this.address = address;
    this.engine = engine;
    this.#configuration = configuration;
    this.#port = port;
  }

  static async start(folder: string, name: string, address: string): Promise<HostRig> {
    await addAddress(address);
    const engine = await DockerRig.start();
    const own = join(folder, name);
    await mkdir(own);
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(own, 'host_key')]);
    const port = await freePort('127.0.0.1', 0);
    await writeFile(
      join(own, 'sshd_config'),
      [
        `Port ${port}`,
        'ListenAddress 127.0.0.1',
        `HostKey ${join(own, 'host_key')}`,
        `AuthorizedKeysFile ${join(folder, 'key.pub')}`,
        `PidFile ${join(own, 'pid')}`,
        'StrictModes no',
        'PasswordAuthentication no',
        'MaxStartups 200',
        'MaxSessions 200',
        `SetEnv DOCKER_HOST=unix://${engine.socket}`,
        '',
      ].join('\n'),
    );
    const key = (await readFile(join(own, 'host_key.pub'), 'utf8')).trim();
    const known = await readFile(join(folder, 'known'), 'utf8');
    await writeFile(join(folder, 'known'), `${known}[127.0.0.1]:${port} ${key}\n`);
    // Privilege separation wants it.
    await mkdir('/run/sshd', { recursive: true });
    const host = new HostRig(name, address, engine, join(own, 'sshd_config'), port);
    await host.#up();
    return host;
  }

  get destination(): string {
    return `root@127.0.0.1:${this.#port}`;
  }

  async #up(): Promise<void> {
    const { stdout } = await run('sh', ['-c', 'command -v sshd'], { env: system });
    // Its sessions belong to its group, and die with it.
    const child = spawn(stdout.trim(), ['-D', '-e', '-f', this.#configuration], { stdio: 'ignore', detached: true });
    this.#sshd = child;
    await until(() => listens(this.#port), `sshd of ${this.name} listens`);
  }

  /** As when the power fails: the Engine, its containers, and the way in. */
  async die(): Promise<void> {
    const { stdout } = await run('docker', ['--host', `unix://${this.engine.socket}`, 'ps', '--quiet']);
    const ids = stdout.trim().split('\n').filter(Boolean);
    const format = ['inspect', '--format', '{{.State.Pid}}', ...ids];
    const pids =
      ids.length === 0 ? '' : (await run('docker', ['--host', `unix://${this.engine.socket}`, ...format])).stdout;
    // What publishes ports would outlive the Engine, and go on accepting connections.
    const proxies = await childrenOf(this.engine.pid);
    await this.#down();
    const dying = this.engine.down('SIGKILL');
    for (const pid of [...pids.trim().split('\n').filter(Boolean), ...proxies]) killed(Number(pid));
    await dying;
  }

  async comeBack(): Promise<void> {
    await this.engine.up();
    await this.#up();
  }

  async #down(): Promise<void> {
    const child = this.#sshd;
    this.#sshd = null;
    if (child?.pid === undefined || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    // Sessions put themselves into groups of their own.
    const sessions = await childrenOf(child.pid);
    child.kill('SIGKILL');
    for (const pid of sessions) killed(Number(pid));
    await ended;
  }

  async end(): Promise<void> {
    await this.#down();
    await this.engine.end();
    await run('ip', ['address', 'del', `${this.address}/32`, 'dev', 'lo'], { env: system }).catch(() => undefined);
  }
}

/** Gives this machine one more address. */
export async function addAddress(address: string): Promise<void> {
  await run('ip', ['address', 'replace', `${address}/32`, 'dev', 'lo'], { env: system });
}

export async function removeAddress(address: string): Promise<void> {
  await run('ip', ['address', 'del', `${address}/32`, 'dev', 'lo'], { env: system }).catch(() => undefined);
}

async function childrenOf(pid: number | null): Promise<readonly string[]> {
  const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(pid ?? 0)]).catch(() => ({ stdout: '' }));
  return stdout.trim().split(/\s+/).filter(Boolean);
}

function killed(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
