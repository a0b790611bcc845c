import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { slotKey, type SlotRef } from '../../../core/slot.ts';
import type { ReleaseId } from '../../../core/release/release.ts';
import { RuntimeFolderError } from '../../../errors.ts';
import type { LogLine, LogQuery, OneOff, Runtime, SlotDesire, SlotStatus } from '../runtime.ts';
import { checkCapacity } from './capacity.ts';
import { findCgroups, type CgroupRoots } from './cgroup.ts';
import { Changes } from './changes.ts';
import { Instance, type InstanceWorld } from './instance.ts';
import { killLeftovers } from './leftovers.ts';
import { CollectorKeeper } from './collector-keeper.ts';
import { readLogs } from './log-reader.ts';
import { runOneOff } from './one-off.ts';
import { Ports, type PortRange } from './ports.ts';
import { systemProcessTable, type ProcessTable } from './process-table.ts';
import {
  forgetDesire,
  instanceDir,
  instanceIds,
  makeStateFolders,
  readDesires,
  readRecord,
  writeDesire,
  writeRecord,
  type InstanceRecord,
} from './record.ts';
import { SupervisedSlot } from './supervised-slot.ts';

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

/** How often adopted instances are looked at: their end is no event of ours. */
const LOOK_MS = 250;
/** Every so many looks memory is measured and the log collector is looked after: once a second. */
const SLOW_LOOKS = 4;

const steadyNow = (): number => Math.round(performance.timeOrigin + performance.now());

/**
 * The runtime that runs instances as child processes of this machine. Finds and adopts what an earlier one left on the
 * same state folder before it resolves.
 * @throws RuntimeFolderError when the state folder cannot be made or written
 */
export async function createProcessRuntime(options: ProcessRuntimeOptions): Promise<Runtime> {
  try {
    makeStateFolders(options.stateDir);
    mkdirSync(options.stateDir, { recursive: true });
  } catch (error) {
    throw new RuntimeFolderError(options.stateDir, error instanceof Error ? error.message : String(error));
  }
  const cgroups: CgroupRoots =
    options.cgroups === 'none' ? { version: 2, memory: null, cpu: null } : await findCgroups();
  const runtime = new ProcessRuntime(options, cgroups, systemProcessTable());
  await runtime.adopt();
  return runtime;
}

