import { spawn, execFile, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { assembleImage } from '../../src/build/image/assemble.ts';
import { dockerArchive } from '../../src/build/image/docker-archive.ts';
import { ImageLayout } from '../../src/build/image/layout.ts';
import { makeMachineBase } from '../../src/build/image/machine-base.ts';
import { digestOf } from '../../src/build/digest.ts';
import { DockerClient } from '../../src/drivers/runtime/docker/api/client.ts';
import type { ImageSupply } from '../../src/drivers/runtime/docker/image-supply.ts';

const run = promisify(execFile);
const never = new AbortController().signal;

/** A Docker Engine of the tests' own, beside whatever the machine has. */
export class DockerRig {
  readonly folder: string;
  readonly #liveRestore: boolean;
  #daemon: ChildProcess | null = null;
  #log = '';

  private constructor(folder: string, liveRestore: boolean) {
    this.folder = folder;
    this.#liveRestore = liveRestore;
  }

  get socket(): string {
    return join(this.folder, 'docker.sock');
  }

  /** @param liveRestore containers go on while the daemon is away */
  static async start({ liveRestore = false } = {}): Promise<DockerRig> {
    const rig = new DockerRig(mkdtempSync(join(tmpdir(), 'veza-dockerd-')), liveRestore);
    await rig.up();
    return rig;
  }

  /** Of the daemon; null while it is down. */
  get pid(): number | null {
    return this.#daemon?.pid ?? null;
  }

  /** Starts the daemon, again after `kill`. Containers need their bridge and this machine, and no translation of addresses. */
  async up(): Promise<void> {
    const own = ['data-root:data', 'exec-root:exec', 'pidfile:pid'].flatMap((pair) => {
      const [name = '', file = ''] = pair.split(':');
      return [`--${name}`, join(this.folder, file)];
    });
    const without = ['--bridge=none', '--iptables=false', '--ip6tables=false'];
    const daemon = spawn(
      'dockerd',
      [...own, '--host', `unix://${this.socket}`, ...without, ...(this.#liveRestore ? ['--live-restore'] : [])],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
      },
    );
    this.#daemon = daemon;
    let failure = '';
    daemon.once('error', (error) => (failure = error.message));
    daemon.stderr.on('data', (chunk: Buffer) => (this.#log = (this.#log + chunk.toString('utf8')).slice(-4_000)));
    const client = new DockerClient({ kind: 'socket', path: this.socket });
    try {
      for (const deadline = performance.now() + 60_000; ;) {
        const answered = await client.info(AbortSignal.timeout(5_000)).then(
          () => true,
          () => false,
        );
        if (answered) return;
        if (failure !== '' || daemon.exitCode !== null || performance.now() > deadline) {
          throw new Error(`dockerd did not start (is docker.io installed?): ${failure}\n${this.#log}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    } finally {
      client.close();
    }
  }

  /** Ends the daemon. */
  async down(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = null;
    if (daemon === null || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const ended = new Promise((resolve) => daemon.once('exit', resolve));
    daemon.kill(signal);
    await ended;
    if (signal === 'SIGKILL') this.#forgetContainerd();
  }

  /**
   * A killed daemon takes its containerd along (PDEATHSIG). Where nobody buries it, the next daemon takes the zombie for alive, and
   * waits for it in vain; with a containerd that is a service of its own, as in an installation, there is no such file.
   */
  #forgetContainerd(): void {
    rmSync(join(this.folder, 'exec', 'containerd', 'containerd.pid'), { force: true });
  }

  /** Removes containers and networks, ends the daemon, and leaves nothing. */
  async end(): Promise<void> {
    await this.clear();
    await this.down();
    // What a killed daemon has left mounted keeps its folder.
    const { stdout } = await run('findmnt', ['--raw', '--noheadings', '--output', 'TARGET']).catch(() => ({
      stdout: '',
    }));
    const mounts = stdout.split('\n').filter((path) => path.startsWith(`${this.folder}/`));
    for (const path of mounts.toReversed()) await run('umount', ['--lazy', path]).catch(() => undefined);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Removes every container and network of ours. */
  async clear(): Promise<void> {
    const client = new DockerClient({ kind: 'socket', path: this.socket });
    try {
      for (const { id } of await client.list({}, never)) await client.remove(id, never);
      for (const name of this.networks) {
        const network = await client.findNetwork(name, never);
        if (network !== null) await client.removeNetwork(network.Id, never);
      }
    } finally {
      client.close();
    }
  }

  readonly networks: string[] = [];
}

/** Images of folders, made in a layout of the tests' own. The base takes seconds, and is made once for all test files. */
export async function rigImages(layoutDir: string): Promise<ImageSupply> {
  const layout = await ImageLayout.open(layoutDir);
  const base = await makeMachineBase(layout, never);
  return {
    async imageOf(artifactDir, signal) {
      const image = await assembleImage(
        {
          layout,
          base,
          baseName: null,
          artifact: digestOf(artifactDir),
          artifactDir,
          service: 'fixture',
          run: ['node', 'server.js'],
          healthcheck: null,
          annotations: {},
        },
        signal,
      );
      return { id: image.config, archive: () => dockerArchive(layout, image, []) };
    },
    check: async () => undefined,
  };
}
