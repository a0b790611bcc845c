import { spawn, type ChildProcess } from 'node:child_process';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const kept = 20_000;
/** Milliseconds between SIGTERM and SIGKILL. */
const usualGraceMs = 5_000;

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  /** The one core that it may use; every core without. */
  readonly core?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A process that this benchmark started, and ends. */
export class OwnedProcess {
  readonly name: string;
  readonly child: ChildProcess;
  readonly #ended: Promise<void>;
  #output = '';

  constructor(command: Command) {
    const { program, args, core } = command;
    this.name = program.split('/').at(-1) ?? program;
    const argv = core === undefined ? [program, ...args] : ['taskset', '-c', String(core), program, ...args];
    this.child = spawn(argv[0] ?? program, argv.slice(1), {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
      env: { ...process.env, ...command.env },
    });
    this.#ended = new Promise((resolve) => {
      this.child.once('close', () => resolve());
      this.child.once('error', (error) => {
        this.#output += error.message;
        resolve();
      });
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (bytes: Buffer) => (this.#output = (this.#output + bytes.toString()).slice(-kept)));
    }
    this.child.stdin?.on('error', () => {});
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`${this.name} did not start: ${this.#output}`);
    return this.child.pid;
  }

  /** The last that it said, on both channels. */
  get output(): string {
    return this.#output;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null && this.child.pid !== undefined;
  }

  /** Waits until something accepts connections on a loopback port. @throws Error with its words when it ends before */
  async listening(port: number, signal: AbortSignal, timeoutMs = 10_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!(await accepts(port))) {
      if (!this.running) throw new Error(`${this.name} ended before it listened: ${this.#output}`);
      if (performance.now() > deadline) throw new Error(`${this.name} does not listen on ${port}: ${this.#output}`);
      await sleep(20, undefined, { signal });
    }
  }

  /** Waits for a line that it prints. */
  async says(pattern: RegExp, signal: AbortSignal, timeoutMs = 60_000): Promise<RegExpExecArray> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.#output);
      if (match !== null) return match;
      if (!this.running) throw new Error(`${this.name} ended before it said ${pattern}: ${this.#output}`);
      if (performance.now() > deadline) throw new Error(`${this.name} did not say ${pattern}: ${this.#output}`);
      await sleep(20, undefined, { signal });
    }
  }

  /** Resolves when it has ended; `kill` first, or it is waited for. */
  async ended(): Promise<void> {
    await this.#ended;
  }

  /** SIGTERM, and SIGKILL when that does not help in time. */
  async stop(first: NodeJS.Signals = 'SIGTERM', graceMs = usualGraceMs): Promise<void> {
    if (this.running) this.child.kill(first);
    const timer = setTimeout(() => this.child.kill('SIGKILL'), graceMs);
    await this.#ended;
    clearTimeout(timer);
  }
}

/** Runs a program to its end and returns what it printed. @throws Error with its words when its status is not 0 */
export async function runToEnd(command: Command, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  const running = new OwnedProcess(command);
  const stop = (): void => void running.stop();
  signal.addEventListener('abort', stop);
  await running.ended();
  signal.removeEventListener('abort', stop);
  signal.throwIfAborted();
  const { exitCode, signalCode } = running.child;
  if (exitCode !== 0) throw new Error(`${running.name} ended with ${exitCode ?? signalCode}: ${running.output}`);
  return running.output;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
