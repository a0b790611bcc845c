import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Name } from '../../src/core/units/quantities.ts';
import { createPostgres } from '../../src/drivers/resource/postgres/postgres.ts';
import { freePort } from '../../src/system/free-port.ts';

const services = join(import.meta.dirname, '../../examples/demo/services');

export interface StartedProcess {
  readonly url: string;
  readonly child: ChildProcess;
  /** Everything that it printed so far. */
  output(): string;
  /** Sends SIGTERM and gives the exit status, or the signal that ended it. */
  stop(): Promise<number | NodeJS.Signals | null>;
}

/** Starts one service from its folder, without any router, and waits for `until` to answer with 200. */
export async function startService(
  folder: string,
  environment: Readonly<Record<string, string>>,
  until: '/ready' | '/health' = '/ready',
): Promise<StartedProcess> {
  const port = await freePort('127.0.0.1', 0);
  const child = spawn(process.execPath, ['server.ts'], {
    cwd: folder,
    env: { ...environment, PORT: String(port), HOST: '127.0.0.1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const started = { url: `http://127.0.0.1:${port}`, child, output: () => output, stop: async () => stop(child) };
  await waitFor(`${folder} ${until}`, async () => {
    if (child.exitCode !== null) throw new Error(`${folder} exited with ${child.exitCode}: ${output}`);
    return (await statusOf(`${started.url}${until}`)) === 200;
  });
  return started;
}

export const serviceFolder = (name: 'web' | 'api' | 'worker'): string => join(services, name);

export interface DemoPlatform {
  readonly web: StartedProcess;
  readonly api: StartedProcess;
  readonly worker: StartedProcess;
  stop(): Promise<void>;
}

/** The three services and their database, run directly. */
export async function startDemoPlatform(): Promise<DemoPlatform> {
  const database = await startPostgres();
  const worker = await startService(serviceFolder('worker'), {});
  const api = await startService(serviceFolder('api'), { DATABASE_URL: database.url, WORKER_URL: worker.url });
  const web = await startService(serviceFolder('web'), { API_URL: api.url });
  return {
    web,
    api,
    worker,
    stop: async () => {
      for (const service of [web, api, worker]) await service.stop();
      await database.stop();
    },
  };
}

interface Database {
  readonly url: string;
  stop(): Promise<void>;
}

/** The embedded PostgreSQL in a folder of its own, with the migrations of api. */
async function startPostgres(): Promise<Database> {
  const folder = await mkdtemp(join(tmpdir(), 'veza-load-postgres-'));
  const driver = createPostgres(
    { kind: 'postgres', name: 'database' as Name, mode: 'embedded', database: 'demo' },
    {
      environment: 'test',
      directory: join(folder, 'data'),
      cacheDirectory: join(folder, 'cache'),
      host: '127.0.0.1',
      port: await freePort('127.0.0.1', 0),
      secret: async (name) => {
        throw new Error(`no secret ${name}`);
      },
    },
  );
  const signal = AbortSignal.timeout(60_000);
  await driver.start(signal);
  const directory = join(serviceFolder('api'), 'migrations');
  const request = { directory, schema: null, kinds: ['expand', 'migrate'], only: null, release: null } as const;
  await driver.migrations?.apply(request, signal, () => undefined);
  return {
    url: (await driver.connection()).url,
    stop: async () => {
      await driver.stop(AbortSignal.timeout(30_000));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Status of an answer, or null when there is none. */
export async function statusOf(url: string): Promise<number | null> {
  try {
    const answer = await fetch(url);
    await answer.arrayBuffer();
    return answer.status;
  } catch {
    return null;
  }
}

/** Asks until it is true. Throws after 30 s. */
export async function waitFor(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within 30 s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function stop(child: ChildProcess): Promise<number | NodeJS.Signals | null> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  return child.exitCode ?? child.signalCode;
}
