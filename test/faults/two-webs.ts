import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ApiClient } from '../../src/api/client.ts';
import { controlSocketPath } from '../../src/api/local-socket.ts';
import { freePort } from '../../src/system/free-port.ts';

const run = promisify(execFile);
const demoWeb = join(import.meta.dirname, '../../examples/demo/services/web');
const entry = join(import.meta.dirname, 'control-plane-with-kill.ts');
const startMs = 60_000;

export type Service = 'web' | 'shop';
export const services: readonly Service[] = ['web', 'shop'];

/** Where a control plane shall kill itself. */
export interface Kill {
  readonly at: number;
  readonly side: 'before' | 'after';
}

/** Two services of the demo's web, without a database, so that one deployment takes seconds: `web.local` and `shop.local`. */
export class TwoWebs {
  readonly dir: string;
  readonly port: number;
  readonly client: ApiClient;
  readonly notesFile: string;
  #process: ChildProcess | null = null;

  private constructor(dir: string, port: number) {
    this.dir = dir;
    this.port = port;
    this.notesFile = join(dir, 'appends.txt');
    this.client = new ApiClient({ socketPath: controlSocketPath(this.stateDir), stateDir: this.stateDir, by: 'test' });
  }

  static async create(strategy: Readonly<Record<string, unknown>>): Promise<TwoWebs> {
    const dir = await mkdtemp(join(tmpdir(), 'veza-faults-'));
    const platform = new TwoWebs(dir, await freePort('127.0.0.1', 0));
    for (const service of services) {
      await mkdir(join(dir, service));
      await cp(demoWeb, join(dir, service), { recursive: true, filter: (path) => !path.includes('node_modules') });
    }
    const common = {
      build: 'npm ci --omit=dev --no-audit --no-fund --prefer-offline',
      run: 'node server.ts',
      instances: 2,
      health: {
        startup: { path: '/health', interval: '50ms', failures: 600 },
        readiness: { path: '/ready', interval: '500ms', failures: 4, timeout: '5s' },
        stableFor: '0ms',
      },
      proxy: { drain: '300ms' },
      gates: { smoke: ['/ready'] },
      strategy,
    };
    const declared = {
      name: 'two-webs',
      services: Object.fromEntries(
        services.map((name) => [name, { ...common, source: name, route: { hosts: [`${name}.local`] } }]),
      ),
      environments: {
        development: {
          target: { kind: 'process', listen: `127.0.0.1:${platform.port}`, ports: '23200-23399' },
          gates: { idle: 'pause' },
        },
      },
    };
    await writeFile(
      join(dir, 'veza.config.ts'),
      `import { definePlatform } from 'veza-deploy';\n\nexport default definePlatform(${JSON.stringify(declared, null, 2)});\n`,
    );
    await writeFile(join(dir, '.gitignore'), '.veza/\nnode_modules/\n*.txt\n*.log\n');
    await platform.#git('init', '--quiet', '--initial-branch=main');
    return platform;
  }

  get stateDir(): string {
    return join(this.dir, '.veza');
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Builds a version of both services; returns the releases by service. */
  async build(version: string): Promise<Readonly<Record<Service, string>>> {
    for (const service of services) {
      const file = join(this.dir, service, 'behaviour.json');
      const before = JSON.parse(await readFile(file, 'utf8')) as object;
      await writeFile(file, `${JSON.stringify({ ...before, version }, null, 2)}\n`);
    }
    await this.#git('add', '--all');
    await this.#git('commit', '--quiet', '--allow-empty', '--message', version);
    const { releases } = await this.client.stream('build', { body: { services } }, { onItem: () => {} });
    const id = (service: Service): string => releases.find((release) => release.service === service)?.id ?? '';
    return { web: id('web'), shop: id('shop') };
  }

  /** Starts a control plane and waits until it answers. */
  async up(kill: Kill | null): Promise<void> {
    await writeFile(this.notesFile, '');
    await mkdir(this.stateDir, { recursive: true, mode: 0o700 });
    const log = openSync(join(this.dir, 'control.log'), 'a');
    const child = spawn(
      process.execPath,
      [
        entry,
        '--project',
        this.dir,
        '--state-dir',
        this.stateDir,
        '--notes',
        this.notesFile,
        ...(kill === null ? [] : ['--kill-at', String(kill.at), '--side', kill.side]),
      ],
      { cwd: this.dir, stdio: ['ignore', log, log, 'ipc'] },
    );
    closeSync(log);
    this.#process = child;
    const ready = once(child, 'message', { signal: AbortSignal.timeout(startMs) });
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the control plane ended with ${String(code)} before it answered`);
    });
    await Promise.race([ready, ended]);
    ended.catch(() => undefined);
    child.disconnect();
  }

  /** True when the control plane that was started has ended. */
  get isDown(): boolean {
    return this.#process === null || this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** Ends the control plane as a crash would. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child === null || this.isDown) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Appends since the last deployment was requested, as the control plane noted them: "5 effect-done dep_2/0/starting/3". */
  async notes(): Promise<readonly string[]> {
    return (await readFile(this.notesFile, 'utf8')).split('\n').filter((line) => line !== '');
  }

  async log(lines: number): Promise<string> {
    const text = await readFile(join(this.dir, 'control.log'), 'utf8');
    return text.trimEnd().split('\n').slice(-lines).join('\n');
  }

  /** Process ids of everything that runs an artifact of this platform. */
  async instancePids(): Promise<readonly number[]> {
    const pids: number[] = [];
    for (const name of await readdir('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      const cwd = await readlink(`/proc/${name}/cwd`).catch(() => '');
      if (cwd.startsWith(`${this.stateDir}/store/`)) pids.push(Number(name));
    }
    return pids;
  }

  async remove(): Promise<void> {
    if (this.isDown) await this.up(null);
    const child = this.#process;
    const gone = child === null ? null : once(child, 'exit');
    await this.client.stream('down', { body: {} }, { onItem: () => {} });
    await this.client.close();
    await gone;
    await run('chmod', ['-R', 'u+w', this.dir]);
    await rm(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }

  async #git(...args: readonly string[]): Promise<void> {
    const who = ['-c', 'user.name=test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgsign=false'];
    await run('git', [...who, ...args], { cwd: this.dir });
  }
}
