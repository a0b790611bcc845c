import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort, Program } from './program.ts';
import { give, unprivileged } from './unprivileged.ts';
import { findPostgres } from './where.ts';

/** A real PostgreSQL on loopback, for tests. */
export interface Postgres {
  /** of the database `postgres`, as superuser */
  readonly url: string;
  readonly port: number;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
  /** Kills every process of it, as a machine that loses power. */
  kill(): Promise<void>;
  /** Starts it again after `kill`, on the same port and data. */
  start(): Promise<void>;
  /** Stops every process of it where it stands (SIGSTOP): connections stay open, and nobody answers. */
  pause(): void;
  resume(): void;
}

/** A primary and a streaming replica of it. */
export interface PostgresPair {
  readonly primary: Postgres;
  readonly replica: Postgres;
  /** Has the replica wait before it replays, and catch up: for lag. */
  holdReplay(): Promise<void>;
  releaseReplay(): Promise<void>;
  stop(): Promise<void>;
}

const settings = [
  "listen_addresses = '127.0.0.1'",
  "unix_socket_directories = ''",
  'shared_buffers = 16MB',
  'max_connections = 200',
  // A test's data need not survive the machine, but what was committed survives a killed server: a commit waits until the
  // system has its record, not until the disk has.
  'synchronous_commit = on',
  'full_page_writes = on',
  'fsync = off',
  'wal_level = replica',
  'hot_standby = on',
  'max_wal_size = 256MB',
  'logging_collector = off',
  "log_min_messages = 'fatal'",
  'jit = off',
  'autovacuum_naptime = 20',
  "timezone = 'UTC'",
];

/** Starts a PostgreSQL. It ends with this process at the latest. */
export async function startPostgres(): Promise<Postgres> {
  const data = await newData();
  return await serve(data, []);
}

/**
 * Starts a primary and a replica that streams from it. The replica's data is a copy of the primary's from before it first
 * started: as good a base backup as any, and without a program for it.
 */
export async function startPostgresPair(): Promise<PostgresPair> {
  const data = await newData();
  const copy = await mkdtemp(join(tmpdir(), 'veza-pg-'));
  await cp(data, copy, { recursive: true, preserveTimestamps: true });
  await writeFile(join(copy, 'standby.signal'), '');
  giveTree(copy);
  const primary = await serve(data, []);
  const replica = await serve(copy, [
    '-c',
    `primary_conninfo=host=127.0.0.1 port=${primary.port} user=postgres`,
    '-c',
    'wal_retrieve_retry_interval=200',
  ]).catch(async (error: unknown) => {
    await primary.stop();
    throw error;
  });
  return {
    primary,
    replica,
    holdReplay: async () => void (await ask(replica.url, 'select pg_wal_replay_pause()')),
    releaseReplay: async () => void (await ask(replica.url, 'select pg_wal_replay_resume()')),
    stop: async () => {
      await replica.stop();
      await primary.stop();
    },
  };
}

/** Runs one statement on a connection of its own. */
export async function ask<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<readonly Row[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function newData(): Promise<string> {
  const { initdb, environment } = findPostgres();
  const user = unprivileged();
  const data = await mkdtemp(join(tmpdir(), 'veza-pg-'));
  give(data, user);
  await new Program({
    file: initdb,
    args: ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync', '--no-instructions'],
    environment,
    user,
    cwd: '/',
  }).run();
  await writeFile(join(data, 'postgresql.auto.conf'), `${settings.join('\n')}\n`);
  give(join(data, 'postgresql.auto.conf'), user);
  return data;
}

async function serve(data: string, more: readonly string[]): Promise<Postgres> {
  const { postgres, environment } = findPostgres();
  const port = await freePort();
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const program = new Program({
    file: postgres,
    args: ['-D', data, '-p', String(port), ...more],
    environment,
    user: unprivileged(),
    cwd: '/',
  });
  const start = async (): Promise<void> => {
    program.start();
    await program.until(() =>
      ask(url, 'select 1').then(
        () => true,
        () => false,
      ),
    );
  };
  await start();
  return {
    url,
    port,
    start,
    async stop() {
      program.signal('SIGCONT');
      program.signal('SIGQUIT', 'first');
      await program.ended();
      await rm(data, { recursive: true, force: true });
    },
    async kill() {
      program.signal('SIGKILL');
      await program.ended();
    },
    pause: () => program.signal('SIGSTOP'),
    resume: () => program.signal('SIGCONT'),
  };
}

function giveTree(folder: string): void {
  const user = unprivileged();
  give(folder, user);
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' })) give(join(folder, entry), user);
}
