import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';

const patienceMs = 30_000;
/** Ticks a second of /proc/PID/stat; the same on every Linux that Node runs on (proc(5), sysconf(_SC_CLK_TCK)). */
const ticksPerSecond = 100;

/** A service as it is built, on one core. */
export class PinnedService {
  readonly url: string;
  readonly #child: ChildProcess;
  #output = '';

  private constructor(program: string, port: number, core: number, environment: Readonly<Record<string, string>>) {
    this.url = `http://127.0.0.1:${port}`;
    this.#child = spawn('taskset', ['-c', String(core), process.execPath, program], {
      env: {
        PATH: process.env['PATH'] ?? '',
        HOST: '127.0.0.1',
        PORT: String(port),
        LOG_LEVEL: 'error',
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.#output = (this.#output + chunk.toString()).slice(-2_000)));
    }
  }

  /** Resolves when `/readyz` says yes, with how long that took, in milliseconds. @throws Error with what it printed */
  static async start(
    program: string,
    core: number,
    environment: Readonly<Record<string, string>>,
  ): Promise<{ readonly service: PinnedService; readonly ms: number }> {
    const port = await freePort();
    const began = performance.now();
    const service = new PinnedService(program, port, core, environment);
    for (;;) {
      const ready = await fetch(`${service.url}/readyz`).then(
        async (answer) => {
          await answer.arrayBuffer();
          return answer.status === 200;
        },
        () => false,
      );
      const ms = performance.now() - began;
      if (ready) return { service, ms };
      if (ms > patienceMs || service.#child.exitCode !== null) {
        await service.stop();
        throw new Error(`${program} is not ready: ${service.#output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** SIGTERM; resolves when it has exited, with how long that took, in milliseconds. */
  async stop(): Promise<number> {
    const began = performance.now();
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      await exited;
    }
    return performance.now() - began;
  }

  /** Memory that it holds now, in bytes. */
  async residentBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.#child.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024;
  }

  /** Seconds that it has been on its core. */
  async cpuSeconds(): Promise<number> {
    const stat = await readFile(`/proc/${this.#child.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
