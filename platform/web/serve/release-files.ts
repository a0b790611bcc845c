import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { COMPRESSED, readStoredFile, type StoredFile } from './stored-file.ts';

/** What one release serves, in memory: it is small, and a request needs no disk. */
export interface ReleaseFiles {
  readonly index: StoredFile;
  readonly notFound: StoredFile;
  readonly assets: ReadonlyMap<string, StoredFile>;
}

/**
 * Reads what the build wrote.
 *
 * @param folder holds index.html, not-found.html and assets/
 * @throws Error naming the file that is missing: the build was not run, or not to its end
 */
export async function readRelease(folder: string): Promise<ReleaseFiles> {
  const [index, notFound] = await Promise.all([required(folder, 'index.html'), required(folder, 'not-found.html')]);
  const within = join(folder, 'assets');
  const assets = new Map<string, StoredFile>();
  for (const name of await readdir(within)) {
    if (Object.values(COMPRESSED).some((ending) => name.endsWith(ending))) continue;
    assets.set(name, await required(within, name));
  }
  return { index, notFound, assets };
}

async function required(folder: string, name: string): Promise<StoredFile> {
  const file = await readStoredFile(folder, name);
  if (file === null) throw new Error(`${join(folder, name)} is not there: build the web service first`);
  return file;
}
