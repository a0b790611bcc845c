import type { AppliedMigration, MigrationId, MigrationKind } from '../../core/migrations/kinds.ts';

export interface MigrationRequest {
  /** Folder with the files `NNNN_name.KIND.sql`. */
  readonly directory: string;
  /** Schema of the database that they run in, made when it is not there; null: the one that the login begins in. */
  readonly schema: string | null;
  /** Those that are pending of these kinds are applied, in order. */
  readonly kinds: readonly MigrationKind[];
  /** Of those, only these; null: all. */
  readonly only: readonly MigrationId[] | null;
  /** Recorded with each migration that is applied; null for none. */
  readonly release: string | null;
}

export interface UndoRequest {
  readonly schema: string | null;
  /** In the order in which they are taken back: the last one first. */
  readonly migrations: readonly MigrationId[];
}

export type MigrationProgress =
  /** Another runner is at work; this one waits for it. */
  | { readonly kind: 'waiting' }
  | { readonly kind: 'applying'; readonly file: string; readonly number: number; readonly of: number }
  /** After each batch of a migration that moves data in many: how many there were, and how many rows they touched. */
  | { readonly kind: 'batch'; readonly file: string; readonly batch: number; readonly rows: number }
  | { readonly kind: 'applied'; readonly file: string; readonly durationMs: number }
  | { readonly kind: 'undoing'; readonly file: string; readonly number: number; readonly of: number }
  | { readonly kind: 'undone'; readonly file: string; readonly durationMs: number };

export interface MigrationReport {
  /** In the order in which they were applied; empty when there was nothing to do. */
  readonly applied: readonly (MigrationId & { readonly file: string; readonly durationMs: number })[];
  /** How many of these kinds had been applied before. */
  readonly alreadyApplied: number;
  /** Migrations in the database that are newer than the folder: a later release has been here, and was taken back. */
  readonly ahead: readonly string[];
}

export interface UndoReport {
  /** In the order in which they were taken back. */
  readonly undone: readonly (MigrationId & { readonly file: string; readonly durationMs: number })[];
}

/** What a schema of a database has been through. */
export interface MigrationState {
  /** Tells databases apart, wherever they are asked from: two environments with the same one share their data. */
  readonly database: string;
  /** In the order in which they were applied. */
  readonly applied: readonly AppliedMigration[];
}

/** Migrations of one resource. Every method may be called again with the same arguments, also after a crash. */
export interface MigrationRunner {
  /** @throws ResourceUnavailableError; the signal's reason when aborted. */
  state(schema: string | null, signal: AbortSignal): Promise<MigrationState>;
  /**
   * Applies what is pending, in order. Idempotent; a second runner waits for the first and then finds nothing to do. What was
   * applied before a failure or an abort stays applied, batches of a migration included: it goes on where it was.
   *
   * @throws MigrationFilesError listing every mistake in the folder, before anything is applied.
   * @throws MigrationFailedError naming file and line; `retryable` tells whether trying again can help.
   * @throws ResourceUnavailableError; the signal's reason when aborted.
   */
  apply(
    request: MigrationRequest,
    signal: AbortSignal,
    onProgress: (progress: MigrationProgress) => void,
  ): Promise<MigrationReport>;
  /**
   * Takes migrations back with what the database was told when they were applied, so without the release that brought them. One
   * that is not applied (any more) is left out.
   *
   * @throws MigrationFailedError, ResourceUnavailableError; the signal's reason when aborted. What was taken back before stays so.
   */
  undo(
    request: UndoRequest,
    signal: AbortSignal,
    onProgress: (progress: MigrationProgress) => void,
  ): Promise<UndoReport>;
}
