import { directivesOf, type Directives, type UndoText } from '../../../core/migrations/folder.ts';
import type { MigrationId } from '../../../core/migrations/kinds.ts';
import { MigrationFilesError } from '../../../errors.ts';
import { readMigrationFolder } from '../migration-folder.ts';
import { endsByItself, findDestructive, outsideTransaction, type ParsedStatement } from './expand-check.ts';
import { parseStatements } from './statements.ts';

/** One migration, read and checked. */
export interface MigrationFile extends MigrationId {
  readonly file: string;
  readonly directives: Directives;
  readonly statements: readonly ParsedStatement[];
  readonly undo: UndoText | null;
}

/**
 * Reads the migrations of a folder, in order. Needs no database, so a release can be checked before it goes anywhere.
 *
 * @throws MigrationFilesError with every mistake: names, gaps, duplicates, nothing that says how a migration is taken back, SQL
 *   that does not parse, statements that take something away before the contract, statements that cannot run as declared.
 */
export async function readMigrations(directory: string): Promise<readonly MigrationFile[]> {
  const folder = await readMigrationFolder(directory);
  const problems: string[] = [...folder.problems];
  const files: MigrationFile[] = [];
  for (const { file, number, name, kind, sql, checksum, directives, undo } of folder.migrations) {
    const statements = await parseStatements(file, sql, problems);
    problems.push(...statementProblems({ file, directives, statements }));
    if (kind !== 'contract') problems.push(...destructiveProblems(file, kind, statements));
    if (directives.batch) problems.push(...batchProblems(file, statements));
    if (undo !== null) {
      const asWritten = directivesOf(undo.sql);
      const back = await parseStatements(undo.file, undo.sql, problems);
      problems.push(...statementProblems({ file: undo.file, directives: asWritten, statements: back }));
      if (asWritten.batch) problems.push(...batchProblems(undo.file, back));
    }
    files.push({ file, number, name, kind, checksum, directives, statements, undo });
  }
  if (problems.length > 0) throw new MigrationFilesError(directory, problems);
  return files;
}

function statementProblems({
  file,
  directives,
  statements,
}: Pick<MigrationFile, 'file' | 'directives' | 'statements'>): readonly string[] {
  const problems: string[] = [];
  for (const { node, line } of statements) {
    if ('TransactionStmt' in node) {
      problems.push(
        `${file}:${line}: BEGIN, COMMIT and the like are not for migrations: each file is a transaction of its own`,
      );
    }
    const outside = directives.transaction ? outsideTransaction(node) : null;
    if (outside !== null) {
      problems.push(
        `${file}:${line}: ${outside} cannot run in a transaction: make the first line \`-- veza:no-transaction\``,
      );
    }
  }
  return problems;
}

function destructiveProblems(file: string, kind: string, statements: readonly ParsedStatement[]): readonly string[] {
  const target = file.replace(`.${kind}.sql`, '.contract.sql');
  return findDestructive(statements).map(
    ({ line, what }) =>
      `${file}:${line}: ${what} takes away what the release in production may use: move it to a contract migration (${target})`,
  );
}

function batchProblems(file: string, statements: readonly ParsedStatement[]): readonly string[] {
  const [statement, ...others] = statements;
  if (statement === undefined || others.length > 0)
    return [`${file}: \`-- veza:batch\` is about one statement, and there are ${statements.length}`];
  const endless = endsByItself(statement.node);
  return endless === null ? [] : [`${file}:${statement.line}: ${endless}`];
}
