import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '../../src/system/free-port.ts';

const run = promisify(execFile);
const EXAMPLE = fileURLToPath(new URL('../../examples/demo', import.meta.url));
const SERVICES = ['web', 'api', 'worker'] as const;
export type DemoService = (typeof SERVICES)[number];

/** What a version does wrong, as `behaviour.json` of the demo's services says it. */
export interface DemoBehaviour {
  readonly failPercent?: number;
  readonly neverReady?: boolean;
}

/** A copy of the example platform in a git repository of its own, in the folder for temporary files. */
export class DemoProject {
  readonly dir: string;
  /** Where users reach the platform. */
  readonly port: number;

  private constructor(dir: string, port: number) {
    this.dir = dir;
    this.port = port;
  }

  get stateDir(): string {
    return join(this.dir, '.veza');
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  static async create(): Promise<DemoProject> {
    const dir = await mkdtemp(join(tmpdir(), 'veza-demo-'));
    const project = new DemoProject(dir, await freePort('127.0.0.1', 0));
    await mkdir(join(dir, 'services'));
    for (const service of SERVICES) {
      await cp(join(EXAMPLE, 'services', service), join(dir, 'services', service), {
        recursive: true,
        filter: (path) => !path.includes('node_modules'),
      });
    }
    const config = await readFile(join(EXAMPLE, 'veza.config.ts'), 'utf8');
    await writeFile(join(dir, 'veza.config.ts'), config.replace('127.0.0.1:8080', `127.0.0.1:${project.port}`));
    await writeFile(join(dir, '.gitignore'), '.veza/\nnode_modules/\n');
    await project.#git('init', '--quiet', '--initial-branch=main');
    await project.commit('v1', SERVICES, {});
    return project;
  }

  /** Commits a version of some services: the one line that makes it what it is. */
  async commit(version: string, services: readonly DemoService[], behaviour: DemoBehaviour): Promise<void> {
    for (const service of services) {
      const file = join(this.dir, 'services', service, 'behaviour.json');
      const before = JSON.parse(await readFile(join(EXAMPLE, 'services', service, 'behaviour.json'), 'utf8')) as object;
      await writeFile(file, `${JSON.stringify({ ...before, version, ...behaviour }, null, 2)}\n`);
    }
    await this.#git('add', '--all');
    await this.#git('commit', '--quiet', '--allow-empty', '--message', version);
  }

  async remove(): Promise<void> {
    // Artifacts are unpacked read-only; their folders must be writable to be emptied.
    await run('chmod', ['-R', 'u+w', this.dir]).catch(() => undefined);
    // The log collector ends a moment after the last instance, and writes until then.
    await rm(this.dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
  }

  async #git(...args: readonly string[]): Promise<void> {
    await run(
      'git',
      ['-c', 'user.name=demo', '-c', 'user.email=demo@localhost', '-c', 'commit.gpgsign=false', ...args],
      {
        cwd: this.dir,
      },
    );
  }
}
