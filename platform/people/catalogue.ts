/**
 * What every service says about the personal data in its schema: each table and each column of it, so that a test can hold
 * the catalogue against the migrated database and fail for a column that nobody thought of.
 *
 * Export and erasure are done from the catalogue alone (see `personal-data.ts`): what is not in it cannot be forgotten by them
 * and remembered elsewhere.
 */
export interface ServicePersonalData {
  /** the PostgreSQL schema of the service */
  readonly schema: string;
  /** SQL that gives the id of everybody who has rows here, as `id`: a restore needs it to erase again who was erased */
  readonly people: string;
  /** by name; rows are erased in this order, so a table that refers to another comes before it */
  readonly tables: Readonly<Record<string, TablePersonalData>>;
}

export type TablePersonalData = PersonalTable | OtherTable;

/** A table of which no row belongs to a person. */
export interface OtherTable {
  readonly personal: false;
  /** in one sentence */
  readonly why: string;
  readonly columns: readonly string[];
}

/** A table whose rows belong to people. */
export interface PersonalTable {
  readonly personal: true;
  /** SQL condition that finds a person's rows, with `$1` for the person's id (a UUID); columns may be named without the table */
  readonly owner: string;
  readonly columns: Readonly<Record<string, PersonalColumn>>;
  /** the object in storage that belongs to each row: it is listed in the export and deleted before the row is */
  readonly file?: PersonalFile;
  readonly erase: Erasure;
}

/**
 * - `export`: the person's own data; part of the export
 * - `secret`: never leaves the service (hashes of passwords and tokens)
 * - `technical`: says nothing about the person that the rest of the row does not (search vectors, versions of rows)
 */
export type PersonalColumn = 'export' | 'secret' | 'technical';

/** SQL expressions over the row; the row has no file where `key` is null. */
export interface PersonalFile {
  readonly key: string;
  readonly bytes: string;
  /** hexadecimal, lower case */
  readonly sha256: string;
}

/**
 * - `delete`: the rows are deleted
 * - `cascade`: the database deletes them with a row of another table (ON DELETE CASCADE)
 * - `anonymise`: the rows stay because others rely on them, and lose what was personal
 */
export type Erasure = 'delete' | 'cascade' | Anonymise;

export interface Anonymise {
  /** column → SQL expression that takes its place */
  readonly anonymise: Readonly<Record<string, string>>;
  /** column → why it may stay; every column is either here or above */
  readonly kept: Readonly<Record<string, string>>;
}
