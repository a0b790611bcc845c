import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ApiClient } from '../../src/api/client.ts';
import { controlSocketPath } from '../../src/api/local-socket.ts';
import type { DeploymentView, EventView } from '../../src/api/schemas.ts';
import { startDetached } from '../../src/cli/control-process.ts';
import { followDeployment } from '../../src/cli/follow.ts';
import { freePort } from '../../src/cli/free-port.ts';

const run = promisify(execFile);

/** Answers at once; says when its process began and when it listened; fails as its release says. */
const server = (version: string, failShare: number): string => `
import { createServer } from 'node:http';
const times = { startedAt: performance.timeOrigin, listeningAt: 0 };
createServer((request, response) => {
  if (request.url === '/times') return void response.end(JSON.stringify(times));
  const fails = request.url === '/' && Math.random() < ${failShare};
  response.writeHead(fails ? 500 : 200, { 'content-type': 'text/plain' }).end('${version}');
}).listen(Number(process.env.PORT), process.env.HOST, () => {
  times.listeningAt = performance.timeOrigin + performance.now();
});
process.on('SIGTERM', () => process.exit(0));
`;

export interface ProcessTimes {
  /** UTC milliseconds, as the instance itself knows them. */
  readonly startedAt: number;
  readonly listeningAt: number;
}

/** One service of two instances behind a control plane and a gateway of its own. */
export class SmallPlatform {
  readonly dir: string;
  readonly port: number;
  readonly client: ApiClient;

  private constructor(dir: string, port: number) {
    this.dir = dir;
    this.port = port;
    this.client = new ApiClient({ socketPath: controlSocketPath(this.stateDir), stateDir: this.stateDir, by: 'bench' });
  }

  get stateDir(): string {
    return join(this.dir, '.veza');
  }

  static async start(signal: AbortSignal): Promise<SmallPlatform> {
    const dir = await mkdtemp(join(tmpdir(), 'veza-bench-'));
    const platform = new SmallPlatform(dir, await freePort('127.0.0.1', 0));
    await mkdir(join(dir, 'web'));
    await writeFile(join(dir, '.gitignore'), '.veza/\n');
    await platform.declare({ kind: 'blue-green', watch: '1s' });
    await platform.#git('init', '--quiet', '--initial-branch=main');
    await startDetached({ dir, stateDir: platform.stateDir }, { signal, onProgress: () => {} });
    return platform;
  }

  async declare(strategy: Readonly<Record<string, unknown>>): Promise<void> {
    const declared = {
      name: 'bench',
      services: {
        web: {
          source: 'web',
          run: 'node server.mjs',
          instances: 2,
          health: { path: '/health', stableFor: '0ms' },
          route: { paths: ['/'] },
          proxy: { drain: '0ms' },
          strategy: { keepWarm: '0ms', limits: { minSuccess: '99%', maxP99: '5s', minRequests: 20 }, ...strategy },
        },
      },
      environments: {
        development: {
          target: { kind: 'process', listen: `127.0.0.1:${this.port}`, ports: '23500-23599' },
          gates: { idle: 'pause' },
        },
      },
    };
    await writeFile(
      join(this.dir, 'veza.config.ts'),
      `import { definePlatform } from 'veza-deploy';\n\nexport default definePlatform(${JSON.stringify(declared, null, 2)});\n`,
    );
  }

  /** @param failShare share of requests that the release fails, 0 to 1 */
  async build(version: string, failShare: number, signal: AbortSignal): Promise<string> {
    await writeFile(join(this.dir, 'web', 'server.mjs'), server(version, failShare));
    await this.#git('add', '--all');
    await this.#git('commit', '--quiet', '--allow-empty', '--message', version);
    const { releases } = await this.client.stream('build', { body: {} }, { signal, onItem: () => {} });
    return releases[0]?.id ?? '';
  }

  /** Deploys a release and waits for the end of it. */
  async deploy(
    release: string,
    signal: AbortSignal,
  ): Promise<{ readonly requestedAt: number; readonly view: DeploymentView; readonly events: readonly EventView[] }> {
    const requestedAt = Date.now();
    const { deployments } = await this.client.call('deploy', { body: { releases: [release] } }, { signal });
    const id = deployments[0]?.id ?? '';
    const view = await followDeployment(this.client, id, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(60_000)]),
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

  /** What the running instances say about their own starts. */
  async instanceTimes(): Promise<readonly ProcessTimes[]> {
    const { services } = await this.client.call('status', { query: {} });
    const addresses = services.flatMap(({ instances }) => instances.map(({ address }) => address));
    return Promise.all(
      addresses.map(async (address) => (await (await fetch(`http://${address}/times`)).json()) as ProcessTimes),
    );
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

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
