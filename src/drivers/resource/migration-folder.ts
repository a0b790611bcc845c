import { hash as digest } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readFolder, type MigrationText } from '../../core/migrations/folder.ts';
import type { MigrationId } from '../../core/migrations/kinds.ts';
import { MigrationFilesError } from '../../errors.ts';

/**
 * Reads a folder's migrations; their SQL is not looked at.
 *
 * @throws MigrationFilesError when the folder cannot be read; what is wrong with its files is in `problems`
 */
export async function readMigrationFolder(directory: string): Promise<{
  readonly migrations: readonly (MigrationText & MigrationId)[];
  readonly problems: readonly string[];
}> {
  const { migrations, problems } = readFolder(await texts(directory));
  return {
    migrations: migrations.map((migration) => ({
      ...migration,
      checksum: digest('sha256', migration.identity, 'hex'),
    })),
    problems,
  };
}

/** Which migrations a folder holds; nothing is checked. @throws MigrationFilesError when it cannot be read */
export async function listMigrations(directory: string): Promise<readonly MigrationId[]> {
  const { migrations } = await readMigrationFolder(directory);
  return migrations.map(({ number, name, kind, checksum }) => ({ number, name, kind, checksum }));
}

async function texts(directory: string): Promise<readonly { readonly name: string; readonly text: string }[]> {
  try {
    const names = (await readdir(directory)).filter((name) => name.endsWith('.sql'));
    return await Promise.all(
      names.map(async (name) => ({ name, text: await readFile(join(directory, name), 'utf8') })),
    );
  } catch (error) {
    throw new MigrationFilesError(directory, [
      `cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    ]);
  }
}
