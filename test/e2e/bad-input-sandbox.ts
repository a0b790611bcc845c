import { execFile, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { controlFilePath } from '../../src/api/control-file.ts';
import { ProblemSchema, type Problem } from '../../src/api/problem.ts';
import { freePort } from '../../src/system/free-port.ts';

const run = promisify(execFile);
const CLI = join(import.meta.dirname, '../../src/cli/main.ts');

/** What became of one command line. */
export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface SandboxOptions {
  /** Where the project is; made if need be. Default: a new folder in the folder for temporary files. */
  readonly dir?: string;
  /** Default: `.veza` in the project. */
  readonly stateDir?: string;
  readonly service?: Readonly<Record<string, unknown>>;
  readonly platform?: Readonly<Record<string, unknown>>;
  readonly target?: Readonly<Record<string, unknown>>;
}

/** A small platform of one service in a git repository, and the real command line beside it. */
export class Sandbox {
  readonly dir: string;
  readonly stateDir: string;
  readonly port: number;
  readonly #options: SandboxOptions;
  readonly #top: string;

  private constructor(top: string, dir: string, port: number, options: SandboxOptions) {
    this.#top = top;
    this.dir = dir;
    this.stateDir = options.stateDir ?? join(dir, '.veza');
    this.port = port;
    this.#options = options;
  }

  static async create(options: SandboxOptions = {}): Promise<Sandbox> {
    const top = await mkdtemp(join(tmpdir(), 'veza-bad-'));
    const dir = options.dir === undefined ? top : join(top, options.dir);
    await mkdir(join(dir, 'hello'), { recursive: true });
    const sandbox = new Sandbox(top, dir, await freePort('127.0.0.1', 26_000), options);
    await sandbox.declare({});
    await writeFile(join(dir, '.gitignore'), '.veza/\n');
    await sandbox.program('v1');
    await sandbox.git('init', '--quiet', '--initial-branch=main');
    await sandbox.commit('v1');
    return sandbox;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Writes the declaration anew; `changes` go over the options of this sandbox. */
  async declare(changes: Pick<SandboxOptions, 'service' | 'platform' | 'target'>): Promise<void> {
    const service = { ...SERVICE, ...this.#options.service, ...changes.service };
    const target = {
      kind: 'process',
      listen: `127.0.0.1:${this.port}`,
      ports: '26200-26299',
      ...this.#options.target,
      ...changes.target,
    };
    const platform = {
      name: 'hello',
      services: { hello: service },
      environments: { development: { target } },
      ...this.#options.platform,
      ...changes.platform,
    };
    await this.write(
      `import { definePlatform, secret } from 'veza-deploy';\nexport default definePlatform(${literal(platform)});\n`,
    );
  }

  /** Writes the declaration as text. */
  async write(config: string): Promise<void> {
    await writeFile(join(this.dir, 'veza.config.ts'), config);
  }

  /** Makes the service one that answers with this text. */
  async program(text: string): Promise<void> {
    await writeFile(join(this.dir, 'hello/server.mjs'), program(text));
  }

  async commit(message: string): Promise<void> {
    await this.git('add', '--all');
    await this.git('commit', '--quiet', '--message', message);
  }

  async git(...args: readonly string[]): Promise<void> {
    const settings = ['-c', 'user.name=test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgsign=false'];
    await run('git', [...settings, ...args], { cwd: this.dir });
  }

  /** Runs `veza` with these arguments in the project, as a person would. */
  async veza(
    args: readonly string[],
    settings: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
  ): Promise<Outcome> {
    const own = this.#options.stateDir === undefined ? [] : ['--state-dir', this.stateDir];
    return runProgram([...args, ...own], {
      cwd: settings.cwd ?? this.dir,
      env: { ...process.env, NO_COLOR: '1', ...settings.env },
    });
  }

  /** What users get: status and text, or null when nobody answers. */
  async ask(): Promise<string | null> {
    try {
      const answer = await fetch(this.url, { headers: { connection: 'close' }, signal: AbortSignal.timeout(5_000) });
      return `${answer.status} ${await answer.text()}`;
    } catch {
      return null;
    }
  }

  async log(): Promise<string> {
    return readFile(join(this.stateDir, 'control.log'), 'utf8').catch(() => '');
  }

  async controlPid(): Promise<number | null> {
    try {
      const note = JSON.parse(await readFile(controlFilePath(this.stateDir), 'utf8')) as { readonly pid: number };
      return note.pid;
    } catch {
      return null;
    }
  }

  /** Stops everything that still runs and removes the folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    const down = await this.veza(['down']);
    // What a damaged state folder keeps `down` from stopping is found by its folder, which no other process has.
    if (down.status !== 0) endThoseOf(this.stateDir);
    await run('chmod', ['-R', 'u+w', this.#top]).catch(() => undefined);
    await rm(this.#top, { recursive: true, force: true });
  }
}

/** Process ids of what runs for this folder (it is in the command line or the environment) and whose command line has this. */
export function processesOf(folder: string, what: string): readonly number[] {
  const found: number[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    try {
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ');
      if (!command.includes(what)) continue;
      if (command.includes(folder) || readFileSync(`/proc/${entry}/environ`, 'utf8').includes(folder))
        found.push(Number(entry));
    } catch {
      // Gone meanwhile, or not ours.
    }
  }
  return found;
}

/** Ends the processes whose command line or environment names this folder: gateways, collectors, instances. */
export function endThoseOf(folder: string): void {
  for (const pid of processesOf(folder, '')) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone meanwhile.
    }
  }
}

async function runProgram(
  args: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CLI, ...args], { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', reject);
    child.once('close', (code) => resolve({ status: code ?? 1, stdout, stderr }));
  });
}

/** The problem document that `--json` leaves on standard error. */
export function problemOf({ stderr }: Outcome): Problem {
  const lines = stderr.trim().split('\n');
  return ProblemSchema.parse(JSON.parse(lines.at(-1) ?? ''));
}

const SERVICE = {
  source: 'hello',
  run: 'node server.mjs',
  instances: 1,
  health: { path: '/health', stableFor: '100ms' },
  route: { paths: ['/'] },
  proxy: { drain: '1s' },
  stop: { grace: '2s' },
  strategy: { kind: 'blue-green', watch: '500ms', keepWarm: '1s' },
};

const program = (text: string): string => `import { createServer } from 'node:http';
const server = createServer((request, response) => response.end(${JSON.stringify(text)}));
server.listen(Number(process.env.PORT), process.env.HOST, () => console.log('hello from ' + process.pid));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`;

/** JSON, but for `secret('name')`, which is a call. */
const literal = (value: unknown): string =>
  JSON.stringify(value, null, 2).replaceAll(/\{\s*"secret": ("[^"]*")\s*\}/g, 'secret($1)');
