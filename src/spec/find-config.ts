import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ConfigUnreadableError, ProjectNotFoundError } from '../errors.ts';

export const CONFIG_FILE = 'veza.config.ts';

/**
 * Finds the configuration: the file or folder that was named, or else `veza.config.ts` in a folder or one above it.
 *
 * @param from folder to start in; a relative `named` starts there, too
 * @returns absolute path
 * @throws ProjectNotFoundError when there is none, ConfigUnreadableError when what was named does not exist
 */
export async function findConfig(from: string, named?: string): Promise<string> {
  if (named !== undefined) return fileOf(resolve(from, named));
  const start = resolve(from);
  for (let directory = start; ; directory = dirname(directory)) {
    const file = join(directory, CONFIG_FILE);
    if ((await kindOf(file)) === 'file') return file;
    if (directory === dirname(directory)) throw new ProjectNotFoundError(start);
  }
}

async function fileOf(path: string): Promise<string> {
  switch (await kindOf(path)) {
    case 'file':
      return path;
    case 'folder':
      return fileOf(join(path, CONFIG_FILE));
    case 'nothing':
      throw new ConfigUnreadableError(
        path,
        'it does not exist',
        'Check the path, or make a working example: `veza init`.',
      );
  }
}

async function kindOf(path: string): Promise<'file' | 'folder' | 'nothing'> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file';
  } catch {
    // Not allowed to look is the same as not there: the folder above may still have one.
    return 'nothing';
  }
}
