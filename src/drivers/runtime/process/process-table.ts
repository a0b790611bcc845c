import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { INSTANCE_MARKER } from '../supervision/instance-environment.ts';

/**
 * Which process is meant: a pid alone is reused, a pid with the time it was started at (within one boot) is not.
 * proc_pid_stat(5), field 22.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot on Linux, the text of `ps -o lstart=` elsewhere. */
  readonly startTime: string;
  /** Start times only mean something within one boot. */
  readonly bootId: string;
}

/** A process that carries `VEZA_INSTANCE` in the environment it was started with. */
export interface MarkedProcess {
  readonly identity: ProcessIdentity;
  readonly marker: string;
  /** It leads its process group, as every instance does; what an instance starts itself usually does not. */
  readonly leader: boolean;
}

/** What the system says about processes. */
export interface ProcessTable {
  /** Identity of a running process; null when there is none, or only a zombie of it. */
  identify(pid: number): Promise<ProcessIdentity | null>;
  isAlive(identity: ProcessIdentity): Promise<boolean>;
  /** All processes with a marker, or with this one. */
  marked(marker: string | null): Promise<readonly MarkedProcess[]>;
  /** Resident memory of a process and what it started, in bytes; 0 when it is gone. */
  residentBytes(pid: number): Promise<number>;
  /** Processes started, directly or not, by this one. */
  descendants(pid: number): Promise<readonly number[]>;
}

export const systemProcessTable = (): ProcessTable =>
  process.platform === 'linux' ? new LinuxProcessTable() : new PsProcessTable();

interface StatFields {
  readonly state: string;
  readonly pgrp: number;
  readonly threads: number;
  readonly startTime: string;
}

/** Parses /proc/PID/stat. The second field may hold blanks and parentheses, so what counts starts after the last `)`. */
export function parseStat(text: string): StatFields | null {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, , pgrp] = fields;
  const [threads, startTime] = [fields[17], fields[19]];
  if (state === undefined || pgrp === undefined || threads === undefined || startTime === undefined) return null;
  return { state, pgrp: Number(pgrp), threads: Number(threads), startTime };
}

/** A leader that shows as a zombie while other threads still end has its ports and files yet: not gone. */
const isGone = ({ state, threads }: StatFields): boolean => 'ZXx'.includes(state) && threads <= 1;

class LinuxProcessTable implements ProcessTable {
  readonly #bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  #scan: Promise<readonly MarkedProcess[]> = Promise.resolve([]);
  #nextScan: Promise<readonly MarkedProcess[]> | null = null;

  // Read in one synchronous step on purpose: right after a spawn it sees the child before Node can have reaped it.
  #stat(pid: number): StatFields | null {
    try {
      return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    } catch {
      return null;
    }
  }

  async identify(pid: number): Promise<ProcessIdentity | null> {
    const stat = this.#stat(pid);
    return stat === null || isGone(stat) ? null : { pid, startTime: stat.startTime, bootId: this.#bootId };
  }

  async isAlive(identity: ProcessIdentity): Promise<boolean> {
    if (identity.bootId !== this.#bootId) return false;
    const stat = this.#stat(identity.pid);
    return stat !== null && !isGone(stat) && stat.startTime === identity.startTime;
  }

  // Many instances may end at once: who asks while a look at all processes is under way shares the next one.
  async marked(marker: string | null): Promise<readonly MarkedProcess[]> {
    this.#nextScan ??= this.#scan.then(() => {
      this.#nextScan = null;
      const scan = this.#markedNow();
      this.#scan = scan.catch(() => []);
      return scan;
    });
    const all = await this.#nextScan;
    return marker === null ? all : all.filter((one) => one.marker === marker);
  }

  async #markedNow(): Promise<readonly MarkedProcess[]> {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
    const found: MarkedProcess[] = [];
    // A few at a time: each needs a file descriptor, and one that cannot be had would hide a process.
    for (let from = 0; from < pids.length; from += 32) {
      const some = await Promise.all(pids.slice(from, from + 32).map((pid) => this.#marked(pid)));
      found.push(...some.filter((one) => one !== null));
    }
    return found;
  }

  async #marked(pid: number): Promise<MarkedProcess | null> {
    // Processes of other users, kernel threads and those that end meanwhile cannot be read, and are not ours.
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    const prefix = `${INSTANCE_MARKER}=`;
    const entry = environment.split('\0').find((line) => line.startsWith(prefix));
    if (entry === undefined) return null;
    const value = entry.slice(prefix.length);
    const stat = this.#stat(pid);
    if (stat === null || isGone(stat)) return null;
    return {
      identity: { pid, startTime: stat.startTime, bootId: this.#bootId },
      marker: value,
      leader: stat.pgrp === pid,
    };
  }

  async residentBytes(pid: number): Promise<number> {
    const pids = [pid, ...(await this.descendants(pid))];
    const sizes = await Promise.all(
      pids.map(async (one) => {
        const status = await readFile(`/proc/${one}/status`, 'utf8').catch(() => '');
        return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
      }),
    );
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  async descendants(pid: number): Promise<readonly number[]> {
    const tasks = await readdir(`/proc/${pid}/task`).catch(() => []);
    const lists = await Promise.all(
      tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '')),
    );
    const children = lists.flatMap((list) =>
      list
        .split(' ')
        .filter((text) => text.trim() !== '')
        .map(Number),
    );
    const below = await Promise.all(children.map((child) => this.descendants(child)));
    return [...children, ...below.flat()];
  }
}

