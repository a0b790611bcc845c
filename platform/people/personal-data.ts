import { CompiledQuery, type Kysely } from 'kysely';
import type { PersonalTable, ServicePersonalData } from './catalogue.ts';

/** A row of a person: the columns of its table that are theirs, as a JSON object in text (numbers keep all their digits). */
export interface ExportedRow {
  readonly table: string;
  readonly json: string;
}

/** An object in storage that belongs to a person. */
export interface ExportedFile {
  /** the table whose row it belongs to */
  readonly file: string;
  readonly key: string;
  readonly bytes: number;
  readonly sha256: string;
}

const ROWS_AT_ONCE = 500;

/**
 * Everything in a schema that is a person's own, as the catalogue says, in one snapshot of the database.
 * @param personId a UUID
 */
export async function* exportRows<DB>(
  db: Kysely<DB>,
  catalogue: ServicePersonalData,
  personId: string,
): AsyncGenerator<ExportedRow | ExportedFile> {
  const transaction = await db
    .startTransaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute();
  try {
    for (const [name, table] of personalTables(catalogue)) {
      const query = exportQuery(catalogue.schema, name, table);
      await transaction.executeQuery(
        CompiledQuery.raw(`declare personal_rows no scroll cursor for ${query}`, [personId]),
      );
      for (;;) {
        const { rows } = await transaction.executeQuery<ExportRow>(
          CompiledQuery.raw(`fetch ${ROWS_AT_ONCE} from personal_rows`),
        );
        for (const row of rows) {
          if (row.row !== null) yield { table: name, json: row.row };
          if (row.key !== null) {
            yield { file: name, key: row.key, bytes: Number(row.bytes), sha256: row.sha256 ?? '' };
          }
        }
        if (rows.length < ROWS_AT_ONCE) break;
      }
      await transaction.executeQuery(CompiledQuery.raw('close personal_rows'));
    }
    await transaction.commit().execute();
  } finally {
    if (!transaction.isCommitted) await transaction.rollback().execute();
  }
}

/**
 * Erases a person's rows in a schema, as the catalogue says, and looks whether none is left. Idempotent. All or nothing: in
 * the transaction given, or in one of its own. Files are to be deleted before: their keys are gone with the rows.
 * @returns how many rows of which table were deleted or anonymised
 */
export async function eraseRows<DB>(
  db: Kysely<DB>,
  catalogue: ServicePersonalData,
  personId: string,
): Promise<Readonly<Record<string, number>>> {
  if (!db.isTransaction) {
    return db.transaction().execute((transaction) => eraseRows(transaction, catalogue, personId));
  }
  const erased: Record<string, number> = {};
  for (const [name, table] of personalTables(catalogue)) {
    const statement = eraseStatement(catalogue.schema, name, table);
    if (statement === null) continue;
    const { numAffectedRows } = await db.executeQuery(CompiledQuery.raw(statement, [personId]));
    erased[name] = Number(numAffectedRows ?? 0n);
  }
  for (const [name, table] of personalTables(catalogue)) {
    const left = `select from ${tableName(catalogue.schema, name)} where ${table.owner} limit 1`;
    const { rows } = await db.executeQuery(CompiledQuery.raw(left, [personId]));
    if (rows.length > 0) throw new RowsLeft(catalogue.schema, name);
  }
  return erased;
}

/** The catalogue does not do what it says: rows of an erased person are still there. Nothing was erased. */
export class RowsLeft extends Error {
  override readonly name = 'RowsLeft';

  constructor(schema: string, table: string) {
    super(`rows in ${schema}.${table} outlive the erasure of the person they belong to`);
  }
}

/** The ids of everybody who has rows in a schema. */
export async function* listPeople<DB>(db: Kysely<DB>, catalogue: ServicePersonalData): AsyncGenerator<string> {
  let after = '00000000-0000-0000-0000-000000000000';
  const query = `select id::text as id from (${catalogue.people}) as people where id > $1::uuid order by id limit ${ROWS_AT_ONCE}`;
  for (;;) {
    const { rows } = await db.executeQuery<{ id: string }>(CompiledQuery.raw(query, [after]));
    for (const { id } of rows) {
      yield id;
      after = id;
    }
    if (rows.length < ROWS_AT_ONCE) return;
  }
}

interface ExportRow {
  readonly row: string | null;
  readonly key: string | null;
  readonly bytes: string | null;
  readonly sha256: string | null;
}

function personalTables(catalogue: ServicePersonalData): [string, PersonalTable][] {
  const found: [string, PersonalTable][] = [];
  for (const [name, table] of Object.entries(catalogue.tables)) if (table.personal) found.push([name, table]);
  return found;
}

function exportQuery(schema: string, name: string, table: PersonalTable): string {
  const columns = Object.entries(table.columns)
    .filter(([, kind]) => kind === 'export')
    .map(([column]) => quote(column));
  const row =
    columns.length === 0 ? 'null::text' : `(select row_to_json(own) from (select ${columns.join(', ')}) as own)::text`;
  const file = table.file ?? { key: 'null', bytes: 'null', sha256: 'null' };
  return `select ${row} as row, (${file.key})::text as key, (${file.bytes})::text as bytes, (${file.sha256})::text as sha256
    from ${tableName(schema, name)} where ${table.owner}`;
}

function eraseStatement(schema: string, name: string, { erase, owner }: PersonalTable): string | null {
  if (erase === 'cascade') return null;
  if (erase === 'delete') return `delete from ${tableName(schema, name)} where ${owner}`;
  const changes = Object.entries(erase.anonymise).map(([column, value]) => `${quote(column)} = ${value}`);
  return `update ${tableName(schema, name)} set ${changes.join(', ')} where ${owner}`;
}

function tableName(schema: string, name: string): string {
  return `${quote(schema)}.${quote(name)}`;
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
