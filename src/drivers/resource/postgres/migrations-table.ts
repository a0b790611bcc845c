import { type Client, escapeIdentifier } from 'pg';
import { inFolderOrder, type MigrationId, type MigrationKind } from '../../../core/migrations/kinds.ts';
import type { MigrationFile } from './migration-files.ts';

/** A migration as the database remembers it. The column of its kind is called `phase`, as it was when there were two. */
export interface MigrationRow {
  readonly number: number;
  readonly phase: MigrationKind;
  readonly name: string;
  readonly checksum: string;
  readonly applied_at: Date;
  readonly release: string | null;
  /** The whole file that takes it back. */
  readonly undo: string | null;
  readonly irreversible: string | null;
}

const CREATE = `(
  number integer NOT NULL,
  phase text NOT NULL CONSTRAINT veza_migrations_phase_check CHECK (phase IN ('expand', 'migrate', 'contract')),
  name text NOT NULL,
  checksum text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  release text,
  undo text,
  irreversible text,
  PRIMARY KEY (number, phase)
)`;

/** The table, with its schema where one is declared: never found by the search path, which may lead to another one. */
export const tableName = (schema: string | null): string =>
  schema === null ? 'veza_migrations' : `${escapeIdentifier(schema)}.veza_migrations`;

/** Makes the schema and the table where they are not there yet, brings a table of an earlier version up to date, sets the search path. */
export async function prepareSchema(client: Client, schema: string | null): Promise<void> {
  if (schema !== null) {
    // Asked first: CREATE SCHEMA IF NOT EXISTS needs the right to make one even when there is nothing to make.
    const { rows } = await client.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema]);
    if (rows.length === 0) await client.query(`CREATE SCHEMA IF NOT EXISTS ${escapeIdentifier(schema)}`);
    await useSchema(client, schema);
  }
  const table = tableName(schema);
  await client.query(`CREATE TABLE IF NOT EXISTS ${table} ${CREATE}`);
  if ((await columns(client, schema)).includes('undo')) return;
  await client.query('BEGIN');
  await client.query("SET LOCAL lock_timeout = '5s'");
  await client.query(`ALTER TABLE ${table}
    ADD COLUMN IF NOT EXISTS undo text,
    ADD COLUMN IF NOT EXISTS irreversible text,
    ALTER COLUMN applied_at SET DEFAULT clock_timestamp(),
    DROP CONSTRAINT IF EXISTS veza_migrations_phase_check,
    ADD CONSTRAINT veza_migrations_phase_check CHECK (phase IN ('expand', 'migrate', 'contract'))`);
  await client.query('COMMIT');
}

/** Unqualified names of this session are found in the schema and, as always, in PostgreSQL's own. */
export async function useSchema(client: Client, schema: string | null): Promise<void> {
  if (schema !== null) await client.query(`SET search_path = ${escapeIdentifier(schema)}`);
}

/** In the order in which they were applied; nothing when there is no table. */
export async function readTable(client: Client, schema: string | null): Promise<readonly MigrationRow[]> {
  const found = await columns(client, schema);
  if (found.length === 0) return [];
  // A table of an earlier version that nobody has migrated since.
  const kept = found.includes('undo') ? 'undo, irreversible' : 'NULL::text AS undo, NULL::text AS irreversible';
  const { rows } = await client.query<MigrationRow>(
    `SELECT number, phase, name, checksum, applied_at, release, ${kept} FROM ${tableName(schema)}`,
  );
  return rows.toSorted((a, b) => a.applied_at.getTime() - b.applied_at.getTime() || inFolderOrder(idOf(a), idOf(b)));
}

export const idOf = ({ number, name, phase, checksum }: MigrationRow): MigrationId => ({
  number,
  name,
  kind: phase,
  checksum,
});

/** Remembers a migration, with what takes it back. */
export async function remember(
  client: Client,
  schema: string | null,
  file: MigrationFile,
  release: string | null,
): Promise<void> {
  await client.query(
    `INSERT INTO ${tableName(schema)} (number, phase, name, checksum, release, undo, irreversible)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [file.number, file.kind, file.name, file.checksum, release, file.undo?.sql ?? null, file.directives.irreversible],
  );
}

/** What takes an applied migration back may be written, or put right, in a later release. */
export async function renewUndo(client: Client, schema: string | null, file: MigrationFile): Promise<void> {
  await client.query(`UPDATE ${tableName(schema)} SET undo = $3, irreversible = $4 WHERE number = $1 AND phase = $2`, [
    file.number,
    file.kind,
    file.undo?.sql ?? null,
    file.directives.irreversible,
  ]);
}

export async function forget(client: Client, schema: string | null, { number, kind }: MigrationId): Promise<void> {
  await client.query(`DELETE FROM ${tableName(schema)} WHERE number = $1 AND phase = $2`, [number, kind]);
}

async function columns(client: Client, schema: string | null): Promise<readonly string[]> {
  const { rows } = await client.query<{ attname: string }>(
    'SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped',
    [tableName(schema)],
  );
  return rows.map(({ attname }) => attname);
}
