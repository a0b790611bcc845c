import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ApiClient } from '../../src/api/client.ts';
import { controlSocketPath } from '../../src/api/local-socket.ts';
import type { DeploymentView, EventView } from '../../src/api/schemas.ts';
import { startDetached } from '../../src/cli/control-process.ts';
import { followDeployment } from '../../src/cli/follow.ts';
import { freePort } from '../../src/system/free-port.ts';
import { isAlive } from '../../src/system/is-alive.ts';

const run = promisify(execFile);

/** What is deployed and how: the argument of `definePlatform`, and the files beside it. */
export interface Declared {
  readonly platform: (port: number) => Readonly<Record<string, unknown>>;
  /** By path, relative to the folder. */
  readonly files: Readonly<Record<string, string>>;
}

export interface Deployed {
  /** UTC milliseconds. */
  readonly requestedAt: number;
  readonly view: DeploymentView;
  readonly events: readonly EventView[];
}

/** A platform in a folder of its own, with a control plane and a gateway of its own. */
export class BenchPlatform {
  readonly dir: string;
  /** Of the gateway, on loopback. */
  readonly port: number;
  readonly client: ApiClient;
  /** One build at a time: they share the working tree. */
  #building: Promise<unknown> = Promise.resolve();

  private constructor(dir: string, port: number) {
    this.dir = dir;
    this.port = port;
    this.client = new ApiClient({ socketPath: controlSocketPath(this.stateDir), stateDir: this.stateDir, by: 'bench' });
  }

  get stateDir(): string {
    return join(this.dir, '.veza');
  }

  static async start(declared: Declared, signal: AbortSignal): Promise<BenchPlatform> {
    const dir = await mkdtemp(join(tmpdir(), 'veza-bench-'));
    const platform = new BenchPlatform(dir, await freePort('127.0.0.1', 0));
    await writeFile(join(dir, '.gitignore'), '.veza/\n');
    await platform.write(declared.files);
    await platform.declare(declared.platform(platform.port));
    await platform.#git('init', '--quiet', '--initial-branch=main');
    await startDetached({ dir, stateDir: platform.stateDir }, { signal, onProgress: () => {} });
    return platform;
  }

  async declare(platform: Readonly<Record<string, unknown>>): Promise<void> {
    const text = `import { definePlatform } from 'veza-deploy';\n\nexport default definePlatform(${JSON.stringify(platform, null, 2)});\n`;
    await writeFile(join(this.dir, 'veza.config.ts'), text);
  }

  async write(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [file, text] of Object.entries(files)) {
      await mkdir(join(this.dir, dirname(file)), { recursive: true });
      await writeFile(join(this.dir, file), text);
    }
  }

  /** Writes files, commits them and builds; ids of the releases by service. */
  async build(
    message: string,
    files: Readonly<Record<string, string>>,
    services: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, string>> {
    const mine = this.#building
      .catch(() => undefined)
      .then(async () => {
        await this.write(files);
        await this.#git('add', '--all');
        await this.#git('commit', '--quiet', '--allow-empty', '--message', message);
        const { releases } = await this.client.stream('build', { body: { services } }, { signal, onItem: () => {} });
        return new Map(releases.map(({ service, id }) => [service, id]));
      });
    this.#building = mine;
    return mine;
  }

  /** Deploys a release and waits for the end of it, `limitMs` at most. */
  async deploy(release: string, signal: AbortSignal, limitMs = 60_000): Promise<Deployed> {
    const requestedAt = Date.now();
    const { deployments } = await this.client.call('deploy', { body: { releases: [release] } }, { signal });
    const id = deployments[0]?.id ?? '';
    const view = await followDeployment(this.client, id, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(limitMs)]),
      now: Date.now,
      patienceMs: 0,
      onView: () => {},
      onAway: () => {},
      until: () => false,
    });
    const events: EventView[] = [];
    await this.client.stream(
      'events',
      { query: { deployment: id } },
      { signal, onItem: (event) => void events.push(event) },
    );
    return { requestedAt, view, events };
  }

  async stop(): Promise<void> {
    const { pid } = await this.client.call('info', {});
    await this.client.stream('down', { body: {} }, { onItem: () => {} });
    await this.client.close();
    while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
    await run('chmod', ['-R', 'u+w', this.dir]);
    await rm(this.dir, { recursive: true, force: true });
  }

  async #git(...args: readonly string[]): Promise<void> {
    const who = ['-c', 'user.name=bench', '-c', 'user.email=bench@localhost', '-c', 'commit.gpgsign=false'];
    await run('git', [...who, ...args], { cwd: this.dir });
  }
}
