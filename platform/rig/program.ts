import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, connect, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { User } from './unprivileged.ts';

export interface ProgramOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly user?: User | null;
  readonly cwd?: string;
}

/** Has a program end with us even when we are killed ourselves, as a test run is that takes too long. Of Linux alone. */
const SETPRIV = '/usr/bin/setpriv';

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) signalGroup(child, 'SIGKILL');
});

/** A program of the rig, which can be stopped and killed with all of its children. */
export class Program {
  readonly #options: ProgramOptions;
  #child: ChildProcess | null = null;
  #output = '';

  constructor(options: ProgramOptions) {
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#child !== null;
  }

  /** What it has written, both streams; the last 20,000 characters. */
  get output(): string {
    return this.#output;
  }

  start(): void {
    const { file, args, environment = {}, user = null, cwd } = this.#options;
    const [program, before] = existsSync(SETPRIV) ? [SETPRIV, ['--pdeathsig', 'KILL', file]] : [file, []];
    const child = spawn(program, [...before, ...args], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC', ...environment },
      ...(cwd !== undefined && { cwd }),
      ...(user !== null && { uid: user.uid, gid: user.gid }),
    });
    const note = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString('utf8')).slice(-20_000);
    };
    child.stdout?.on('data', note);
    child.stderr?.on('data', note);
    child.once('error', (error) => note(Buffer.from(String(error))));
    child.once('close', () => {
      running.delete(child);
      if (this.#child === child) this.#child = null;
    });
    running.add(child);
    this.#child = child;
  }

  /** Runs it to its end. @throws with what it wrote when it fails */
  async run(): Promise<void> {
    this.start();
    const child = this.#child;
    if (child === null) throw new Error('it did not start');
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`${this.#options.file} ended with ${code}: ${this.#output}`);
  }

  /** Sends a signal to all of it, or to its first process alone. */
  signal(name: NodeJS.Signals, whom: 'all' | 'first' = 'all'): void {
    const child = this.#child;
    if (child === null) return;
    if (whom === 'all') signalGroup(child, name);
    else child.kill(name);
  }

  /** Waits until it has ended; after `patienceMs` it is killed. */
  async ended(patienceMs = 10_000): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), patienceMs);
    try {
      await once(child, 'close');
    } finally {
      clearTimeout(timer);
    }
  }

  /** Asks until `isUp`. @throws with what it wrote when it ends or time is over */
  async until(isUp: () => Promise<boolean>, withinMs = 20_000): Promise<void> {
    const deadline = performance.now() + withinMs;
    while (!(await isUp())) {
      if (!this.isRunning) throw new Error(`${this.#options.file} ended by itself: ${this.#output}`);
      if (performance.now() > deadline) throw new Error(`${this.#options.file} is not up in time: ${this.#output}`);
      await sleep(20);
    }
  }
}

function signalGroup(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null) return;
  // PostgreSQL's children are in process groups of their own.
  const whom = [-child.pid, ...descendants(child.pid)];
  for (const pid of whom) {
    try {
      process.kill(pid, name);
    } catch {
      // it has just ended
    }
  }
}

function descendants(root: number): readonly number[] {
  const parents = new Map<number, number>();
  for (const line of execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).split('\n')) {
    const [, pid, parent] = /^\s*(\d+)\s+(\d+)/.exec(line) ?? [];
    if (pid !== undefined && parent !== undefined) parents.set(Number(pid), Number(parent));
  }
  const found = new Set([root]);
  // A child's number may be lower than its parent's: until nothing is added.
  for (let before = 0; before !== found.size;) {
    before = found.size;
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid);
  }
  found.delete(root);
  return [...found];
}

/** A port of loopback that nobody has now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Whether a port of loopback accepts connections. */
export async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
