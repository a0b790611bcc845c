import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readFolder } from '../core/migrations/folder.ts';
import { mistake, type Mistake } from '../core/spec/mistake.ts';
import type { Platform, Service } from '../core/spec/platform.ts';

/**
 * Looks at the migrations that stand in the source: names, numbers, and whether each says how it is taken back. SQL is read by
 * the gate, and so is what a build makes.
 *
 * @param directory folder of the declaration
 */
export async function checkMigrations(platform: Platform, directory: string): Promise<readonly Mistake[]> {
  const services = new Map<string, Service>();
  for (const environment of Object.values(platform.environments))
    for (const [name, service] of Object.entries(environment.services))
      if (service.gates.migrations !== null && !services.has(name)) services.set(name, service);
  const found = await Promise.all([...services.values()].map((service) => checkService(service, directory)));
  return found.flat();
}

async function checkService({ name, source, build, gates }: Service, directory: string): Promise<readonly Mistake[]> {
  const { migrations } = gates;
  if (migrations === null) return [];
  const path = ['services', name, 'gates', 'migrations', 'directory'];
  const isMade = build.commands.length > 0;
  if (isMade && build.output !== '.') return [];
  const folder = join(directory, source, build.output, migrations.directory);
  const files = await read(folder);
  if (files === null) {
    if (isMade) return [];
    return [mistake({ path, expected: 'a folder with migrations in the artifact', got: `no folder ${folder}` })];
  }
  return readFolder(files).problems.map((problem) =>
    mistake({ path, expected: 'migrations that can be applied and taken back (docs/resources.md)', got: problem }),
  );
}

/** Null: there is no such folder. */
async function read(folder: string): Promise<readonly { readonly name: string; readonly text: string }[] | null> {
  try {
    const names = (await readdir(folder)).filter((name) => name.endsWith('.sql'));
    return await Promise.all(names.map(async (name) => ({ name, text: await readFile(join(folder, name), 'utf8') })));
  } catch {
    return null;
  }
}
