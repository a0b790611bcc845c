import type { Environment } from '../../core/spec/platform.ts';
import type { ControlPlane } from '../control-plane.ts';
import { findService } from '../../spec/find-declared.ts';
import type { MigrationDesk } from './migration-desk.ts';
import type { Notice } from './notice.ts';

export interface MigrationVerbParts {
  readonly desk: MigrationDesk;
  readonly changes: Notice;
  /** The environment, open; null means the default one. @throws UnknownNameError */
  readonly environment: (name: string | null) => Promise<Environment>;
}

/** What people do with migrations. */
export function migrationVerbs({
  desk,
  changes,
  environment,
}: MigrationVerbParts): Pick<ControlPlane, 'migrations' | 'contractMigrations' | 'undoMigrations'> {
  return {
    async migrations(name, serviceName, signal) {
      const where = await environment(name);
      return desk.views(where, serviceName === null ? null : findService(where, serviceName).name, signal);
    },
    async contractMigrations(request, by, onProgress, signal) {
      const where = await environment(request.environment);
      const { name } = findService(where, request.service);
      return desk.contract(where, name, request.giveUpRollback, by, onProgress, signal).finally(() => changes.give());
    },
    async undoMigrations(request, by, onProgress, signal) {
      const where = await environment(request.environment);
      const { name } = findService(where, request.service);
      return desk.undo(where, name, request.to, by, onProgress, signal).finally(() => changes.give());
    },
  };
}
