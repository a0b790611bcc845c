import type { MigrationRunner } from '../migrations.ts';
import { migrate, state, undo } from './migrate.ts';
import type { ConnectTo } from './session.ts';

/** Migrations of a PostgreSQL. @param to asked for each time, so that a rotated password is used */
export const postgresMigrations = (to: () => Promise<ConnectTo>): MigrationRunner => ({
  state: async (schema, signal) => state(await to(), schema, signal),
  apply: async (request, signal, onProgress) => migrate(await to(), request, signal, onProgress),
  undo: async (request, signal, onProgress) => undo(await to(), request, signal, onProgress),
});
