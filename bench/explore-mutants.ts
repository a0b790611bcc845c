import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Mutation } from '../src/core/rollout/testing/mutations.ts';
import type { Rollout } from '../src/core/rollout/testing/play.ts';

const SOURCES = join(import.meta.dirname, '../src/core/rollout');

/**
 * A copy of the rollout with a fault in it.
 *
 * @param folder an empty folder for the copy; a folder holds one mutation, because modules are kept by their address
 * @throws RangeError when an edit does not match exactly once
 */
export async function mutant(mutation: Mutation, folder: string): Promise<Rollout> {
  mkdirSync(folder, { recursive: true });
  cpSync(SOURCES, folder, {
    recursive: true,
    filter: (path) => !path.endsWith('.test.ts') && !path.endsWith('testing'),
  });
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  for (const { file, find, replace } of mutation.edits) {
    const path = join(folder, file);
    const parts = readFileSync(path, 'utf8').split(find);
    if (parts.length !== 2)
      throw new RangeError(`mutation "${mutation.name}": the text to replace is ${parts.length - 1} times in ${file}`);
    writeFileSync(path, parts.join(replace));
  }
  return (await import(/* @vite-ignore */ pathToFileURL(join(folder, 'step.ts')).href)) as Rollout;
}
