import type { ParsedStatement } from './expand-check.ts';

/**
 * Takes SQL apart with PostgreSQL's own grammar. What does not parse is a problem, by line; then there are no statements.
 *
 * @param file for the problems
 */
export async function parseStatements(
  file: string,
  sql: string,
  problems: string[],
): Promise<readonly ParsedStatement[]> {
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
