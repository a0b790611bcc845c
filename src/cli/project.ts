import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ProjectNotFoundError } from '../errors.ts';

export interface Project {
  /** Folder of `veza.config.ts`, absolute. */
  readonly dir: string;
  /** Absolute. */
  readonly stateDir: string;
}

export const CONFIG_FILE = 'veza.config.ts';

/**
 * The project of a folder: the nearest one above with a `veza.config.ts`. With `--state-dir` alone a control plane is
 * found without its project. Throws ProjectNotFoundError.
 */
export function findProject(
  cwd: string,
  projectOption: string | undefined,
  stateDirOption: string | undefined,
): Project {
  const start = resolve(cwd, projectOption ?? '.');
  const stateDir = stateDirOption === undefined ? null : resolve(cwd, stateDirOption);
  for (let dir = start; ; dir = dirname(dir)) {
    if (existsSync(join(dir, CONFIG_FILE))) return { dir, stateDir: stateDir ?? join(dir, '.veza') };
    if (projectOption !== undefined || dirname(dir) === dir) break;
  }
  if (stateDir !== null) return { dir: start, stateDir };
  throw new ProjectNotFoundError(start);
}
