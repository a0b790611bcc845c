import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ApiClient } from '../../src/api/client.ts';
import { controlSocketPath } from '../../src/api/local-socket.ts';
import type { DeploymentView, EventView } from '../../src/api/schemas.ts';
import { startDetached } from '../../src/cli/control-process.ts';
import { followDeployment } from '../../src/cli/follow.ts';
import type { DeployRequest } from '../../src/api/requests.ts';
import { DemoProject, type DemoService } from './example-project.ts';
import { isAlive } from '../../src/system/is-alive.ts';

const run = promisify(execFile);
/** The first deployment builds, migrates and starts a database: minutes on a busy machine. */
const patienceMs = 180_000;

export type DemoStrategy = Readonly<Record<string, unknown>> & { readonly kind: 'rolling' | 'blue-green' | 'canary' };

/** What `behaviour.json` of a demo service may say; see docs/load-client.md. */
export type Behaviour = Readonly<Record<string, number | boolean | string>>;

export interface DemoSettings {
  /** Of all three services. */
  readonly strategy: DemoStrategy;
  /** Of the target, over what this class declares. */
  readonly target?: Readonly<Record<string, unknown>>;
  /** Limits of web, as declared. */
  readonly limits?: { readonly memory?: string };
  readonly proxy?: Readonly<Record<string, string>>;
  readonly stop?: { readonly grace: string };
  readonly restart?: Readonly<Record<string, string | number>>;
}

/** The demo platform of `examples/demo` behind a control plane and a gateway of its own, with a declaration for the test. */
export class DeployedDemo {
  readonly project: DemoProject;
  readonly client: ApiClient;

  private constructor(project: DemoProject) {
    this.project = project;
    const { stateDir } = project;
    this.client = new ApiClient({ socketPath: controlSocketPath(stateDir), stateDir, by: 'test' });
  }

  /** Starts the control plane. Nothing is deployed yet. */
  static async start(settings: DemoSettings): Promise<DeployedDemo> {
    const demo = new DeployedDemo(await DemoProject.create());
    await demo.declare(settings);
    const { dir, stateDir } = demo.project;
    await startDetached({ dir, stateDir }, { signal: AbortSignal.timeout(patienceMs), onProgress: () => {} });
    return demo;
  }

  /** Rewrites the declaration; it holds for what is built from now on. */
  async declare(settings: DemoSettings): Promise<void> {
    await writeFile(join(this.project.dir, 'veza.config.ts'), declaration(this.project.port, settings));
  }

  /** Commits a version of some services and builds it. Returns the ids of the releases. */
  async build(
    version: string,
    services: readonly DemoService[],
    behaviour: Behaviour = {},
  ): Promise<readonly string[]> {
    const { dir } = this.project;
    for (const service of services) {
      const file = join(dir, 'services', service, 'behaviour.json');
      const original = join(import.meta.dirname, '../../examples/demo/services', service, 'behaviour.json');
      const before = JSON.parse(await readFile(original, 'utf8')) as object;
      await writeFile(file, `${JSON.stringify({ ...before, version, ...behaviour }, null, 2)}\n`);
    }
    const git = ['-c', 'user.name=test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgsign=false'];
    await run('git', [...git, 'add', '--all'], { cwd: dir });
    await run('git', [...git, 'commit', '--quiet', '--allow-empty', '--message', version], { cwd: dir });
    const output: string[] = [];
    try {
      const built = await this.client.stream(
        'build',
        { body: { services } },
        { onItem: ({ text }) => void output.push(text) },
      );
      return built.releases.map(({ id }) => id);
    } catch (error) {
      throw new Error(`build of ${version}: ${output.slice(-10).join('\n')}`, { cause: error });
    }
  }

