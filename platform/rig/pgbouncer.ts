import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask } from './postgres.ts';
import { freePort, Program } from './program.ts';
import { give, unprivileged } from './unprivileged.ts';
import { findProgram } from './where.ts';

export interface PgBouncer {
  /** of the database that the given URL names */
  readonly url: string;
  stop(): Promise<void>;
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** Starts a PgBouncer in transaction mode before a PostgreSQL, with `size` connections to it for everybody together. */
export async function startPgBouncer(postgresUrl: string, size = 4): Promise<PgBouncer> {
  const server = new URL(postgresUrl);
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'veza-pgbouncer-'));
  const user = unprivileged();
  await chmod(folder, 0o755);
  const config = join(folder, 'pgbouncer.ini');
  const users = join(folder, 'users.txt');
  await writeFile(users, `"${server.username}" ""\n`);
  await writeFile(
    config,
    [
      '[databases]',
      `* = host=${server.hostname} port=${server.port}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = trust',
      `auth_file = ${users}`,
      'pool_mode = transaction',
      `default_pool_size = ${size}`,
      'max_client_conn = 500',
      'server_login_retry = 1',
      'server_connect_timeout = 2',
      'query_wait_timeout = 5',
      '',
    ].join('\n'),
  );
  for (const path of [config, users]) give(path, user);
  const program = new Program({ file: findProgram('pgbouncer', 'pgbouncer'), args: [config], user, cwd: '/' });
  const url = `postgres://${server.username}@127.0.0.1:${port}${server.pathname}`;
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
    start,
    async stop() {
      program.signal('SIGTERM');
      await program.ended();
      await rm(folder, { recursive: true, force: true });
    },
    async kill() {
      program.signal('SIGKILL');
      await program.ended();
    },
  };
}
