import { randomUUID } from 'node:crypto';
import { chmod, link, mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { ResourceUnavailableError } from '../../../errors.ts';
import type { MigrationRunner } from '../migrations.ts';
import type { ResourceConnection, ResourceDriver, ResourceStatus } from '../resource.ts';
import { findBinaries } from './binaries.ts';
import { connectionEnvironment } from './environment.ts';
import { postgresMigrations } from './postgres-migrations.ts';
import { chooseRunAs, homeFor, OTHER_USER_ROOT, type RunAs } from './run-as.ts';
import { newPassword, Server } from './server.ts';
import { withSession } from './session.ts';

export interface EmbeddedPostgresOptions {
  readonly name: string;
  /** Name of the database, and of the role that owns it. */
  readonly database: string;
  readonly directory: string;
  readonly cacheDirectory: string;
  readonly host: string;
  readonly port: number;
  /** How PostgreSQL is run; found out when left away. */
  readonly runAs?: RunAs;
}

const SUPERUSER = 'veza_admin';

/**
 * PostgreSQL from the npm dependencies, on this machine, one server for a resource of an environment: environments share
 * nothing. It listens on one address of this machine and on a Unix socket, asks everybody for a password (scram-sha-256), and outlives the
 * control plane. Services get a role that owns its database and is no superuser.
 */
export class EmbeddedPostgres implements ResourceDriver {
  readonly migrations: MigrationRunner = postgresMigrations(async () => this.#to((await this.connection()).url));
  readonly #options: EmbeddedPostgresOptions;
  #server: Promise<Server> | null = null;
  #starting: Promise<void> | null = null;

  constructor(options: EmbeddedPostgresOptions) {
    this.#options = options;
  }

  async start(signal: AbortSignal): Promise<void> {
    // Called twice at once it is one start; the second caller's signal then has no say in it.
    this.#starting ??= this.#start(signal).finally(() => {
      this.#starting = null;
    });
    await this.#starting;
  }

  async status(): Promise<ResourceStatus> {
    const server = await this.#getServer();
    const running = await server.running();
    const address = `${this.#options.host}:${running?.port ?? this.#options.port}`;
    if (running === null) return { state: 'stopped', address, pid: null, version: null, reason: null };
    try {
      const { url } = await this.connection();
      const version = await withSession(this.#to(url), AbortSignal.timeout(6000), async (client) => {
        const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
        return rows[0]?.server_version ?? null;
      });
      return { state: 'ready', address, pid: running.pid, version, reason: null };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { state: 'unready', address, pid: running.pid, version: null, reason };
    }
  }

  async connection(): Promise<ResourceConnection> {
    const { database, name } = this.#options;
    const url = databaseUrl(database, await this.#password('owner'), this.#options, database);
    return { url, environment: connectionEnvironment(name, url) };
  }

  async stop(signal: AbortSignal): Promise<void> {
    await this.#starting?.catch(() => undefined);
    await (await this.#getServer()).stop(signal);
  }

  async #start(signal: AbortSignal): Promise<void> {
    const server = await this.#getServer();
    await server.start(signal);
    const superuser = databaseUrl(SUPERUSER, await this.#password('superuser'), this.#options, 'postgres');
    const password = await this.#password('owner');
    await withSession(this.#to(superuser), signal, async (client) => {
      const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
      const expected = await realpath(server.dataDirectory);
      if (rows[0]?.data_directory !== expected) {
        throw new ResourceUnavailableError(
          this.#options.name,
          `the PostgreSQL on port ${this.#options.port} is another one (data in ${rows[0]?.data_directory ?? '?'})`,
          'Give this resource another port.',
        );
      }
      const name = this.#options.database;
      const role = escapeIdentifier(name);
      const exists = async (table: 'pg_roles' | 'pg_database', column: 'rolname' | 'datname'): Promise<boolean> =>
        (await client.query(`SELECT 1 FROM ${table} WHERE ${column} = $1`, [name])).rows.length > 0;
      const verb = (await exists('pg_roles', 'rolname')) ? 'ALTER' : 'CREATE';
      await client.query(`${verb} ROLE ${role} LOGIN PASSWORD ${escapeLiteral(password)}`);
      if (!(await exists('pg_database', 'datname'))) await client.query(`CREATE DATABASE ${role} OWNER ${role}`);
      await client.query(`REVOKE CONNECT ON DATABASE ${role} FROM PUBLIC`);
    });
  }

  async #getServer(): Promise<Server> {
    this.#server ??= this.#makeServer();
    return this.#server;
  }

  async #makeServer(): Promise<Server> {
    const { name, directory, cacheDirectory, host, port } = this.#options;
    const runAs = this.#options.runAs ?? (await chooseRunAs());
    const home = homeFor(runAs, directory);
    const asOther = runAs.kind === 'user';
    const superuserPassword = await this.#password('superuser');
    if (asOther) {
      await mkdir(OTHER_USER_ROOT, { recursive: true });
      await chmod(OTHER_USER_ROOT, 0o755);
    }
    return new Server(
      { name, home, host, port, superuser: SUPERUSER, superuserPassword },
      () => findBinaries(asOther ? OTHER_USER_ROOT : cacheDirectory, asOther),
      runAs,
    );
  }

  /** A password of this resource, made at its first use and kept in a file that only the owner can read. */
  async #password(of: 'superuser' | 'owner'): Promise<string> {
    const file = join(this.#options.directory, `${of}.password`);
    const known = await readFile(file, 'utf8').catch(() => null);
    if (known !== null) return known.trim();
    await mkdir(this.#options.directory, { recursive: true, mode: 0o700 });
    const fresh = `${file}.${process.pid}.${randomUUID()}`;
    await writeFile(fresh, `${newPassword()}\n`, { mode: 0o600, flush: true });
    // Linked rather than renamed: of two that make one at the same time, the first wins and both read it.
    await link(fresh, file).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    });
    await rm(fresh);
    return (await readFile(file, 'utf8')).trim();
  }

  #to(url: string): { readonly name: string; readonly url: string } {
    return { name: this.#options.name, url };
  }
}

function databaseUrl(
  user: string,
  password: string,
  { host, port }: Pick<EmbeddedPostgresOptions, 'host' | 'port'>,
  database: string,
): string {
  return `postgres://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${host}:${port}/${encodeURIComponent(database)}`;
}
