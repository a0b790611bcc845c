import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { ask } from './postgres.ts';

/** The variable by which `global-setup.ts` says where the PostgreSQL of a test run is. */
export const SERVER_VARIABLE = 'VEZA_PLATFORM_TEST_POSTGRES';

export interface FreshDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

export interface FreshOptions {
  /** run migrations up to and including this number only */
  readonly upTo?: number;
  /** URL of a server; by default the one of the test run */
  readonly server?: string;
}

/** Services with a schema of their own, by their names. */
const SCHEMAS = ['identity', 'api', 'chat'] as const;
type Schema = (typeof SCHEMAS)[number];

/**
 * Makes a database that nobody else has, and runs the migrations of services in it, each in its schema.
 *
 * @param schemas names of services, or folders of migrations by schema; none: an empty database
 */
export async function freshDatabase(
  schemas: readonly Schema[] | Readonly<Record<string, string>> = [],
  options: FreshOptions = {},
): Promise<FreshDatabase> {
  const server = options.server ?? process.env[SERVER_VARIABLE];
  if (server === undefined) throw new Error('no PostgreSQL for tests: run them as the Vitest project `platform`');
  const name = `test_${randomBytes(8).toString('hex')}`;
  await ask(server, `create database ${name}`);
  const address = new URL(server);
  address.pathname = `/${name}`;
  const url = address.href;
  const folders = Array.isArray(schemas)
    ? (schemas as readonly Schema[]).map(
        (schema) => [schema, join(import.meta.dirname, '..', schema, 'migrations')] as const,
      )
    : Object.entries(schemas as Readonly<Record<string, string>>);
  for (const [schema, folder] of folders) await migrate(url, schema, folder, options.upTo);
  return { url, drop: async () => void (await ask(server, `drop database if exists ${name} with (force)`)) };
}

const KINDS = ['expand', 'migrate', 'contract'];

interface Migration {
  readonly number: number;
  readonly kind: string;
  readonly file: string;
}

/** Runs a folder's migrations in one schema, in order: by number, and expand before migrate before contract. */
export async function migrate(
  url: string,
  schema: string,
  folder: string,
  upTo = Number.POSITIVE_INFINITY,
): Promise<void> {
  const files = (await readdir(folder)).flatMap((file): Migration[] => {
    const [, number, kind] = /^(\d+)_[\w-]+\.(expand|migrate|contract)\.sql$/.exec(file) ?? [];
    return number === undefined || kind === undefined ? [] : [{ number: Number(number), kind, file }];
  });
  const ordered = files
    .filter(({ number }) => number <= upTo)
    .toSorted((a, b) => a.number - b.number || KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind));
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`create schema if not exists "${schema}"`);
    await client.query(`set search_path to "${schema}"`);
    for (const { file } of ordered) {
      const sql = await readFile(join(folder, file), 'utf8');
      const isBatch = /^--\s*veza:batch\b/m.test(sql);
      try {
        // A batch runs until there is nothing left for it to do.
        for (;;) {
          const result = (await client.query(sql)) as unknown as { rowCount: number | null };
          if (!isBatch || (result.rowCount ?? 0) === 0) break;
        }
      } catch (error) {
        throw new Error(`${schema}: ${file}: ${error instanceof Error ? error.message : 'failed'}`, { cause: error });
      }
    }
  } finally {
    await client.end();
  }
}
