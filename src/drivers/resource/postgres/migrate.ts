import { setTimeout as delay } from 'node:timers/promises';
import { type Client, DatabaseError } from 'pg';
import { MigrationFailedError, MigrationFilesError, VezaError } from '../../../errors.ts';
import type { MigrationPhase, MigrationProgress, MigrationReport, MigrationRequest } from '../resource.ts';
import { lineAt, type MigrationFile, readMigrations } from './migration-files.ts';
import { type ConnectTo, isTransient, withSession } from './session.ts';

export interface MigrationTimeouts {
  /** Longest wait for a lock, in milliseconds. While a migration waits for one, everybody behind it waits too. */
  readonly lockMs: number;
  /** Longest time for one statement, in milliseconds. */
  readonly statementMs: number;
}

export const DEFAULT_TIMEOUTS: MigrationTimeouts = { lockMs: 2000, statementMs: 60_000 };

// "veza" in ASCII, and 1: the number of the advisory lock that runners queue for.
const ADVISORY_LOCK = [0x76_65_7a_61, 1] as const;
const LOCK_POLL_MS = 100;

interface AppliedRow {
  readonly number: number;
  readonly phase: MigrationPhase;
  readonly name: string;
  readonly checksum: string;
  readonly applied_at: Date;
  readonly release: string | null;
}

/** Applies pending migrations of one phase; see `ResourceDriver.migrate`. */
export async function migrate(
  to: ConnectTo,
  request: MigrationRequest,
  signal: AbortSignal,
  onProgress: (progress: MigrationProgress) => void,
  timeouts: MigrationTimeouts = DEFAULT_TIMEOUTS,
): Promise<MigrationReport> {
  const files = await readMigrations(request.directory);
  return withSession(to, signal, async (client) => {
    await takeTurn(client, signal, onProgress);
    await client.query(`CREATE TABLE IF NOT EXISTS veza_migrations (
      number integer NOT NULL,
      phase text NOT NULL CHECK (phase IN ('expand', 'contract')),
      name text NOT NULL,
      checksum text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now(),
      release text,
      PRIMARY KEY (number, phase)
    )`);
    const { rows } = await client.query<AppliedRow>('SELECT * FROM veza_migrations ORDER BY number, phase DESC');
    const { pending, ahead } = compare(request, files, rows);
    const applied: { file: string; durationMs: number }[] = [];
    for (const [index, file] of pending.entries()) {
      signal.throwIfAborted();
      onProgress({ kind: 'applying', file: file.file, number: index + 1, of: pending.length });
      const start = performance.now();
      await apply(client, file, request.release, timeouts, signal);
      const durationMs = Math.round(performance.now() - start);
      applied.push({ file: file.file, durationMs });
      onProgress({ kind: 'applied', file: file.file, durationMs });
    }
    const alreadyApplied = rows.filter((row) => row.phase === request.phase).length;
    return { applied, alreadyApplied, ahead };
  });
}

/**
 * Waits for the advisory lock, which belongs to the session: it is free as soon as its holder is gone. Asked for again and
 * again rather than waited for: a waiting `pg_advisory_lock` holds a snapshot, and CREATE INDEX CONCURRENTLY in the runner
 * that has the lock would wait for that snapshot, for ever.
 */
async function takeTurn(
  client: Client,
  signal: AbortSignal,
  onProgress: (progress: MigrationProgress) => void,
): Promise<void> {
  for (let waiting = false; ; waiting = true) {
    const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1, $2) AS taken', [
      ...ADVISORY_LOCK,
    ]);
    if (rows[0]?.taken === true) return;
    if (!waiting) onProgress({ kind: 'waiting' });
    await delay(LOCK_POLL_MS, undefined, { signal });
  }
}

