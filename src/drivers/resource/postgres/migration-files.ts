import { hash as digest } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MigrationFilesError } from '../../../errors.ts';
import type { MigrationPhase } from '../resource.ts';
import { findDestructive, outsideTransaction, type ParsedStatement } from './expand-check.ts';

/** One migration, read and checked. */
export interface MigrationFile {
  readonly file: string;
  readonly number: number;
  readonly name: string;
  readonly phase: MigrationPhase;
  /** SHA-256 of the text with LF line ends: a checkout on another system is the same migration. */
  readonly checksum: string;
  readonly sql: string;
  /** False when the first line is `-- veza:no-transaction`. */
  readonly transaction: boolean;
  readonly statements: readonly ParsedStatement[];
}

const FILE_NAME = /^(\d{4})_([a-z0-9][a-z0-9_-]*)\.(expand|contract)\.sql$/;
const NO_TRANSACTION = '-- veza:no-transaction';
const EXPECTED_NAME = 'expected `NNNN_name.expand.sql` or `NNNN_name.contract.sql`, in lower case';

/**
 * Reads the migrations of a folder, in order of number, expand before contract. Needs no database, so a release can be
 * checked before it goes anywhere.
 *
 * @throws MigrationFilesError with every mistake: names, gaps, duplicates, SQL that does not parse, statements that take
 *   something away in an expand migration, statements that cannot run the way they are declared.
 */
export async function readMigrations(directory: string): Promise<readonly MigrationFile[]> {
  const problems: string[] = [];
  const files: MigrationFile[] = [];
  for (const name of (await list(directory)).sort()) {
    if (!name.endsWith('.sql')) continue;
    const match = FILE_NAME.exec(name);
    if (match === null) {
      problems.push(`${name}: ${EXPECTED_NAME}`);
      continue;
    }
    const sql = (await readFile(join(directory, name), 'utf8')).replaceAll('\r\n', '\n');
    files.push({
      file: name,
      number: Number(match[1]),
      name: match[2] ?? '',
      phase: match[3] === 'contract' ? 'contract' : 'expand',
      checksum: digest('sha256', sql, 'hex'),
      sql,
      transaction: sql.split('\n', 1)[0]?.trim() !== NO_TRANSACTION,
      statements: await parseStatements(name, sql, problems),
    });
  }
  files.sort((a, b) => a.number - b.number || (a.phase === b.phase ? 0 : a.phase === 'expand' ? -1 : 1));
  problems.push(...numberProblems(files), ...files.flatMap(statementProblems));
  if (problems.length > 0) throw new MigrationFilesError(directory, problems);
  return files;
}

async function list(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    throw new MigrationFilesError(directory, [
      `cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    ]);
  }
}

function numberProblems(files: readonly MigrationFile[]): readonly string[] {
  const problems: string[] = [];
  const seen = new Map<number, MigrationFile>();
  let last = 0;
  for (const file of files) {
    const other = seen.get(file.number);
    if (other !== undefined && (other.phase === file.phase || other.name !== file.name)) {
      problems.push(`${file.file}: number ${pad(file.number)} is taken by ${other.file}`);
    }
    if (file.number > last + 1) {
      const missing = file.number === last + 2 ? pad(last + 1) : `${pad(last + 1)} to ${pad(file.number - 1)}`;
      problems.push(`${file.file}: ${missing} is missing before it`);
    }
    if (file.number === 0) problems.push(`${file.file}: numbers begin with 0001`);
    seen.set(file.number, file);
    last = Math.max(last, file.number);
  }
  return problems;
}

function statementProblems(file: MigrationFile): readonly string[] {
  const problems: string[] = [];
  for (const { node, line } of file.statements) {
    if ('TransactionStmt' in node) {
      problems.push(
        `${file.file}:${line}: BEGIN, COMMIT and the like are not for migrations: each file is a transaction of its own`,
      );
    }
    const outside = file.transaction ? outsideTransaction(node) : null;
    if (outside !== null) {
      problems.push(
        `${file.file}:${line}: ${outside} cannot run in a transaction: make the first line \`${NO_TRANSACTION}\``,
      );
    }
  }
  if (file.phase === 'expand') {
    const target = file.file.replace('.expand.sql', '.contract.sql');
    for (const { line, what } of findDestructive(file.statements)) {
      problems.push(
        `${file.file}:${line}: ${what} takes away what the release in production may use: move it to a contract migration (${target})`,
      );
    }
  }
  return problems;
}

async function parseStatements(file: string, sql: string, problems: string[]): Promise<readonly ParsedStatement[]> {
  if (sql.trim() === '') return [];
  // Loaded when needed: PostgreSQL's grammar is 1.7 MB of WebAssembly.
  const { parse, hasSqlDetails } = await import('libpg-query');
  const bytes = Buffer.from(sql);
  try {
    const { stmts = [] } = await parse(sql);
    return stmts.flatMap(({ stmt, stmt_location: start = 0, stmt_len: length }) => {
      if (stmt === undefined) return [];
      // Locations are in bytes, and begin at the white space and comments before the statement.
      const text = bytes.subarray(start, length === undefined || length === 0 ? undefined : start + length).toString();
      const leading = /^(?:\s+|--[^\n]*\n|\/\*[\s\S]*?\*\/)*/.exec(text)?.[0].length ?? 0;
      const line = lineAt(bytes.subarray(0, start).toString() + text.slice(0, leading));
      return [{ sql: text.slice(leading), line, node: stmt }];
    });
  } catch (error) {
    const cursor = hasSqlDetails(error) ? (error.sqlDetails?.cursorPosition ?? 0) : 0;
    problems.push(`${file}:${lineAt(sql.slice(0, cursor))}: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  }
}

/** Line, from 1, on which the text ends. */
export function lineAt(before: string): number {
  return before.split('\n').length;
}

function pad(number: number): string {
  return String(number).padStart(4, '0');
}
