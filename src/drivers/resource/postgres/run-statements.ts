import { type Client, DatabaseError } from 'pg';
import type { Directives } from '../../../core/migrations/folder.ts';
import { MigrationFailedError, VezaError } from '../../../errors.ts';
import type { MigrationProgress } from '../migrations.ts';
import type { ParsedStatement } from './expand-check.ts';
import { isTransient } from './session.ts';
import { lineAt } from './statements.ts';

export interface MigrationTimeouts {
  /** Longest wait for a lock, in milliseconds. While a migration waits for one, everybody behind it waits too. */
  readonly lockMs: number;
  /** Longest time for one statement, in milliseconds. */
  readonly statementMs: number;
}

export const DEFAULT_TIMEOUTS: MigrationTimeouts = { lockMs: 2000, statementMs: 60_000 };

/** One file to run. */
export interface Script {
  readonly file: string;
  readonly directives: Directives;
  readonly statements: readonly ParsedStatement[];
}

export interface Running {
  readonly client: Client;
  readonly timeouts: MigrationTimeouts;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: MigrationProgress) => void;
}

/**
 * Runs a file, and `record` with it: in one transaction, unless the file says otherwise. With batches each is a transaction of
 * its own, and `record` is part of the last, which finds nothing more to do.
 *
 * @throws MigrationFailedError naming file and line
 */
export async function runScript(script: Script, running: Running, record: () => Promise<void>): Promise<void> {
  const { batch, transaction } = script.directives;
  if (batch) await runBatches(script, running, record);
  else if (transaction) {
    await inTransaction(script, running, async () => {
      for (const statement of script.statements) await run(script, statement, running);
      await record();
    });
  } else {
    // Each statement by itself: several in one query would be a transaction again.
    await running.client.query(limits('', running.timeouts));
    for (const statement of script.statements) await run(script, statement, running);
    await record();
  }
}

async function runBatches(script: Script, running: Running, record: () => Promise<void>): Promise<void> {
  const [statement] = script.statements;
  if (statement === undefined) throw new RangeError(`${script.file} has no statement`);
  let rows = 0;
  for (let batch = 1; ; batch += 1) {
    const touched = await inTransaction(script, running, async () => {
      const count = await run(script, statement, running);
      if (count === 0) await record();
      return count;
    });
    if (touched === 0) return;
    rows += touched;
    running.onProgress({ kind: 'batch', file: script.file, batch, rows });
  }
}

async function inTransaction<Result>(script: Script, running: Running, work: () => Promise<Result>): Promise<Result> {
  const { client, timeouts } = running;
  await client.query('BEGIN');
  try {
    await client.query(limits('LOCAL ', timeouts));
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw failure(script, error, null, timeouts);
  }
}

const limits = (local: string, { lockMs, statementMs }: MigrationTimeouts): string =>
  `SET ${local}lock_timeout = ${lockMs}; SET ${local}statement_timeout = ${statementMs}`;

/** Rows that the statement touched. */
async function run(script: Script, statement: ParsedStatement, { client, signal, timeouts }: Running): Promise<number> {
  signal.throwIfAborted();
  try {
    return (await client.query(statement.sql)).rowCount ?? 0;
  } catch (error) {
    throw failure(script, error, statement, timeouts);
  }
}

function failure(
  { file, directives }: Script,
  error: unknown,
  statement: ParsedStatement | null,
  timeouts: MigrationTimeouts,
): unknown {
  if (error instanceof VezaError || !(error instanceof Error)) return error;
  const state = error instanceof DatabaseError ? (error.code ?? null) : null;
  const position = error instanceof DatabaseError ? Number(error.position ?? 1) : 1;
  const line = statement === null ? null : statement.line + lineAt(statement.sql.slice(0, position - 1)) - 1;
  const where = line === null ? file : `${file}:${line}`;
  const undone = directives.batch
    ? 'Batches before it stay applied, and it goes on after them.'
    : directives.transaction
      ? 'Nothing of this file was applied.'
      : 'Statements before it stay applied: write the file so that it can run again.';
  if (state === '55P03') {
    const reason = `no lock within ${timeouts.lockMs} ms, somebody else uses the table`;
    return new MigrationFailedError(where, reason, `${undone} Try again when the table is less busy.`, true);
  }
  if (state === '57014') {
    const reason = `not finished within ${timeouts.statementMs} ms`;
    const how = directives.batch
      ? 'Make the batches smaller.'
      : `Do it in smaller steps, or raise the limit in the file: SET ${directives.transaction ? 'LOCAL ' : ''}statement_timeout.`;
    return new MigrationFailedError(where, reason, `${undone} ${how}`, true);
  }
  const detail = error instanceof DatabaseError && error.detail !== undefined ? ` (${error.detail})` : '';
  return new MigrationFailedError(where, `${error.message}${detail}`, undone, isTransient(error));
}
