import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import { directivesOf } from '../../../core/migrations/folder.ts';
import {
  migrationFile,
  sameMigration,
  type AppliedMigration,
  type MigrationId,
} from '../../../core/migrations/kinds.ts';
import { MigrationFailedError, MigrationFilesError } from '../../../errors.ts';
import type {
  MigrationProgress,
  MigrationReport,
  MigrationRequest,
  MigrationState,
  UndoReport,
  UndoRequest,
} from '../migrations.ts';
import { readMigrations, type MigrationFile } from './migration-files.ts';
import { forget, idOf, prepareSchema, readTable, remember, renewUndo, type MigrationRow } from './migrations-table.ts';
import { DEFAULT_TIMEOUTS, runScript, type MigrationTimeouts } from './run-statements.ts';
import { type ConnectTo, describeUrl, withSession } from './session.ts';
import { parseStatements } from './statements.ts';

// "veza" in ASCII, and 1: the number of the advisory lock that runners queue for. One a database, whatever the schema.
const ADVISORY_LOCK = [0x76_65_7a_61, 1] as const;
const LOCK_POLL_MS = 100;

/** See `MigrationRunner.apply`. */
export async function migrate(
  to: ConnectTo,
  request: MigrationRequest,
  signal: AbortSignal,
  onProgress: (progress: MigrationProgress) => void,
  timeouts: MigrationTimeouts = DEFAULT_TIMEOUTS,
): Promise<MigrationReport> {
  const { schema, release, kinds } = request;
  const files = await readMigrations(request.directory);
  return withSession(to, signal, async (client) => {
    await takeTurn(client, signal, onProgress);
    await prepareSchema(client, schema);
    const rows = await readTable(client, schema);
    const { pending, ahead, renewed } = compare(request, files, rows);
    for (const file of renewed) await renewUndo(client, schema, file);
    const applied: MigrationReport['applied'][number][] = [];
    for (const [index, file] of pending.entries()) {
      signal.throwIfAborted();
      onProgress({ kind: 'applying', file: file.file, number: index + 1, of: pending.length });
      const start = performance.now();
      await runScript(file, { client, timeouts, signal, onProgress }, () => remember(client, schema, file, release));
      const durationMs = Math.round(performance.now() - start);
      const { number, name, kind, checksum } = file;
      applied.push({ file: file.file, number, name, kind, checksum, durationMs });
      onProgress({ kind: 'applied', file: file.file, durationMs });
    }
    return { applied, alreadyApplied: rows.filter((row) => kinds.includes(row.phase)).length, ahead };
  });
}

/** See `MigrationRunner.undo`. */
export async function undo(
  to: ConnectTo,
  { schema, migrations }: UndoRequest,
  signal: AbortSignal,
  onProgress: (progress: MigrationProgress) => void,
  timeouts: MigrationTimeouts = DEFAULT_TIMEOUTS,
): Promise<UndoReport> {
  return withSession(to, signal, async (client) => {
    await takeTurn(client, signal, onProgress);
    await prepareSchema(client, schema);
    const rows = await readTable(client, schema);
    const wanted = migrations.flatMap((migration) => {
      const row = rows.find((each) => sameMigration(idOf(each), migration));
      return row === undefined ? [] : [row];
    });
    const undone: UndoReport['undone'][number][] = [];
    for (const [index, row] of wanted.entries()) {
      signal.throwIfAborted();
      const id = idOf(row);
      const script = await undoScript(row);
      onProgress({ kind: 'undoing', file: script.file, number: index + 1, of: wanted.length });
      const start = performance.now();
      await runScript(script, { client, timeouts, signal, onProgress }, () => forget(client, schema, id));
      const durationMs = Math.round(performance.now() - start);
      undone.push({ ...id, file: script.file, durationMs });
      onProgress({ kind: 'undone', file: script.file, durationMs });
    }
    return { undone };
  });
}

/** See `MigrationRunner.state`. */
export async function state(to: ConnectTo, schema: string | null, signal: AbortSignal): Promise<MigrationState> {
  return withSession(to, signal, async (client) => {
    const rows = await readTable(client, schema);
    const applied = rows.map((row): AppliedMigration => ({
      ...idOf(row),
      appliedAt: row.applied_at.getTime(),
      release: row.release,
      undoable: row.undo !== null,
      irreversible: row.irreversible,
    }));
    return { database: await identify(client, to), applied };
  });
}

