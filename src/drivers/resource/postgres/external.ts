import type { MigrationRunner } from '../migrations.ts';
import type { ResourceConnection, ResourceDriver, ResourceStatus } from '../resource.ts';
import { connectionEnvironment } from './environment.ts';
import { postgresMigrations } from './postgres-migrations.ts';
import { describeUrl, withSession } from './session.ts';

/** A PostgreSQL that somebody else runs. Starting is reaching it; stopping leaves it alone. */
export class ExternalPostgres implements ResourceDriver {
  readonly migrations: MigrationRunner = postgresMigrations(async () => ({ name: this.#name, url: await this.#url() }));
  readonly #name: string;
  readonly #url: () => Promise<string>;

  /** @param url The whole URL, credentials included; asked for each time, so that a rotated one is used. */
  constructor(name: string, url: () => Promise<string>) {
    this.#name = name;
    this.#url = url;
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.#version(signal);
  }

  async status(): Promise<ResourceStatus> {
    const address = describeUrl(await this.#url());
    try {
      const version = await this.#version(AbortSignal.timeout(6000));
      return { state: 'ready', address, pid: null, version, reason: null };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { state: 'unready', address, pid: null, version: null, reason };
    }
  }

  async connection(): Promise<ResourceConnection> {
    const url = await this.#url();
    return { url, environment: connectionEnvironment(this.#name, url) };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  async #version(signal: AbortSignal): Promise<string> {
    const to = { name: this.#name, url: await this.#url() };
    return withSession(to, signal, async (client) => {
      const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
      return rows[0]?.server_version ?? '';
    });
  }
}
