import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { runToEnd } from './owned-process.ts';

/** Absolute path of a program; `/usr/sbin` is looked at too, where Debian keeps servers. Null when it is not installed. */
function findProgram(name: string): string | null {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this one.
    }
  }
  return null;
}

/**
 * Finds every program, or says at once which packages are missing.
 *
 * @param packages name of the program to the Debian package that has it
 * @throws Error that names all that is missing, and the command that installs it
 */
export function requirePrograms<Name extends string>(
  packages: Readonly<Record<Name, string>>,
): Readonly<Record<Name, string>> {
  const found = (Object.keys(packages) as Name[]).map((name) => [name, findProgram(name)] as const);
  const missing = found.filter(([, file]) => file === null).map(([name]) => name);
  if (missing.length > 0) {
    const install = missing.map((name) => packages[name]).join(' ');
    throw new Error(`This benchmark needs ${missing.join(', ')}. Install with: apt-get install ${install}`);
  }
  return Object.fromEntries(found) as Record<Name, string>;
}

const cache = join(import.meta.dirname, '../../node_modules/.cache/veza/bench');

/**
 * The program of a C file, compiled when the file is newer.
 *
 * @param source absolute path of the `.c` file
 */
export async function compiled(cc: string, source: string, signal: AbortSignal): Promise<string> {
  const program = join(cache, source.split('/').at(-1)?.replace(/\.c$/, '') ?? 'program');
  if (modified(program) < modified(source)) {
    mkdirSync(cache, { recursive: true });
    await runToEnd({ program: cc, args: ['-O2', '-o', program, source] }, signal);
  }
  return program;
}

function modified(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
