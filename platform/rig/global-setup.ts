import { SERVER_VARIABLE } from './fresh-database.ts';
import { startPostgres } from './postgres.ts';

/** One PostgreSQL for a whole run of the Vitest project `platform`; test files make databases of their own in it. */
export default async function setup(): Promise<() => Promise<void>> {
  const postgres = await startPostgres();
  process.env[SERVER_VARIABLE] = postgres.url;
  return () => postgres.stop();
}