  /** Asks for a deployment; one train when there are several releases. */
  async deploy(releases: readonly string[], request: Partial<DeployRequest> = {}): Promise<DeploymentView> {
    const order = releases.length > 1 ? 'together' : 'separate';
    const { deployments } = await this.client.call('deploy', { body: { releases, order, ...request } });
    const [deployment] = deployments;
    if (deployment === undefined) throw new Error('nothing to deploy');
    return deployment;
  }

  /** Follows a deployment until it has ended, or until `until` holds. Returns the last view. */
  async follow(
    id: string,
    onView: (view: DeploymentView) => void = () => {},
    until: (view: DeploymentView) => boolean = () => false,
  ): Promise<DeploymentView> {
    const seen: { last: DeploymentView | null } = { last: null };
    try {
      return await followDeployment(this.client, id, {
        signal: AbortSignal.timeout(patienceMs),
        now: Date.now,
        patienceMs: 60_000,
        until,
        onView: (view) => {
          seen.last = view;
          onView(view);
        },
        onAway: () => {},
      });
    } catch (error) {
      const what = seen.last === null ? 'never seen' : `last seen ${seen.last.phase}: ${seen.last.summary}`;
      throw new Error(`deployment ${id} was not followed to its end; ${what}\n${await this.log()}`, { cause: error });
    }
  }

  /** What the journal says about a deployment. */
  async events(deployment: string): Promise<readonly EventView[]> {
    const events: EventView[] = [];
    await this.client.stream('events', { query: { deployment } }, { onItem: (event) => void events.push(event) });
    return events;
  }

  /** Last lines of the control plane's log, for a failure's message. */
  async log(lines = 30): Promise<string> {
    const text = await readFile(join(this.project.stateDir, 'control.log'), 'utf8').catch(() => '');
    return text.trimEnd().split('\n').slice(-lines).join('\n');
  }

  /** Stops everything that runs and removes the folder. */
  async stop(): Promise<void> {
    const { pid } = await this.client.call('info', {});
    await this.client.stream('down', { body: {} }, { onItem: () => {} });
    await this.client.close();
    const deadline = performance.now() + 30_000;
    while (isAlive(pid)) {
      if (performance.now() > deadline) throw new Error(`the control plane ${pid} does not end`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await this.project.remove();
  }
}

function declaration(port: number, settings: DemoSettings): string {
  const build = 'npm ci --omit=dev --no-audit --no-fund --prefer-offline';
  const common = {
    run: 'node server.ts',
    instances: 2,
    health: {
      path: '/ready',
      startup: { path: '/health', interval: '100ms', failures: 100 },
      readiness: { path: '/ready', interval: '500ms', failures: 3 },
      stableFor: '200ms',
    },
    proxy: { drain: '1s', ...settings.proxy },
    strategy: settings.strategy,
  };
  const platform = {
    name: 'demo',
    services: {
      web: {
        ...common,
        source: 'services/web',
        build,
        route: { paths: ['/'] },
        dependencies: ['api'],
        gates: { smoke: ['/ready'] },
        ...(settings.limits === undefined ? {} : { limits: settings.limits }),
        ...(settings.stop === undefined ? {} : { stop: settings.stop }),
        ...(settings.restart === undefined ? {} : { restart: settings.restart }),
      },
      api: {
        ...common,
        source: 'services/api',
        build,
        route: { paths: ['/api'] },
        dependencies: ['worker'],
        resources: ['db'],
        gates: { smoke: ['/ready'], migrations: { resource: 'db', directory: 'migrations' } },
      },
      worker: { ...common, source: 'services/worker', gates: { smoke: ['/ready'] } },
    },
    resources: { db: { kind: 'postgres', mode: 'embedded', database: 'demo' } },
    environments: {
      development: {
        target: { kind: 'process', listen: `127.0.0.1:${port}`, ports: '22000-22399', ...settings.target },
        gates: { idle: 'pause' },
      },
    },
  };
  return [
    "import { definePlatform } from 'veza-deploy';",
    '',
    `export default definePlatform(${JSON.stringify(platform, null, 2)});`,
    '',
  ].join('\n');
}