const runProgram = promisify(execFile);

interface PsRow {
  readonly pid: number;
  readonly parent: number;
  readonly pgrp: number;
  readonly state: string;
  readonly residentBytes: number;
  readonly startTime: string;
  readonly command: string;
}

/** macOS and other systems without /proc: asks ps(1). */
class PsProcessTable implements ProcessTable {
  readonly #columns = 'pid=,ppid=,pgid=,stat=,rss=,lstart=,command=';

  async #rows(selection: readonly string[]): Promise<readonly PsRow[]> {
    // ps fails when no process matches; LC_ALL keeps the date in the five words that are counted below.
    const { stdout } = await runProgram('ps', [...selection, '-o', this.#columns], {
      env: { PATH: '/bin:/usr/bin', LC_ALL: 'C' },
      maxBuffer: 64 * 1024 ** 2,
    }).catch(() => ({ stdout: '' }));
    return stdout.split('\n').flatMap((line) => parsePsLine(line) ?? []);
  }

  async identify(pid: number): Promise<ProcessIdentity | null> {
    const [row] = await this.#rows(['-p', String(pid)]);
    return row === undefined || row.state.startsWith('Z') ? null : { pid, startTime: row.startTime, bootId: 'ps' };
  }

  async isAlive(identity: ProcessIdentity): Promise<boolean> {
    return (await this.identify(identity.pid))?.startTime === identity.startTime;
  }

  async marked(marker: string | null): Promise<readonly MarkedProcess[]> {
    const rows = await this.#rows(['-axwwE']);
    return rows.flatMap((row) => {
      const value = new RegExp(` ${INSTANCE_MARKER}=(\\S+)`).exec(row.command)?.[1];
      if (value === undefined || (marker !== null && value !== marker) || row.state.startsWith('Z')) return [];
      const identity = { pid: row.pid, startTime: row.startTime, bootId: 'ps' };
      return [{ identity, marker: value, leader: row.pgrp === row.pid }];
    });
  }

  async residentBytes(pid: number): Promise<number> {
    const rows = await this.#rows(['-ax']);
    const family = new Set([pid, ...descendantsIn(rows, pid)]);
    return rows.reduce((sum, row) => sum + (family.has(row.pid) ? row.residentBytes : 0), 0);
  }

  async descendants(pid: number): Promise<readonly number[]> {
    return descendantsIn(await this.#rows(['-ax']), pid);
  }
}

/** Parses one line of `ps -o pid=,ppid=,pgid=,stat=,rss=,lstart=,command=`; lstart is five words. */
export function parsePsLine(line: string): PsRow | null {
  const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\d+)\s+(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+(.*)$/.exec(line);
  if (match === null) return null;
  const [, pid, parent, pgrp, state = '', rss, startTime = '', command = ''] = match;
  return {
    pid: Number(pid),
    parent: Number(parent),
    pgrp: Number(pgrp),
    state,
    residentBytes: Number(rss) * 1024,
    startTime,
    command,
  };
}

function descendantsIn(rows: readonly PsRow[], pid: number): readonly number[] {
  const children = rows.filter((row) => row.parent === pid).map((row) => row.pid);
  return [...children, ...children.flatMap((child) => descendantsIn(rows, child))];
}