class ProcessRuntime implements Runtime {
  readonly #stateDir: string;
  readonly #now: () => number;
  readonly #uniqueName: () => string;
  readonly #table: ProcessTable;
  readonly #cgroups: CgroupRoots;
  readonly #ports: Ports;
  readonly #slots = new Map<string, SupervisedSlot>();
  /** Still empty, and about to be filled. */
  readonly #applying = new Set<SupervisedSlot>();
  readonly #changes = new Changes<SlotStatus>();
  readonly #limitations = new Map<string, string>();
  readonly #collector: CollectorKeeper;
  readonly #closing = new AbortController();
  #looks = 0;
  #looking: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: ProcessRuntimeOptions, cgroups: CgroupRoots, table: ProcessTable) {
    this.#stateDir = options.stateDir;
    this.#now = options.now ?? steadyNow;
    this.#uniqueName = options.uniqueName ?? (() => randomBytes(4).toString('hex'));
    this.#table = table;
    this.#cgroups = cgroups;
    this.#ports = new Ports(options.ports);
    this.#collector = new CollectorKeeper(options.stateDir, table);
  }

  /** Takes up what is on disk. */
  async adopt(): Promise<void> {
    for (const desire of await readDesires(this.#stateDir)) this.#slot(desire.ref, desire.release).desire = desire;
    const ids = await instanceIds(this.#stateDir);
    const marked = ids.length === 0 ? [] : await this.#table.marked(null);
    await Promise.all(
      ids.map(async (id) => {
        const record = readRecord(this.#stateDir, id);
        if (record === null) return this.#clearUnreadable(id);
        if (record.phase.kind === 'gone') return;
        const instance = new Instance(this.#world(), record);
        this.#ports.keep(record.port);
        this.#slot(record.ref, record.release as ReleaseId).instances.set(id, instance);
        const leaders = marked.filter((one) => one.marker === id && one.leader).map((one) => one.identity);
        await instance.adopt(leaders);
      }),
    );
    for (const slot of this.#slots.values()) await slot.settle();
    void this.#collector.look();
    this.#scheduleLook();
  }

  // Without its record an instance cannot be supervised; its slot's desire brings a new one in its place.
  async #clearUnreadable(id: string): Promise<void> {
    await killLeftovers(this.#table, id, null);
    rmSync(instanceDir(this.#stateDir, id), { recursive: true, force: true });
  }

  #world(): InstanceWorld {
    return {
      stateDir: this.#stateDir,
      table: this.#table,
      cgroups: this.#cgroups,
      ports: this.#ports,
      now: this.#now,
      policy: (ref) => this.#slots.get(slotKey(ref))?.desire ?? withoutDesire,
      onChange: (ref) => {
        const slot = this.#slots.get(slotKey(ref));
        if (slot !== undefined) this.#changed(slot, true);
      },
      onLimitation: (what, text) => this.#limit(what, text),
    };
  }

  #limit(what: string, text: string | null): void {
    if (text === null) this.#limitations.delete(what);
    else this.#limitations.set(what, text);
  }

  #changed(slot: SupervisedSlot, settle: boolean): void {
    if (this.#closing.signal.aborted) return;
    const key = slotKey(slot.ref);
    // The place may have been taken anew by the time it is told: what is there now is what counts.
    this.#changes.note(key, () => (this.#slots.get(key) ?? slot).status());
    if (settle) void slot.settle();
  }

  #slot(ref: SlotRef, release: ReleaseId): SupervisedSlot {
    const key = slotKey(ref);
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    const slot = new SupervisedSlot(
      {
        now: this.#now,
        create: (desire) => this.#create(desire),
        onChange: (changed) => this.#changed(changed, false),
      },
      ref,
      release,
    );
    this.#slots.set(key, slot);
    return slot;
  }

  async #create(desire: SlotDesire): Promise<Instance | null> {
    const port = await this.#ports.take();
    if (port === null) return null;
    const id = `${desire.ref.service}-${desire.ref.slot}-${this.#uniqueName()}`;
    const record: InstanceRecord = {
      version: 1,
      id,
      ref: desire.ref,
      release: desire.release,
      port,
      createdAt: this.#now(),
      stopGraceMs: desire.stopGraceMs,
      memoryLimit: desire.limits.memory,
      launches: 0,
      exits: [],
      lastExit: null,
      phase: { kind: 'down', startAt: 0 },
    };
    try {
      mkdirSync(instanceDir(this.#stateDir, id), { recursive: true, mode: 0o700 });
      writeRecord(this.#stateDir, record);
    } catch (error) {
      this.#ports.release(port);
      this.#limit(
        'writing',
        `State of instances cannot be written: ${error instanceof Error ? error.message : String(error)}.`,
      );
      return null;
    }
    void this.#collector.look();
    return new Instance(this.#world(), record);
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

  async apply(desire: SlotDesire, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#closing.signal.throwIfAborted();
    const slot = this.#slot(desire.ref, desire.release);
    this.#applying.add(slot);
    try {
      await this.#apply(slot, desire, signal);
    } finally {
      this.#applying.delete(slot);
      this.#dropIfEmpty(slot);
    }
  }

  async #apply(slot: SupervisedSlot, desire: SlotDesire, signal: AbortSignal): Promise<void> {
    if (JSON.stringify(slot.desire) !== JSON.stringify(desire)) {
      const running = slot.status().instances.filter((instance) => instance.state !== 'stopping').length;
      const replaces = slot.desire !== null && slot.desire.release !== desire.release;
      try {
        // Only ports: whether the memory suffices was asked by `reserve`, and instances that run already use theirs.
        const withoutMemory = { ...desire, limits: { ...desire.limits, memory: null } };
        await checkCapacity(withoutMemory, desire.instances - (replaces ? 0 : running), this.#ports);
        signal.throwIfAborted();
        writeDesire(this.#stateDir, desire);
      } catch (error) {
        throw isSystemError(error) ? new RuntimeFolderError(this.#stateDir, error.message) : error;
      }
      slot.desire = desire;
    }
    await slot.settle();
  }

  async remove(ref: SlotRef, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#closing.signal.throwIfAborted();
    forgetDesire(this.#stateDir, ref);
    const slot = this.#slots.get(slotKey(ref));
    if (slot === undefined) return;
    const ids = [...slot.instances.keys()];
    slot.desire = null;
    await slot.settle();
    await slot.gone(ids, AbortSignal.any([signal, this.#closing.signal]));
    this.#dropIfEmpty(slot);
  }

  #dropIfEmpty(slot: SupervisedSlot): void {
    const key = slotKey(slot.ref);
    if (slot.desire !== null || slot.instances.size > 0 || this.#slots.get(key) !== slot) return;
    if (this.#applying.has(slot)) return;
    this.#slots.delete(key);
    this.#changed(slot, false);
  }

  async observe(signal: AbortSignal): Promise<readonly SlotStatus[]> {
    signal.throwIfAborted();
    return [...this.#slots.values()].map((slot) => slot.status());
  }

  subscribe(listener: (status: SlotStatus) => void): () => void {
    return this.#changes.subscribe(listener);
  }

  async *logs(query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> {
    await this.#collector.look();
    yield* readLogs(this.#stateDir, query, AbortSignal.any([signal, this.#closing.signal]));
  }

  run(oneOff: OneOff, signal: AbortSignal): Promise<number> {
    return runOneOff(this.#stateDir, this.#table, oneOff, signal);
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('The runtime was closed.'));
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#looking;
    await Promise.all([...this.#slots.values()].map((slot) => slot.close()));
    await this.#collector.close();
  }

  #scheduleLook(): void {
    if (this.#closing.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#look().finally(() => this.#scheduleLook());
    }, LOOK_MS);
  }

  async #look(): Promise<void> {
    this.#looks += 1;
    const slow = this.#looks % SLOW_LOOKS === 0;
    for (const slot of this.#slots.values()) {
      for (const instance of slot.instances.values()) {
        await instance.checkAlive();
        if (slow) await instance.checkMemory();
      }
      // Left over from a removal that was cancelled, or from an earlier life: gone once its instances are.
      this.#dropIfEmpty(slot);
    }
    if (slow) await this.#collector.look();
  }
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException => error instanceof Error && 'syscall' in error;

/** For instances whose slot nobody wants any more: they are about to be stopped. */
const withoutDesire: Pick<SlotDesire, 'health' | 'restart'> = Object.freeze({
  health: {
    startup: { check: { kind: 'tcp' }, intervalMs: 1000, timeoutMs: 1000, failures: 30 },
    readiness: { check: { kind: 'tcp' }, intervalMs: 1000, timeoutMs: 1000, failures: 3 },
    liveness: null,
    stableForMs: 0,
  },
  restart: { backoffMs: 1000, maxBackoffMs: 60_000, crashLoopAfter: 5, windowMs: 60_000 },
}) as unknown as Pick<SlotDesire, 'health' | 'restart'>;
