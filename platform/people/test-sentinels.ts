import { createHash, randomBytes, randomInt, randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { PersonalTable, ServicePersonalData } from './catalogue.ts';

/** What a test put into the columns of one row. */
export interface FilledRow {
  readonly schema: string;
  readonly table: string;
  readonly values: Readonly<Record<string, unknown>>;
}

interface Column {
  readonly column: string;
  readonly type: string;
  readonly made: boolean;
}

/** Values that a column has to take, because others refer to them or a check limits them. By `schema.table.column`. */
export type Given = Readonly<Record<string, () => unknown>>;

/** Puts one row into a table, each column with a value by its type that is nowhere else. */
export async function fillRow(client: pg.Client, schema: string, table: string, given: Given): Promise<FilledRow> {
  const { rows: columns } = await client.query<Column>(
    `select column_name as column, data_type as type, (is_identity = 'YES' or is_generated = 'ALWAYS') as made
     from information_schema.columns where table_schema = $1 and table_name = $2`,
    [schema, table],
  );
  const values: Record<string, unknown> = {};
  for (const { column, type, made } of columns) {
    if (made) continue;
    values[column] = (
      given[`${schema}.${table}.${column}`] ?? (() => sentinelOf(type, `${schema}.${table}.${column}`))
    )();
  }
  const names = Object.keys(values);
  await client.query(
    `insert into ${schema}.${table} (${names.map((name) => `"${name}"`).join(', ')})
     values (${names.map((_, place) => `$${place + 1}`).join(', ')})`,
    Object.values(values),
  );
  return { schema, table, values };
}

function sentinelOf(type: string, where: string): unknown {
  switch (type) {
    case 'uuid':
      return randomUUID();
    case 'text':
      return `sentinel ${where} ${randomBytes(8).toString('hex')}`;
    case 'integer':
      return randomInt(10_000, 80_000);
    case 'bigint':
      return randomInt(2 ** 40, 2 ** 41);
    case 'bytea':
      return randomBytes(32);
    case 'timestamp with time zone':
      return new Date(randomInt(946_684_800, 1_577_836_800) * 1000 + randomInt(1, 1000));
    default:
      throw new Error(`no sentinel for ${where}, which is a ${type}`);
  }
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** All personal tables of some catalogues. */
export function personalTables(
  catalogues: readonly ServicePersonalData[],
): { schema: string; name: string; table: PersonalTable }[] {
  return catalogues.flatMap(({ schema, tables }) =>
    Object.entries(tables).flatMap(([name, table]) => (table.personal ? [{ schema, name, table }] : [])),
  );
}

/** A person's rows of a table, each as PostgreSQL writes it in JSON, by column. */
export async function rowsOf(
  client: pg.Client,
  { schema, name, table }: { schema: string; name: string; table: PersonalTable },
  personId: string,
): Promise<Record<string, unknown>[]> {
  await client.query(`set search_path to ${schema}`);
  const { rows } = await client.query<{ row: Record<string, unknown> }>(
    `select to_jsonb(t) as row from ${schema}.${name} t where ${table.owner} order by to_jsonb(t)::text`,
    [personId],
  );
  return rows.map(({ row }) => row);
}

/** Every row of every table of some schemas, as text. */
export async function dump(client: pg.Client, schemas: readonly string[]): Promise<string> {
  const { rows: tables } = await client.query<{ name: string }>(
    `select table_schema || '.' || table_name as name from information_schema.tables
     where table_schema = any($1) and table_type = 'BASE TABLE'`,
    [schemas],
  );
  const parts: string[] = [];
  for (const { name } of tables) {
    const { rows } = await client.query<{ text: string }>(`select to_jsonb(t)::text as text from ${name} t`);
    parts.push(`${name}\n${rows.map(({ text }) => text).join('\n')}`);
  }
  return parts.join('\n');
}

/** Values long enough to be nobody else's. */
export function telling(value: unknown): string[] {
  if (typeof value !== 'string' || value.length < 12) return [];
  return [value];
}
