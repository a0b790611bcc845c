import { randomBytes } from 'node:crypto';
import type { SlotRef } from '../../../core/slot.ts';
import type { LogLine, LogQuery, OneOff, Runtime, SlotDesire, SlotStatus } from '../runtime.ts';
import { Ports, type PortRange } from '../supervision/ports.ts';
import { instanceIds } from '../supervision/state-files.ts';
import { Supervisor, type Berth } from '../supervision/supervisor.ts';
import { checkCapacity } from './capacity.ts';
import { findCgroups, type CgroupRoots } from './cgroup.ts';
import { CollectorKeeper } from './collector-keeper.ts';
import { HOST } from './launch.ts';
import { killLeftovers } from './leftovers.ts';
import { readLogs } from './log-reader.ts';
import { runOneOff } from './one-off.ts';
import { systemProcessTable, type ProcessTable } from './process-table.ts';
import { ProcessVessel } from './process-vessel.ts';
import { records, type ProcessHold } from './record.ts';

export interface ProcessRuntimeOptions {
  /** Folder for records, logs and writable folders of instances; made when missing, readable by its owner only. */
  readonly stateDir: string;
  /** Ports that instances are given, both ends included. */
  readonly ports: PortRange;
  /** UTC milliseconds that never go backwards. Default: the wall clock at the start of the process, monotonic from there. */
  readonly now?: () => number;
  /** Unique part of new instances' names. */
  readonly uniqueName?: () => string;
  /** Default: cgroups where the machine allows them. `none`: as on a machine without. */
  readonly cgroups?: 'detect' | 'none';
}

const steadyNow = (): number => Math.round(performance.timeOrigin + performance.now());

/**
 * The runtime that runs instances as child processes of this machine. Finds and adopts what an earlier one left on the
 * same state folder before it resolves.
 * @throws RuntimeFolderError when the state folder cannot be made or written
 */
export async function createProcessRuntime(options: ProcessRuntimeOptions): Promise<Runtime> {
  const cgroups: CgroupRoots =
    options.cgroups === 'none' ? { version: 2, memory: null, cpu: null } : await findCgroups();
  const runtime = new ProcessRuntime(options, cgroups, systemProcessTable());
  await runtime.adopt();
  return runtime;
}

class ProcessRuntime implements Runtime {
  readonly machine = HOST;
  readonly #stateDir: string;
  readonly #table: ProcessTable;
  readonly #cgroups: CgroupRoots;
  readonly #ports: Ports;
  readonly #limitations = new Map<string, string>();
  readonly #collector: CollectorKeeper;
  readonly #supervisor: Supervisor<ProcessHold>;

  constructor(options: ProcessRuntimeOptions, cgroups: CgroupRoots, table: ProcessTable) {
    const { stateDir } = options;
    this.#stateDir = stateDir;
    this.#table = table;
    this.#cgroups = cgroups;
    this.#ports = new Ports(options.ports);
    this.#collector = new CollectorKeeper(stateDir, table);
    const limit = (what: string, text: string | null): void => {
      if (text === null) this.#limitations.delete(what);
      else this.#limitations.set(what, text);
    };
    this.#supervisor = new Supervisor({
      stateDir,
      now: options.now ?? steadyNow,
      uniqueName: options.uniqueName ?? (() => randomBytes(4).toString('hex')),
      vessel: new ProcessVessel({ stateDir, table, cgroups, ports: this.#ports, onLimitation: limit }),
      records,
      limit,
      keepBerth: (berth) => portsOf(berth).forEach((port) => this.#ports.keep(port)),
      takeBerth: (desire) => this.#takeBerth(desire),
      giveBerthBack: (berth) => portsOf(berth).forEach((port) => this.#ports.release(port)),
      checkRoom: (desire, count) => checkCapacity(desire, count, this.#ports),
      onLook: async (slow) => (slow ? this.#collector.look() : undefined),
      onCreate: () => void this.#collector.look(),
    });
  }

  async adopt(): Promise<void> {
    const ids = await instanceIds(this.#stateDir);
    const marked = ids.length === 0 ? [] : await this.#table.marked(null);
    const found = Map.groupBy(
      marked.filter((one) => one.leader),
      (one) => one.marker,
    );
    await this.#supervisor.adopt(
      new Map([...found].map(([id, all]) => [id, all.map(({ identity }) => ({ ...identity, cgroup: null }))])),
      (id) => killLeftovers(this.#table, id, null),
    );
    void this.#collector.look();
  }

  async #takeBerth(desire: SlotDesire): Promise<Berth | null> {
    const port = await this.#ports.take();
    if (port === null) return null;
    if (desire.metrics !== true) return { port };
    const metricsPort = await this.#ports.take();
    if (metricsPort !== null) return { port, metricsPort };
    this.#ports.release(port);
    return null;
  }

  async limitations(): Promise<readonly string[]> {
    const found = [...this.#limitations.values()];
    const { memory, cpu } = this.#cgroups;
    if (memory === null) {
      found.push(
        'Memory limits are held by looking once a second and killing: no control group for memory can be made here.',
      );
    }
    if (cpu === null) found.push('CPU limits are not enforced: no control group for CPU can be made here.');
    found.push(...(await this.#collector.limitations()));
    return found;
  }

  async reserve(desire: SlotDesire, count: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await checkCapacity(desire, count, this.#ports);
    signal.throwIfAborted();
  }

  apply(desire: SlotDesire, signal: AbortSignal): Promise<void> {
    return this.#supervisor.apply(desire, signal);
  }

  remove(ref: SlotRef, signal: AbortSignal): Promise<void> {
    return this.#supervisor.remove(ref, signal);
  }

  async observe(signal: AbortSignal): Promise<readonly SlotStatus[]> {
    return this.#supervisor.observe(signal);
  }

  subscribe(listener: (status: SlotStatus) => void): () => void {
    return this.#supervisor.subscribe(listener);
  }

  async *logs(query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> {
    await this.#collector.look();
    yield* readLogs(this.#stateDir, query, AbortSignal.any([signal, this.#supervisor.closing]));
  }

  run(oneOff: OneOff, signal: AbortSignal): Promise<number> {
    return runOneOff(this.#stateDir, this.#table, oneOff, signal);
  }

  async dismantle(): Promise<void> {
    // Processes share nothing.
  }

  async close(): Promise<void> {
    await this.#supervisor.close();
    await this.#collector.close();
  }
}

const portsOf = ({ port, metricsPort }: Berth): readonly number[] =>
  metricsPort === undefined ? [port] : [port, metricsPort];
