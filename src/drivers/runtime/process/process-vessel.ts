import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SlotDesire } from '../runtime.ts';
import { isPortFree, type Ports } from '../supervision/ports.ts';
import { instanceDir } from '../supervision/state-files.ts';
import type { End, LastWords, Started, Vessel } from '../supervision/vessel.ts';
import { joinGroups, makeGroups, removeGroups, wasOutOfMemory, type CgroupRoots } from './cgroup.ts';
import { lastLine } from './last-line.ts';
import { HOST, launchInstance, signalGroup, startErrorInWords } from './launch.ts';
import { killLeftovers } from './leftovers.ts';
import type { ProcessTable } from './process-table.ts';
import { rawLogFile, writeRecord, type CgroupPlace, type InstanceRecord, type ProcessHold } from './record.ts';

export interface ProcessVesselParts {
  readonly stateDir: string;
  readonly table: ProcessTable;
  readonly cgroups: CgroupRoots;
  readonly ports: Ports;
  readonly onLimitation: (what: string, text: string | null) => void;
}

/** An instance as a child process of this machine: a process group of its own, and control groups where there are some. */
export class ProcessVessel implements Vessel<ProcessHold> {
  readonly #parts: ProcessVesselParts;

  constructor(parts: ProcessVesselParts) {
    this.#parts = parts;
  }

  async settle(record: InstanceRecord, desire: SlotDesire): Promise<Partial<InstanceRecord>> {
    const port = await this.#settlePort(record.port);
    if (desire.metrics !== true && record.metricsPort === undefined) return { port };
    return { port, metricsPort: await this.#settlePort(record.metricsPort) };
  }

  /** The port, if nobody else has it; else another one, now taken. */
  async #settlePort(port: number | undefined): Promise<number> {
    if (port !== undefined && (await isPortFree(port))) return port;
    const { ports } = this.#parts;
    const other = await ports.take();
    const { from, to } = ports.range;
    if (other === null) {
      const why = port === undefined ? 'there is no port for its metrics' : `port ${port} is in use by another program`;
      throw new Error(`${why} and none is free in ${from}-${to}`);
    }
    if (port !== undefined) ports.release(port);
    return other;
  }

  write(record: InstanceRecord): void {
    writeRecord(this.#parts.stateDir, record);
  }

  async start(record: InstanceRecord, desire: SlotDesire): Promise<Started<ProcessHold>> {
    const { stateDir, table } = this.#parts;
    const place = await this.#makeGroups(record.id, desire);
    const { port, metricsPort, id, launches } = record;
    const child = launchInstance(stateDir, desire, id, { port, metricsPort }, launches);
    let failure: NodeJS.ErrnoException | null = null;
    const ended = new Promise<End>((resolve) => {
      child.once('exit', (status, signal) => resolve({ status, signal }));
      child.once('error', (error) => {
        failure = error;
        resolve({ status: null, signal: null });
      });
    });
    const { pid } = child;
    if (pid === undefined) {
      await ended;
      if (place !== null) await removeGroups(place);
      throw new Error(startErrorInWords(failure, desire));
    }
    // A process that is gone already has no identity: recorded as one that nobody is.
    const identity = (await table.identify(pid)) ?? { pid, startTime: 'unknown', bootId: 'unknown' };
    const cgroup = place === null ? null : await this.#join(place, pid);
    return { hold: { ...identity, cgroup }, ended };
  }

  async #makeGroups(id: string, desire: SlotDesire): Promise<CgroupPlace | null> {
    const { cgroups, onLimitation } = this.#parts;
    const what = `limits of ${desire.ref.service}`;
    try {
      const place = await makeGroups(cgroups, id, desire.limits);
      onLimitation(what, null);
      return place;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      onLimitation(what, `The kernel refused the limits of ${desire.ref.service}: ${why}.`);
      return null;
    }
  }

  async #join(place: CgroupPlace, pid: number): Promise<CgroupPlace | null> {
    try {
      await joinGroups(place, pid, this.#parts.table);
      return place;
    } catch (error) {
      // A process that has ended already cannot be moved; that is no limitation.
      if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return place;
      this.#parts.onLimitation('joining', `Instances could not be put into their control group: ${String(error)}.`);
      await removeGroups(place);
      return null;
    }
  }

  /** The end of a process that is not our child is no event. */
  follow(): null {
    return null;
  }

  isAlive(hold: ProcessHold): Promise<boolean> {
    return this.#parts.table.isAlive(hold);
  }

  // Our own child's pid is not reused before we have heard of its end; an adopted one is looked at again first.
  async signal(hold: ProcessHold, signal: 'SIGTERM' | 'SIGKILL', isOurs: boolean): Promise<void> {
    if (isOurs || (await this.isAlive(hold))) signalGroup(hold.pid, signal);
  }

  async isOverMemory({ memoryLimit }: InstanceRecord, hold: ProcessHold): Promise<boolean> {
    if (memoryLimit === null || (hold.cgroup?.memory ?? null) !== null) return false;
    return (await this.#parts.table.residentBytes(hold.pid)) > memoryLimit;
  }

  async lastWords({ id, launches }: InstanceRecord, { cgroup }: ProcessHold): Promise<LastWords> {
    const outOfMemory = cgroup !== null && (await wasOutOfMemory(cgroup));
    const line = await lastLine(rawLogFile(this.#parts.stateDir, id, launches, 'stderr'));
    return { outOfMemory, line, startFailure: null };
  }

  async clear(id: string, hold: ProcessHold | null): Promise<void> {
    const cgroup = hold?.cgroup ?? null;
    await killLeftovers(this.#parts.table, id, cgroup);
    if (cgroup !== null) await removeGroups(cgroup);
  }

  /** Gives back its ports and leaves the folder to the log collector. */
  async forget({ id, port, metricsPort }: InstanceRecord): Promise<void> {
    const { ports, stateDir } = this.#parts;
    ports.release(port);
    if (metricsPort !== undefined) ports.release(metricsPort);
    for (const name of ['home', 'tmp']) {
      // What an instance wrote may be stubborn (a folder without permissions): the log collector takes the folder later.
      await rm(join(instanceDir(stateDir, id), name), { recursive: true, force: true }).catch(() => undefined);
    }
  }

  place({ phase }: InstanceRecord): { host: string; pid: number | null } {
    return { host: HOST, pid: phase.kind === 'up' ? phase.process.pid : null };
  }
}
