import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '../system/free-port.ts';

const run = promisify(execFile);
/** Where the platform, its seed and its user model are; they run from there, with what is installed there. */
export const PLATFORM = fileURLToPath(new URL('../../platform', import.meta.url));
/** Made on this machine, or for tests alone: no part of what is built. */
const leftOut = new Set(['node_modules', 'dist', 'rig', 'load', 'limits', 'demo']);

export const SERVICES = ['identity', 'chat', 'stream', 'api', 'web'] as const;
export type PlatformService = (typeof SERVICES)[number];

/** What a commit changes in the platform's source. */
export type Change =
  /** Column `mood` of tracks: an expand migration, and code that reads and writes it. */
  | 'mood'
  /** Every fifth request of `/api` fails. */
  | 'failing'
  /** Back to no fault. */
  | 'mended'
  /** web starts, lives, and never becomes ready. */
  | 'never-ready'
  /** Back to a web that does. */
  | 'ready';

/** A copy of the platform in a git repository of its own, in the folder for temporary files. */
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

  /** @param declare changes the declaration before the first commit */
  static async create(
    declare: (config: string) => string | Promise<string> = (config) => config,
  ): Promise<DemoProject> {
    const dir = await mkdtemp(join(tmpdir(), 'veza-demo-'));
    const project = new DemoProject(dir, await freePort('127.0.0.1', 0));
    await cp(PLATFORM, dir, {
      recursive: true,
      filter: (path) => !leftOut.has(relative(PLATFORM, path)) && !/\.test\.tsx?$/.test(path),
    });
    await project.#edit('veza.config.ts', async (config) =>
      (await declare(config)).replaceAll('127.0.0.1:8080', `127.0.0.1:${project.port}`),
    );
    await writeFile(join(dir, '.gitignore'), '.veza/\nnode_modules\ndist/\n');
    await project.#git('init', '--quiet', '--initial-branch=main');
    await project.commit('v1', []);
    return project;
  }

  /** Commits a version of the platform: its name, which is in every bundle, and what makes it what it is. */
  async commit(version: string, changes: readonly Change[]): Promise<void> {
    await this.#writeFault({ ...(await this.#fault()), version });
    for (const change of changes) await this.#change(change);
    await this.#git('add', '--all');
    await this.#git('commit', '--quiet', '--allow-empty', '--message', version);
  }

  async remove(): Promise<void> {
    // Artifacts are unpacked read-only; their folders must be writable to be emptied.
    await run('chmod', ['-R', 'u+w', this.dir]).catch(() => undefined);
    // The log collector ends a moment after the last instance, and writes until then.
    await rm(this.dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
  }

  async #change(change: Change): Promise<void> {
    const start = 'async start(context) {';
    const never = "context.dependency('nothing', () => Promise.reject(new Error('never ready')));";
    switch (change) {
      case 'mood':
        await this.#git('apply', '--whitespace=nowarn', join(PLATFORM, 'demo/mood.patch'));
        return this.#addMigration('mood');
      case 'failing':
        return this.#writeFault({ ...(await this.#fault()), failPercent: 20, routes: ['/api/*'] });
      case 'mended':
        return this.#writeFault({ ...(await this.#fault()), failPercent: 0, routes: [] });
      case 'never-ready':
        return this.#edit('web/service.ts', (text) => replaced(text, start, `${start}\n    ${never}`));
      case 'ready':
        return this.#edit('web/service.ts', (text) => replaced(text, `${start}\n    ${never}`, start));
    }
  }

  /** Under the next number that api has. */
  async #addMigration(name: string): Promise<void> {
    const folder = join(this.dir, 'api/migrations');
    const numbers = (await readdir(folder)).map((file) => Number.parseInt(file, 10));
    const next = String(Math.max(...numbers) + 1).padStart(4, '0');
    for (const ending of ['expand.sql', 'expand.undo.sql']) {
      await cp(join(PLATFORM, 'demo', `${name}.${ending}`), join(folder, `${next}_${name}.${ending}`));
    }
  }

  async #fault(): Promise<Readonly<Record<string, unknown>>> {
    return JSON.parse(await readFile(join(this.dir, 'kit/fault.json'), 'utf8')) as Record<string, unknown>;
  }

  async #writeFault(fault: Readonly<Record<string, unknown>>): Promise<void> {
    await writeFile(join(this.dir, 'kit/fault.json'), `${JSON.stringify(fault, null, 2)}\n`);
  }

  async #edit(file: string, edit: (text: string) => string | Promise<string>): Promise<void> {
    const path = join(this.dir, file);
    await writeFile(path, await edit(await readFile(path, 'utf8')));
  }

  async #git(...args: readonly string[]): Promise<void> {
    const who = ['-c', 'user.name=demo', '-c', 'user.email=demo@localhost', '-c', 'commit.gpgsign=false'];
    await run('git', [...who, ...args], { cwd: this.dir });
  }
}

/** @throws Error when the text is not there: a change that changes nothing is no change */
function replaced(text: string, what: string, by: string): string {
  if (!text.includes(what)) throw new Error(`the platform's source has no "${what}" any more`);
  return text.replace(what, () => by);
}
