import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiClient } from '../../src/api/client.ts';
import { controlSocketPath } from '../../src/api/local-socket.ts';
import type { DeployRequest } from '../../src/api/requests.ts';
import type { DeploymentView } from '../../src/api/schemas.ts';
import { startDetached } from '../../src/cli/control-process.ts';
import { followDeployment } from '../../src/cli/follow.ts';
import { DemoProject, type Change, type PlatformService } from '../../src/demo/project.ts';
import { isAlive } from '../../src/system/is-alive.ts';

/** The first build installs and bundles, the first deployment starts a database: minutes on a busy machine. */
const patienceMs = 240_000;

/** The music platform of `platform/` behind a control plane and a gateway of its own. */
export class DeployedPlatform {
  readonly project: DemoProject;
  readonly client: ApiClient;

  private constructor(project: DemoProject) {
    this.project = project;
    const { stateDir } = project;
    this.client = new ApiClient({ socketPath: controlSocketPath(stateDir), stateDir, by: 'test' });
  }

  /**
   * Starts the control plane. Nothing is deployed yet.
   *
   * @param declare changes the declaration for the test
   */
  static async start(declare: (config: string) => string): Promise<DeployedPlatform> {
    const platform = new DeployedPlatform(await DemoProject.create(declare));
    const { dir, stateDir } = platform.project;
    await startDetached({ dir, stateDir }, { signal: AbortSignal.timeout(patienceMs), onProgress: () => {} });
    return platform;
  }

  /** Commits a version and builds some services of it. Returns the ids of the releases. */
  async build(
    version: string,
    services: readonly PlatformService[],
    changes: readonly Change[] = [],
  ): Promise<readonly string[]> {
    await this.project.commit(version, changes);
    const output: string[] = [];
    try {
      const { releases } = await this.client.stream(
        'build',
        { body: { services } },
        { onItem: ({ text }) => void output.push(text) },
      );
      return releases.map(({ id }) => id);
    } catch (error) {
      throw new Error(`build of ${version}: ${output.slice(-10).join('\n')}`, { cause: error });
    }
  }

  /** Asks for one deployment, a train when there are several releases. */
  async deploy(releases: readonly string[], request: Partial<DeployRequest> = {}): Promise<DeploymentView> {
    const order = releases.length > 1 ? 'together' : 'separate';
    const { deployments } = await this.client.call('deploy', { body: { releases, order, ...request } });
    const [deployment] = deployments;
    if (deployment === undefined) throw new Error('nothing to deploy');
    return deployment;
  }

  /** Follows a deployment until it has ended, or until `until` holds. Returns the last view. */
  async follow(id: string, until: (view: DeploymentView) => boolean = () => false): Promise<DeploymentView> {
    return followDeployment(this.client, id, {
      signal: AbortSignal.timeout(patienceMs),
      now: Date.now,
      patienceMs: 60_000,
      until,
      onView: () => {},
      onAway: () => {},
    });
  }

  /** Runs a program with the environment of a service's instances; returns what it printed. */
  async run(service: PlatformService, command: readonly [string, ...string[]]): Promise<string> {
    const output: Buffer[] = [];
    const { exitStatus } = await this.client.stream(
      'run',
      { body: { environment: null, service, release: null, command: [...command] } },
      { onItem: ({ base64 }) => void output.push(Buffer.from(base64, 'base64')) },
    );
    const text = Buffer.concat(output).toString('utf8');
    if (exitStatus !== 0) throw new Error(`${command.join(' ')} ended with status ${exitStatus}: ${text}`);
    return text;
  }

  /** Fills it as the load client's `--seeded SIZE:1` expects it. */
  async seed(size: 'tiny' | 'demo'): Promise<void> {
    await this.run('api', ['node', 'seed.js', '--size', size, '--seed', '1']);
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
