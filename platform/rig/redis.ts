import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { accepts, freePort, Program } from './program.ts';
import { findProgram } from './where.ts';

/** A real Redis on loopback, for tests; it keeps nothing on disk. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
  kill(): Promise<void>;
  /** Starts it again after `kill`, empty, on the same port. */
  start(): Promise<void>;
  pause(): void;
  resume(): void;
}

/** Starts a Redis. It ends with this process at the latest. */
export async function startRedis(): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'veza-redis-'));
  const port = await freePort();
  const program = new Program({
    file: findProgram('redis-server', 'redis-server'),
    args: ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder],
  });
  const start = async (): Promise<void> => {
    program.start();
    await program.until(() => accepts(port));
  };
  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    start,
    async stop() {
      program.signal('SIGCONT');
      program.signal('SIGTERM');
      await program.ended();
      await rm(folder, { recursive: true, force: true });
    },
    async kill() {
      program.signal('SIGKILL');
      await program.ended();
    },
    pause: () => program.signal('SIGSTOP'),
    resume: () => program.signal('SIGCONT'),
  };
}
