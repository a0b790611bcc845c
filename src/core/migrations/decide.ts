import type { Holder } from './holders.ts';
import { inFolderOrder, sameMigration, type AppliedMigration, type MigrationId } from './kinds.ts';

/** A release that can get traffic, with what its folder of migrations holds. */
export interface Holding extends Holder {
  /** Null: it cannot be read any more, so nothing is known of it but that it may need everything. */
  readonly files: readonly MigrationId[] | null;
}

export interface ContractQuestion {
  /** Contract migrations of the release that asks, in order. */
  readonly folder: readonly MigrationId[];
  readonly applied: readonly MigrationId[];
  /** Everybody whose migrations are in the same schema of the same database. */
  readonly holdings: readonly Holding[];
  /** Give up what a rollback would choose: it runs nowhere. What runs is never given up. */
  readonly giveUpRollback: boolean;
}

/** Why a contract migration is not run now. */
export interface Deferred {
  readonly contract: MigrationId;
  /** Releases that need the old form; empty when it waits for an earlier migration alone. */
  readonly neededBy: readonly Holding[];
  /** Migrations that must be applied before it. */
  readonly after: readonly MigrationId[];
}

export interface ContractDecision {
  /** In order. */
  readonly run: readonly MigrationId[];
  readonly deferred: readonly Deferred[];
}

/**
 * A release needs what a contract migration takes away, unless the same contract is in its own folder: then its author has
 * written it to live without.
 */
export const needsOldForm = ({ files }: Pick<Holding, 'files'>, contract: MigrationId): boolean =>
  files === null || !files.some((file) => sameMigration(file, contract));

/** Which contract migrations may be run: those that no release needs which can still get traffic, in order without a gap. */
export function decideContract({ folder, applied, holdings, giveUpRollback }: ContractQuestion): ContractDecision {
  const has = (migration: MigrationId): boolean => applied.some((one) => sameMigration(one, migration));
  const run: MigrationId[] = [];
  const deferred: Deferred[] = [];
  const ordered = folder.toSorted(inFolderOrder);
  for (const contract of ordered) {
    if (contract.kind !== 'contract' || has(contract)) continue;
    const neededBy = holdings.filter(
      (holding) => !(giveUpRollback && holding.role === 'rollback') && needsOldForm(holding, contract),
    );
    const after = ordered.filter(
      (other) =>
        !has(other) &&
        (other.kind === 'contract'
          ? other.number < contract.number && !run.includes(other)
          : other.number <= contract.number),
    );
    if (neededBy.length === 0 && after.length === 0) run.push(contract);
    else deferred.push({ contract, neededBy, after });
  }
  return { run, deferred };
}

/** Contracts that are in force and that a release lacks: started, it would meet a database without what it needs. */
export const missingContracts = (
  { files }: Pick<Holding, 'files'>,
  inForce: readonly MigrationId[],
): readonly MigrationId[] =>
  inForce.filter((migration) => migration.kind === 'contract' && needsOldForm({ files }, migration));

export interface UndoQuestion {
  /** In the order in which they were applied. */
  readonly applied: readonly AppliedMigration[];
  readonly holdings: readonly Holding[];
  /** Everything above this number; null: what was applied last, and nothing else. */
  readonly to: number | null;
}

/** Why a migration is not taken back. */
export interface Kept {
  readonly migration: AppliedMigration;
  /** Releases that were built on it. */
  readonly usedBy: readonly Holding[];
  /** Why it cannot be taken back at all; null when it could. */
  readonly why: string | null;
}

export interface UndoDecision {
  /** What shall be taken back, the last one first. Nothing of it is, unless `kept` is empty. */
  readonly undo: readonly AppliedMigration[];
  readonly kept: readonly Kept[];
}

/**
 * A release uses the expand and migrate migrations of its own folder, so they stay while it can get traffic. That a contract is
 * taken back harms nobody: what it took away is added again.
 */
export const usesMigration = ({ files }: Pick<Holding, 'files'>, migration: MigrationId): boolean =>
  migration.kind !== 'contract' && (files === null || files.some((file) => sameMigration(file, migration)));

/** Which migrations an undo takes back, or why it does not. */
export function decideUndo({ applied, holdings, to }: UndoQuestion): UndoDecision {
  const newestFirst = applied.toReversed();
  const undo = to === null ? newestFirst.slice(0, 1) : newestFirst.filter(({ number }) => number > to);
  const kept = undo.flatMap((migration): readonly Kept[] => {
    const usedBy = holdings.filter((holding) => usesMigration(holding, migration));
    const why =
      migration.irreversible ??
      (migration.undoable
        ? null
        : 'it was applied before undo files were kept; the next deployment that has one brings it');
    return usedBy.length === 0 && why === null ? [] : [{ migration, usedBy, why }];
  });
  return { undo, kept };
}