/** What is left to do, once folder and database are seen to tell the same story. */
function compare(
  request: MigrationRequest,
  files: readonly MigrationFile[],
  rows: readonly AppliedRow[],
): { readonly pending: readonly MigrationFile[]; readonly ahead: readonly string[] } {
  const problems: string[] = [];
  const ahead: string[] = [];
  const last = files.at(-1)?.number ?? 0;
  const applied = new Set<string>();
  for (const row of rows) {
    const label = `${String(row.number).padStart(4, '0')}_${row.name}.${row.phase}.sql`;
    const file = files.find((each) => each.number === row.number && each.phase === row.phase);
    const when = `on ${row.applied_at.toISOString()}${row.release === null ? '' : ` by release ${row.release}`}`;
    if (file !== undefined && file.name === row.name && file.checksum === row.checksum) {
      applied.add(file.file);
    } else if (file !== undefined && file.name === row.name) {
      problems.push(
        `${file.file}: changed after it was applied ${when}: restore it, and put the change into a new migration`,
      );
    } else if (file !== undefined) {
      problems.push(`${file.file}: its number was taken by ${label}, applied ${when}: give it the next free number`);
    } else if (row.number > last) {
      // A later release was here and was taken back. Its expand migrations are harmless for this one by their nature.
      ahead.push(label);
    } else {
      problems.push(`${label}: was applied ${when} and is missing from the folder: restore it`);
    }
  }
  const pending = files.filter((file) => file.phase === request.phase && !applied.has(file.file));
  const lastApplied = Math.max(0, ...rows.filter((row) => row.phase === request.phase).map((row) => row.number));
  for (const file of pending) {
    if (request.phase === 'expand' && file.number < lastApplied) {
      problems.push(`${file.file}: comes before migrations that are applied already: give it the next free number`);
    }
    const expand = files.find(
      (each) => each.phase === 'expand' && each.number <= file.number && !applied.has(each.file),
    );
    if (request.phase === 'contract' && expand !== undefined) {
      problems.push(`${file.file}: ${expand.file} must be applied first: deploy the release that brings it`);
    }
  }
  if (problems.length > 0) throw new MigrationFilesError(request.directory, problems);
  return { pending, ahead };
}

async function apply(
  client: Client,
  file: MigrationFile,
  release: string | null,
  timeouts: MigrationTimeouts,
  signal: AbortSignal,
): Promise<void> {
  const local = file.transaction ? 'LOCAL ' : '';
  const limits = `SET ${local}lock_timeout = ${timeouts.lockMs}; SET ${local}statement_timeout = ${timeouts.statementMs}`;
  const record = async (): Promise<unknown> =>
    client.query('INSERT INTO veza_migrations (number, phase, name, checksum, release) VALUES ($1, $2, $3, $4, $5)', [
      file.number,
      file.phase,
      file.name,
      file.checksum,
      release,
    ]);
  if (file.transaction) {
    await client.query('BEGIN');
    try {
      await client.query(limits);
      for (const statement of file.statements) await run(client, file, statement, timeouts, signal);
      await record();
      await client.query('COMMIT');
    } catch (error) {
      await client.query('ROLLBACK').catch(() => undefined);
      throw failure(file, error, null, timeouts);
    }
    return;
  }
  // Each statement by itself: several in one query would be a transaction again.
  await client.query(limits);
  for (const statement of file.statements) await run(client, file, statement, timeouts, signal);
  await record();
}

async function run(
  client: Client,
  file: MigrationFile,
  statement: { readonly sql: string; readonly line: number },
  timeouts: MigrationTimeouts,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  try {
    await client.query(statement.sql);
  } catch (error) {
    throw failure(file, error, statement, timeouts);
  }
}

function failure(
  file: MigrationFile,
  error: unknown,
  statement: { readonly sql: string; readonly line: number } | null,
  timeouts: MigrationTimeouts,
): unknown {
  if (error instanceof VezaError || !(error instanceof Error)) return error;
  const state = error instanceof DatabaseError ? (error.code ?? null) : null;
  const position = error instanceof DatabaseError ? Number(error.position ?? 1) : 1;
  const line = statement === null ? null : statement.line + lineAt(statement.sql.slice(0, position - 1)) - 1;
  const where = line === null ? file.file : `${file.file}:${line}`;
  const undone = file.transaction
    ? 'Nothing of this file was applied.'
    : 'Statements before it stay applied: write the file so that it can run again.';
  if (state === '55P03') {
    const reason = `no lock within ${timeouts.lockMs} ms, somebody else uses the table`;
    return new MigrationFailedError(where, reason, `${undone} Try again when the table is less busy.`, true);
  }
  if (state === '57014') {
    const reason = `not finished within ${timeouts.statementMs} ms`;
    const hint = `${undone} Do it in smaller steps, or raise the limit in the file: SET ${file.transaction ? 'LOCAL ' : ''}statement_timeout.`;
    return new MigrationFailedError(where, reason, hint, true);
  }
  const detail = error instanceof DatabaseError && error.detail !== undefined ? ` (${error.detail})` : '';
  return new MigrationFailedError(where, `${error.message}${detail}`, undone, isTransient(error));
}
