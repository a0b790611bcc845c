import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { ApiTables } from '../schema.ts';

/** The database of a test without what a service has around it. */
export function connectForTests(url: string): { readonly db: Kysely<ApiTables>; close(): Promise<void> } {
  const pool = new pg.Pool({ connectionString: url, max: 2, options: '-c search_path=api' });
  const db = new Kysely<ApiTables>({ dialect: new PostgresDialect({ pool }) });
  return { db, close: () => db.destroy() };
}
