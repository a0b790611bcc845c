import { sameMigration, type MigrationId } from '../../core/migrations/kinds.ts';

/** Kind of the journal's entry for what was done to a database by its migrations. */
export const MIGRATIONS = 'migrations';

/** A schema of a resource as an environment names it; several may be the same one. */
export interface MigrationPlace {
  readonly environment: string;
  readonly resource: string;
  readonly schema: string | null;
}

interface Change {
  readonly add: readonly MigrationId[];
  readonly remove: readonly MigrationId[];
}

/**
 * `contract` and `undo` are written before anything is done, `contracted` and `undone` after; `applied`: a deployment has run
 * again what had been taken back; `found`: the database was not as it was thought to be.
 */
export interface MigrationEntry {
  readonly what: 'contract' | 'contracted' | 'undo' | 'undone' | 'applied' | 'found';
  readonly environment: string;
  readonly service: string;
  readonly by: string;
  readonly places: readonly MigrationPlace[];
  /** What it is about. */
  readonly files: readonly string[];
  /** Contracts that are in force, or may be: they were begun. */
  readonly contracts: Change;
  /** Expand and migrate migrations that were taken back, or may have been. */
  readonly undone: Change;
}

interface Standing {
  readonly contracts: readonly MigrationId[];
  readonly undone: readonly MigrationId[];
}

const NOTHING: Standing = { contracts: [], undone: [] };

/**
 * Which old forms are gone and which migrations were taken back, by the journal: known also while a database cannot be asked,
 * and before what was begun has ended.
 */
export class MigrationBook {
  readonly #standings = new Map<string, Standing>();
  readonly #record: (entry: MigrationEntry) => void;

  constructor(record: (entry: MigrationEntry) => void) {
    this.#record = record;
  }

  /** An entry out of the journal. */
  restore({ places, contracts, undone }: MigrationEntry): void {
    for (const place of places) {
      const before = this.standing(place);
      this.#standings.set(keyOf(place), {
        contracts: changed(before.contracts, contracts),
        undone: changed(before.undone, undone),
      });
    }
  }

  /** @throws StoreUnavailableError: then nothing has changed */
  decide(entry: MigrationEntry): void {
    this.#record(entry);
    this.restore(entry);
  }

  standing(place: MigrationPlace): Standing {
    return this.#standings.get(keyOf(place)) ?? NOTHING;
  }
}

const keyOf = ({ environment, resource, schema }: MigrationPlace): string =>
  JSON.stringify([environment, resource, schema]);

const changed = (before: readonly MigrationId[], { add, remove }: Change): readonly MigrationId[] => [
  ...before.filter((one) => ![...add, ...remove].some((other) => sameMigration(one, other))),
  ...add,
];

/** For people: what an entry says. */
export function migrationEntryInWords({ what, service, environment, by, files, contracts }: MigrationEntry): string {
  const named = files.length === 0 ? 'nothing' : files.join(', ');
  const where = `of ${service} in ${environment}`;
  switch (what) {
    case 'contract':
      return `contract migrations ${where} begin: ${named}, by ${by}`;
    case 'contracted':
      return contracts.remove.length === 0
        ? `contract migrations ${where} are done: ${named}, by ${by}`
        : `contract migrations ${where} ended, and of ${named} some are not done, by ${by}`;
    case 'undo':
      return `migrations ${where} are being taken back: ${named}, by ${by}`;
    case 'undone':
      return `migrations ${where} were taken back: ${named}, by ${by}`;
    case 'applied':
      return `migrations ${where} are applied again: ${named}`;
    case 'found':
      return `the database ${where} is otherwise than it was thought: ${named}`;
  }
}