/**
 * Two addresses may lead to one database, so it is asked who it is. The server's own number alone would not do: a copy of its
 * files has the same.
 */
async function identify(client: Client, to: ConnectTo): Promise<string> {
  try {
    const { rows } = await client.query<{ identity: string }>(
      `SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()), inet_server_addr(), inet_server_port(),
         current_database()) AS identity`,
    );
    return rows[0]?.identity ?? describeUrl(to.url);
  } catch {
    // Somebody else's server may not tell its number; then its address has to do.
    return describeUrl(to.url);
  }
}

async function undoScript(row: MigrationRow): Promise<Parameters<typeof runScript>[0]> {
  const file = migrationFile(idOf(row)).replace(/\.sql$/, '.undo.sql');
  if (row.undo === null)
    throw new MigrationFailedError(
      file,
      row.irreversible ?? 'nobody has said how it is taken back',
      'Write a new migration that puts right what it did.',
      false,
    );
  const problems: string[] = [];
  const statements = await parseStatements(file, row.undo, problems);
  if (problems.length > 0) throw new MigrationFailedError(file, problems.join('; '), 'Nothing was applied.', false);
  return { file, directives: directivesOf(row.undo), statements };
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

interface Comparison {
  readonly pending: readonly MigrationFile[];
  readonly ahead: readonly string[];
  /** Applied, and the folder says otherwise than before how they are taken back. */
  readonly renewed: readonly MigrationFile[];
}

/** What is left to do, once folder and database are seen to tell the same story. */
function compare(
  request: MigrationRequest,
  files: readonly MigrationFile[],
  rows: readonly MigrationRow[],
): Comparison {
  const problems: string[] = [];
  const ahead: string[] = [];
  const renewed: MigrationFile[] = [];
  const last = files.at(-1)?.number ?? 0;
  const applied = new Set<string>();
  for (const row of rows) {
    const id = idOf(row);
    const label = migrationFile(id);
    const file = files.find((each) => each.number === row.number && each.kind === row.phase);
    const when = `on ${row.applied_at.toISOString()}${row.release === null ? '' : ` by release ${row.release}`}`;
    if (file !== undefined && sameMigration(file, id)) {
      applied.add(file.file);
      if ((file.undo?.sql ?? null) !== row.undo || file.directives.irreversible !== row.irreversible)
        renewed.push(file);
    } else if (file !== undefined && file.name === row.name) {
      problems.push(
        `${file.file}: changed after it was applied ${when}: restore it, and put the change into a new migration`,
      );
    } else if (file !== undefined) {
      problems.push(`${file.file}: its number was taken by ${label}, applied ${when}: give it the next free number`);
    } else if (row.phase === 'contract') {
      problems.push(
        `${label}: was applied ${when} and is not in this folder, so this release still needs what it took away: ` +
          'deploy one that has it, or take it back with `veza migrations undo`',
      );
    } else if (row.number > last) {
      // A later release was here and was taken back. What came before its contract is harmless for this one by its nature.
      ahead.push(label);
    } else {
      problems.push(`${label}: was applied ${when} and is missing from the folder: restore it`);
    }
  }
  const isWanted = (file: MigrationId): boolean =>
    request.kinds.includes(file.kind) &&
    (request.only === null || request.only.some((one) => sameMigration(one, file)));
  const pending = files.filter((file) => isWanted(file) && !applied.has(file.file));
  problems.push(...orderProblems(files, pending, applied, rows));
  if (problems.length > 0) throw new MigrationFilesError(request.directory, problems);
  return { pending, ahead, renewed };
}

function orderProblems(
  files: readonly MigrationFile[],
  pending: readonly MigrationFile[],
  applied: ReadonlySet<string>,
  rows: readonly MigrationRow[],
): readonly string[] {
  const lastApplied = Math.max(0, ...rows.filter((row) => row.phase !== 'contract').map((row) => row.number));
  return pending.flatMap((file) => {
    if (file.kind !== 'contract') {
      return file.number < lastApplied
        ? [`${file.file}: comes before migrations that are applied already: give it the next free number`]
        : [];
    }
    const before = files.find(
      (each) => each.kind !== 'contract' && each.number <= file.number && !applied.has(each.file),
    );
    return before === undefined
      ? []
      : [`${file.file}: ${before.file} must be applied first: deploy the release that brings it`];
  });
}
