import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CgroupPlace } from './record.ts';
import type { ProcessTable } from './process-table.ts';

export interface Limits {
  readonly memory: number | null;
  readonly cpus: number | null;
}

/** Where this machine lets us make control groups, one folder per controller; null where it does not. */
export interface CgroupRoots {
  readonly version: 1 | 2;
  readonly memory: string | null;
  readonly cpu: string | null;
}

const PERIOD_US = 100_000;

/** Reads where the hierarchies are mounted and where we are in them: cgroups(7). */
function readMounts(): { readonly v2: string[]; readonly memory: string[]; readonly cpu: string[] } {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '));
  const own = readFileSync('/proc/self/cgroup', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const candidates = (mount: string | undefined, path: string | undefined): string[] => {
    if (mount === undefined) return [];
    // From our own group up to the root: the nearest that lets us keeps us inside limits that others set for us.
    const result: string[] = [];
    for (let at = path ?? '/'; ; at = dirname(at)) {
      result.push(join(mount, at));
      if (at === '/' || at === '.') return result;
    }
  };
  const v1Mount = (controller: string): string | undefined =>
    mounts.find((mount) => mount[2] === 'cgroup' && mount[3]?.split(',').includes(controller))?.[1];
  const v1Path = (controller: string): string | undefined =>
    own.find((line) => line[1]?.split(',').includes(controller))?.[2];
  return {
    v2: candidates(mounts.find((mount) => mount[2] === 'cgroup2')?.[1], own.find((line) => line[0] === '0')?.[2]),
    memory: candidates(v1Mount('memory'), v1Path('memory')),
    cpu: candidates(v1Mount('cpu'), v1Path('cpu')),
  };
}

/**
 * Finds out by trying, with a real process in a real group, what this machine allows: the unified hierarchy with its
 * controllers delegated to us, else the memory and cpu hierarchies of version 1.
 */
export async function findCgroups(): Promise<CgroupRoots> {
  const none: CgroupRoots = { version: 2, memory: null, cpu: null };
  if (process.platform !== 'linux') return none;
  const trial = spawn('sleep', ['30'], { stdio: 'ignore', detached: true, env: { PATH: '/usr/bin:/bin' } });
  const ended = new Promise((resolve) => {
    trial.once('exit', resolve);
    trial.once('error', resolve);
  });
  const { pid } = trial;
  if (pid === undefined) return none;
  const tried: string[] = [];
  const roots = new Set<string>();
  try {
    return await findRoots(pid, tried, roots);
  } finally {
    trial.kill('SIGKILL');
    await ended;
    for (const group of tried) await removeGroup(group);
    for (const root of roots) await removeIfEmpty(root);
  }
}

async function findRoots(pid: number, tried: string[], roots: Set<string>): Promise<CgroupRoots> {
  const mounts = readMounts();
  for (const parent of mounts.v2) {
    const root = join(parent, 'veza');
    roots.add(root);
    if (await canUseV2(parent, root, pid, tried)) return { version: 2, memory: root, cpu: root };
  }
  return {
    version: 1,
    memory: await firstUsable(mounts.memory, 'memory.limit_in_bytes', pid, tried, roots),
    cpu: await firstUsable(mounts.cpu, 'cpu.cfs_quota_us', pid, tried, roots),
  };
}

async function canUseV2(parent: string, root: string, pid: number, tried: string[]): Promise<boolean> {
  const offered = (await readFile(join(parent, 'cgroup.controllers'), 'utf8').catch(() => '')).split(/\s+/);
  if (!offered.includes('memory') || !offered.includes('cpu')) return false;
  try {
    // Refused while the parent itself holds processes, unless it is the root: then the next one up is tried.
    await writeFile(join(parent, 'cgroup.subtree_control'), '+memory +cpu');
    await mkdir(root, { recursive: true });
    await writeFile(join(root, 'cgroup.subtree_control'), '+memory +cpu');
    await joinTrialGroup(root, 'memory.max', pid, tried);
    return true;
  } catch {
    return false;
  }
}

async function firstUsable(
  parents: readonly string[],
  limitFile: string,
  pid: number,
  tried: string[],
  roots: Set<string>,
): Promise<string | null> {
  for (const parent of parents) {
    const root = join(parent, 'veza');
    roots.add(root);
    try {
      await mkdir(root, { recursive: true });
      await joinTrialGroup(root, limitFile, pid, tried);
      return root;
    } catch {
      // Not writable or not mounted here: the next one up may be.
    }
  }
  return null;
}

async function joinTrialGroup(root: string, limitFile: string, pid: number, tried: string[]): Promise<void> {
  const group = join(root, `trial-${pid}`);
  // With the folder above it once more: another runtime that found it empty may just have removed it.
  await mkdir(group, { recursive: true });
  tried.push(group);
  await readFile(join(group, limitFile));
  await writeFile(join(group, 'cgroup.procs'), String(pid));
}

/**
 * Makes the groups of one instance with its limits, fresh counters included. Null when no limit can be set by cgroup.
 * @throws when the kernel refuses a limit
 */
export async function makeGroups(roots: CgroupRoots, id: string, limits: Limits): Promise<CgroupPlace | null> {
  const memory = limits.memory !== null && roots.memory !== null ? join(roots.memory, id) : null;
  const cpu = limits.cpus !== null && roots.cpu !== null ? join(roots.cpu, id) : null;
  if (memory === null && cpu === null) return null;
  const place: CgroupPlace = { version: roots.version, memory, cpu };
  await removeGroups(place);
  for (let attempt = 1; ; attempt += 1) {
    try {
      await setLimits(place, limits);
      return place;
    } catch (error) {
      // Another instance that ended just now may have taken the folder above with it, as the last one in it.
      if (attempt === 3) throw error;
    }
  }
}

async function setLimits({ version, memory, cpu }: CgroupPlace, limits: Limits): Promise<void> {
  if (memory !== null && limits.memory !== null) {
    await openGroup(version, memory);
    await setMemoryLimit(version, memory, limits.memory);
  }
  if (cpu !== null && limits.cpus !== null) {
    await openGroup(version, cpu);
    const quota = Math.max(1000, Math.round(limits.cpus * PERIOD_US));
    if (version === 2) {
      await writeFile(join(cpu, 'cpu.max'), `${quota} ${PERIOD_US}`);
    } else {
      await writeFile(join(cpu, 'cpu.cfs_period_us'), String(PERIOD_US));
      await writeFile(join(cpu, 'cpu.cfs_quota_us'), String(quota));
    }
  }
}

async function openGroup(version: 1 | 2, dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  if (version === 2) await writeFile(join(dirname(dir), 'cgroup.subtree_control'), '+memory +cpu');
}

async function setMemoryLimit(version: 1 | 2, group: string, bytes: number): Promise<void> {
  if (version === 2) {
    await writeFile(join(group, 'memory.max'), String(bytes));
    // Swap would turn the limit into slowness; either file may be missing on kernels built without it.
    await writeFile(join(group, 'memory.swap.max'), '0').catch(() => undefined);
    await writeFile(join(group, 'memory.oom.group'), '1').catch(() => undefined);
  } else {
    await writeFile(join(group, 'memory.limit_in_bytes'), String(bytes));
    await writeFile(join(group, 'memory.memsw.limit_in_bytes'), String(bytes)).catch(() => undefined);
  }
}

/**
 * Moves a process just started into its groups, and what it has started itself meanwhile: after the first write its
 * further children are born inside, so one look at the earlier ones closes the gap.
 */
export async function joinGroups(place: CgroupPlace, pid: number, table: ProcessTable): Promise<void> {
  const files = new Set(
    [place.memory, place.cpu].filter((dir) => dir !== null).map((dir) => join(dir, 'cgroup.procs')),
  );
  for (const file of files) await writeFile(file, String(pid));
  for (const child of await table.descendants(pid)) {
    // A child that has ended meanwhile needs no limit.
    for (const file of files) await writeFile(file, String(child)).catch(() => undefined);
  }
}

/** True when the kernel killed something in the group for its memory limit. Ask before the groups are removed. */
export async function wasOutOfMemory(place: CgroupPlace): Promise<boolean> {
  if (place.memory === null) return false;
  const file = join(place.memory, place.version === 2 ? 'memory.events' : 'memory.oom_control');
  const text = await readFile(file, 'utf8').catch(() => '');
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0) > 0;
}

/** Processes still in the groups. */
export async function groupMembers(place: CgroupPlace): Promise<readonly number[]> {
  const lists = await Promise.all(
    [place.memory, place.cpu]
      .filter((dir) => dir !== null)
      .map((dir) => readFile(join(dir, 'cgroup.procs'), 'utf8').catch(() => '')),
  );
  return [
    ...new Set(
      lists.flatMap((list) =>
        list
          .split('\n')
          .filter((line) => line !== '')
          .map(Number),
      ),
    ),
  ];
}

/** Removes the groups of an instance that has ended; a group that still holds somebody stays until the next start. */
export async function removeGroups(place: CgroupPlace): Promise<void> {
  for (const dir of new Set([place.memory, place.cpu])) {
    if (dir === null) continue;
    await removeGroup(dir);
    // The last one leaves nothing behind: a group of ours would keep whoever owns the one above from removing it.
    await removeIfEmpty(dirname(dir));
  }
}

const removeIfEmpty = (dir: string): Promise<void> => rmdir(dir).catch(() => undefined);

// A group whose last process has just ended can be busy for a moment longer, while the kernel takes it apart.
async function removeGroup(dir: string): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    try {
      await rmdir(dir);
      return;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EBUSY')) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
