import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

// What Linux says about processes and cores, from /proc.

/** The process and everything that descends from it, as they are now. */
export function familyOf(pid: number): readonly number[] {
  const parents = new Map<number, number>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = read(`/proc/${entry}/stat`);
    // The name may hold spaces and parentheses; what follows the last one is numbers.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[1] !== undefined) parents.set(Number(entry), Number(fields[1]));
  }
  const family = new Set([pid]);
  for (let before = -1; before !== family.size;) {
    before = family.size;
    for (const [child, parent] of parents) if (family.has(parent)) family.add(child);
  }
  return [...family].filter((one) => parents.has(one));
}

/** The one of these processes that has the most files and sockets open. @throws RangeError when none is there */
export function busiestOf(pids: readonly number[]): number {
  const byFiles = pids.map((pid) => ({ pid, files: listed(`/proc/${pid}/fd`).length }));
  const [busiest] = byFiles.sort((a, b) => b.files - a.files);
  if (busiest === undefined) throw new RangeError('there is no process to choose from');
  return busiest.pid;
}

/** Which of these processes was started last. @throws RangeError when there is none */
export function newestOf(pids: readonly number[]): number {
  // Field 22 of stat, counted behind the name, which may hold spaces (proc_pid_stat(5)).
  const startedAt = (pid: number): number => Number(read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ')[19] ?? 0);
  const [newest] = [...pids].sort((a, b) => startedAt(b) - startedAt(a));
  if (newest === undefined) throw new RangeError('there is no process to choose from');
  return newest;
}

/** Seconds that these processes have been on a core so far, all threads, kernel included. */
export function cpuSeconds(pids: readonly number[]): number {
  let nanoseconds = 0;
  for (const pid of pids) {
    for (const task of listed(`/proc/${pid}/task`)) {
      nanoseconds += Number(read(`/proc/${pid}/task/${task}/schedstat`).split(' ')[0] ?? 0);
    }
  }
  return nanoseconds / 1e9;
}

/** Ticks of the clock that found these processes on a core so far, in their own code and in the kernel for them. */
export function cpuTicks(pids: readonly number[]): { readonly user: number; readonly kernel: number } {
  let user = 0;
  let kernel = 0;
  for (const pid of pids) {
    const stat = read(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    user += Number(fields[11] ?? 0);
    kernel += Number(fields[12] ?? 0);
  }
  return { user, kernel };
}

export interface Memory {
  /** Bytes in RAM now, summed over processes: pages that they share count for each. */
  readonly rss: number;
  /** The most that there was since `resetPeak`. */
  readonly peak: number;
}

export function memoryOf(pids: readonly number[]): Memory {
  let rss = 0;
  let peak = 0;
  for (const pid of pids) {
    const status = read(`/proc/${pid}/status`);
    rss += kilobytes(status, 'VmRSS') * 1024;
    peak += kilobytes(status, 'VmHWM') * 1024;
  }
  return { rss, peak };
}

export function resetPeak(pids: readonly number[]): void {
  for (const pid of pids) writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** Ticks that a core was busy and that it was there, since the machine started. */
export function coreTicks(core: number): { readonly busy: number; readonly all: number } {
  const line = read('/proc/stat')
    .split('\n')
    .find((one) => one.startsWith(`cpu${core} `));
  const ticks = (line ?? '').split(' ').slice(1, 9).map(Number);
  const all = ticks.reduce((sum, tick) => sum + tick, 0);
  const idle = (ticks[3] ?? 0) + (ticks[4] ?? 0);
  return { busy: all - idle, all };
}

/** Empty when the process has gone. */
function listed(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function kilobytes(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
}

/** Empty when the process has gone. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
