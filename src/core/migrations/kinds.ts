/**
 * `expand` adds, `migrate` moves data: both before a release starts, and harmless for the one that runs. `contract` takes the
 * old form away, once no release needs it any more.
 *
 * @see https://martinfowler.com/bliki/ParallelChange.html
 */
export const MIGRATION_KINDS = ['expand', 'migrate', 'contract'] as const;
export type MigrationKind = (typeof MIGRATION_KINDS)[number];

/** Which migration it is: the same number, name and text mean the same one, in a folder and in a database. */
export interface MigrationId {
  readonly number: number;
  readonly name: string;
  readonly kind: MigrationKind;
  readonly checksum: string;
}

/** A migration that a database has. */
export interface AppliedMigration extends MigrationId {
  /** UTC milliseconds. */
  readonly appliedAt: number;
  /** That brought it; null when nobody said. */
  readonly release: string | null;
  /** The database knows how to take it back. */
  readonly undoable: boolean;
  /** Why it cannot be taken back, in its author's words; null when it can, or nothing is known. */
  readonly irreversible: string | null;
}

export const sameMigration = (a: MigrationId, b: MigrationId): boolean =>
  a.number === b.number && a.kind === b.kind && a.name === b.name && a.checksum === b.checksum;

/** `0003_names.contract.sql` */
export const migrationFile = ({ number, name, kind }: Omit<MigrationId, 'checksum'>): string =>
  `${String(number).padStart(4, '0')}_${name}.${kind}.sql`;

/** The order in which a folder's migrations are written down: by number, expand before migrate before contract. */
export const inFolderOrder = (a: Omit<MigrationId, 'checksum'>, b: Omit<MigrationId, 'checksum'>): number =>
  a.number - b.number || MIGRATION_KINDS.indexOf(a.kind) - MIGRATION_KINDS.indexOf(b.kind);
