import type { MigrationsView } from '../../api/migration-schemas.ts';
import type { Deferred, Holding } from '../../core/migrations/decide.ts';
import {
  inFolderOrder,
  migrationFile,
  sameMigration,
  type AppliedMigration,
  type MigrationId,
} from '../../core/migrations/kinds.ts';
import { deferredInWords } from '../../core/migrations/words.ts';
import type { MigrationProgress, MigrationState } from '../../drivers/resource/migrations.ts';
import type { MigrationPlace } from './migration-book.ts';

type View = MigrationsView['migrations'][number];

/** A service's migrations as the API shows them: what its live release brings, and what else the database has. */
export function migrationsView(of: {
  readonly place: MigrationPlace;
  readonly service: string;
  readonly release: string;
  readonly folder: readonly MigrationId[];
  readonly state: MigrationState;
  readonly run: readonly MigrationId[];
  readonly deferred: readonly Deferred[];
}): MigrationsView {
  const { place, service, release, folder, state, run, deferred } = of;
  const has = (list: readonly MigrationId[], one: MigrationId): boolean =>
    list.some((other) => sameMigration(one, other));
  const pending = folder.filter((one) => !has(state.applied, one));
  const all = [...state.applied, ...pending].toSorted(inFolderOrder);
  const migrations = all.map((one): View => {
    const known = state.applied.find((other) => sameMigration(other, one));
    if (known !== undefined) return appliedView(known, has(folder, one) ? 'applied' : 'ahead');
    const waits = deferred.find(({ contract }) => sameMigration(contract, one));
    const waiting = one.kind !== 'contract' ? 'pending' : has(run, one) ? 'ready' : 'deferred';
    return {
      ...basic(one),
      state: waiting,
      appliedAt: null,
      release: null,
      undo: null,
      irreversible: null,
      waitsFor:
        waits === undefined
          ? null
          : { releases: waits.neededBy.map(holderView), migrations: waits.after.map(migrationFile) },
      text: waits === undefined ? null : deferredInWords(waits),
    };
  });
  return {
    environment: place.environment,
    service,
    release,
    resource: place.resource,
    schema: place.schema,
    migrations,
  };
}

const basic = (one: MigrationId): Pick<View, 'file' | 'number' | 'kind'> => ({
  file: migrationFile(one),
  number: one.number,
  kind: one.kind,
});

const appliedView = (one: AppliedMigration, state: 'applied' | 'ahead'): View => ({
  ...basic(one),
  state,
  appliedAt: one.appliedAt,
  release: one.release,
  undo: one.undoable ? 'file' : one.irreversible === null ? 'unknown' : 'irreversible',
  irreversible: one.irreversible,
  waitsFor: null,
  text: null,
});

const holderView = ({ environment, service, release, role, slot, deployment, until }: Holding) => ({
  environment,
  service,
  release,
  role,
  slot,
  deployment,
  until,
});

/** For the person who waits, and for the log. */
export function migrationProgressInWords(progress: MigrationProgress): string {
  switch (progress.kind) {
    case 'waiting':
      return 'another runner is at work on this database: waiting for it';
    case 'applying':
      return `applying ${progress.file} (${progress.number} of ${progress.of})`;
    case 'batch':
      return `${progress.file}: batch ${progress.batch}, ${progress.rows} rows so far`;
    case 'applied':
      return `applied ${progress.file} in ${progress.durationMs} ms`;
    case 'undoing':
      return `taking back ${progress.file} (${progress.number} of ${progress.of})`;
    case 'undone':
      return `taken back by ${progress.file} in ${progress.durationMs} ms`;
  }
}
