import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PlantedBug } from './bugs.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const PARTS = ['core', 'engine', 'store', 'drivers', 'sim', 'errors.ts'];

/**
 * Copies the sources that the simulator runs to a folder of their own and puts a fault into them.
 *
 * @throws Error when the text to change is not there, or there more than once: the sources have moved on, the bug has to follow
 * @returns the folder; whoever asks for it takes it away again
 */
export function plant(bug: PlantedBug): string {
  const folder = mkdtempSync(join(tmpdir(), 'veza-planted-'));
  for (const part of PARTS) cpSync(join(root, 'src', part), join(folder, 'src', part), { recursive: true });
  // Only a module's own package file says that .ts means ES modules.
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  for (const { file, find, replace } of bug.edits) {
    const path = join(folder, file);
    const source = readFileSync(path, 'utf8');
    const times = source.split(find).length - 1;
    if (times !== 1) throw new Error(`${bug.name}: the text to change is ${times} times in ${file}: ${find}`);
    writeFileSync(
      path,
      source.replace(find, () => replace),
    );
  }
  return folder;
}
