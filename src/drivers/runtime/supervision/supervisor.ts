import { mkdirSync, rmSync } from 'node:fs';
import type { ReleaseId } from '../../../core/release/release.ts';
import { slotKey, type SlotRef } from '../../../core/slot.ts';
import { RuntimeFolderError } from '../../../errors.ts';
import type { SlotDesire, SlotStatus } from '../runtime.ts';
import { Changes } from './changes.ts';
import { forgetDesire, readDesires, writeDesire } from './desires.ts';
import { Instance, type InstanceWorld } from './instance.ts';
import type { InstanceRecord, RecordFiles } from './records.ts';
import { instanceDir, instanceIds, makeStateFolders } from './state-files.ts';
import { SupervisedSlot } from './supervised-slot.ts';
import type { Vessel } from './vessel.ts';

/** Where a new instance will be; null when there is no room. */
export type Berth = Pick<InstanceRecord<unknown>, 'host' | 'port' | 'metricsPort'>;

export interface SupervisorOptions<Hold> {
  readonly stateDir: string;
  readonly now: () => number;
  /** Unique part of new instances' names. */
  readonly uniqueName: () => string;
  readonly vessel: Vessel<Hold>;
  readonly records: RecordFiles<Hold>;
  readonly limit: (what: string, text: string | null) => void;
  /** Addresses of an instance found on disk are not free. */
  readonly keepBerth: (berth: Berth) => void;
  readonly takeBerth: (desire: SlotDesire) => Promise<Berth | null>;
  readonly giveBerthBack: (berth: Berth) => void;
  /** @throws CapacityError when so many more have no room, memory left aside */
  readonly checkRoom: (desire: SlotDesire, count: number) => Promise<void>;
  /** Called after every look, each `LOOK_MS`. */
  readonly onLook: (slow: boolean) => Promise<void>;
  /** A new instance is about to be launched. */
  readonly onCreate: () => void;
}

/** How often adopted instances are looked at: their end is no event of ours. */
const LOOK_MS = 250;
/** Every so many looks what takes longer is done too: once a second. */
const SLOW_LOOKS = 4;

/** Slots, and their instances, of one runtime: brings what is to what is desired, and finds again what an earlier one left. */
export class Supervisor<Hold> {
  readonly #options: SupervisorOptions<Hold>;
  readonly #slots = new Map<string, SupervisedSlot<Hold>>();
  /** Still empty, and about to be filled. */
  readonly #applying = new Set<SupervisedSlot<Hold>>();
  readonly #changes = new Changes<SlotStatus>();
  readonly #closing = new AbortController();
  #looks = 0;
  #looking: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;

  /** @throws RuntimeFolderError when the state folder cannot be made or written */
  constructor(options: SupervisorOptions<Hold>) {
    this.#options = options;
    try {
      makeStateFolders(options.stateDir);
    } catch (error) {
      throw new RuntimeFolderError(options.stateDir, error instanceof Error ? error.message : String(error));
    }
  }

  /** Aborted when the runtime is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /**
   * Takes up what is on disk.
   *
   * @param found what runs, by the instance that it carries the marker of
   * @param clearUnreadable ends what runs of an instance whose record is lost; its slot's desire brings a new one in its place
   */
  async adopt(
    found: ReadonlyMap<string, readonly Hold[]>,
    clearUnreadable: (id: string) => Promise<void>,
  ): Promise<void> {
    const { stateDir, records, keepBerth } = this.#options;
    for (const desire of await readDesires(stateDir)) this.#slot(desire.ref, desire.release).desire = desire;
    await Promise.all(
      (await instanceIds(stateDir)).map(async (id) => {
        const record = records.read(stateDir, id);
        if (record === null) {
          await clearUnreadable(id);
          rmSync(instanceDir(stateDir, id), { recursive: true, force: true });
          return;
        }
        if (record.phase.kind === 'gone') return;
        const instance = new Instance(this.#world(), record);
        keepBerth(record);
        this.#slot(record.ref, record.release as ReleaseId).instances.set(id, instance);
        await instance.adopt(found.get(id) ?? []);
      }),
    );
    for (const slot of this.#slots.values()) await slot.settle();
    this.#scheduleLook();
  }

  #world(): InstanceWorld<Hold> {
    const { vessel, now, limit } = this.#options;
    return {
      vessel,
      now,
      policy: (ref) => this.#slots.get(slotKey(ref))?.desire ?? withoutDesire,
      onChange: (ref) => {
        const slot = this.#slots.get(slotKey(ref));
        if (slot !== undefined) this.#changed(slot, true);
      },
      onLimitation: limit,
    };
  }

  #changed(slot: SupervisedSlot<Hold>, settle: boolean): void {
    if (this.#closing.signal.aborted) return;
    const key = slotKey(slot.ref);
    // The place may have been taken anew by the time it is told: what is there now is what counts.
    this.#changes.note(key, () => (this.#slots.get(key) ?? slot).status());
    if (settle) void slot.settle();
  }

  #slot(ref: SlotRef, release: ReleaseId): SupervisedSlot<Hold> {
    const key = slotKey(ref);
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    const slot = new SupervisedSlot<Hold>(
      {
        now: this.#options.now,
        create: (desire) => this.#create(desire),
        onChange: (changed) => this.#changed(changed, false),
      },
      ref,
      release,
    );
    this.#slots.set(key, slot);
    return slot;
  }

  async #create(desire: SlotDesire): Promise<Instance<Hold> | null> {
    const { stateDir, records, now, uniqueName, takeBerth, giveBerthBack, limit, onCreate } = this.#options;
    const berth = await takeBerth(desire);
    if (berth === null) return null;
    const id = `${desire.ref.service}-${desire.ref.slot}-${uniqueName()}`;
    const record: InstanceRecord<Hold> = {
      version: 1,
      id,
      ref: desire.ref,
      release: desire.release,
      ...berth,
      createdAt: now(),
      stopGraceMs: desire.stopGraceMs,
      memoryLimit: desire.limits.memory,
      launches: 0,
      exits: [],
      lastExit: null,
      phase: { kind: 'down', startAt: 0 },
    };
    try {
      mkdirSync(instanceDir(stateDir, id), { recursive: true, mode: 0o700 });
      records.write(stateDir, record);
    } catch (error) {
      giveBerthBack(berth);
      const why = error instanceof Error ? error.message : String(error);
      limit('writing', `State of instances cannot be written: ${why}.`);
      return null;
    }
    onCreate();
    return new Instance(this.#world(), record);
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

  async #apply(slot: SupervisedSlot<Hold>, desire: SlotDesire, signal: AbortSignal): Promise<void> {
    const { stateDir, checkRoom } = this.#options;
    if (JSON.stringify(slot.desire) !== JSON.stringify(desire)) {
      const running = slot.status().instances.filter((instance) => instance.state !== 'stopping').length;
      const replaces = slot.desire !== null && slot.desire.release !== desire.release;
      try {
        // Whether the memory suffices was asked by `reserve`, and instances that run already use theirs.
        const withoutMemory = { ...desire, limits: { ...desire.limits, memory: null } };
        await checkRoom(withoutMemory, desire.instances - (replaces ? 0 : running));
        signal.throwIfAborted();
        writeDesire(stateDir, desire);
      } catch (error) {
        throw isSystemError(error) ? new RuntimeFolderError(stateDir, error.message) : error;
      }
      slot.desire = desire;
    }
    await slot.settle();
  }

  async remove(ref: SlotRef, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#closing.signal.throwIfAborted();
    forgetDesire(this.#options.stateDir, ref);
    const slot = this.#slots.get(slotKey(ref));
    if (slot === undefined) return;
    const ids = [...slot.instances.keys()];
    slot.desire = null;
    await slot.settle();
    await slot.gone(ids, AbortSignal.any([signal, this.#closing.signal]));
    this.#dropIfEmpty(slot);
  }

  #dropIfEmpty(slot: SupervisedSlot<Hold>): void {
    const key = slotKey(slot.ref);
    if (slot.desire !== null || slot.instances.size > 0 || this.#slots.get(key) !== slot) return;
    if (this.#applying.has(slot)) return;
    this.#slots.delete(key);
    this.#changed(slot, false);
  }

  observe(signal: AbortSignal): readonly SlotStatus[] {
    signal.throwIfAborted();
    return [...this.#slots.values()].map((slot) => slot.status());
  }

  subscribe(listener: (status: SlotStatus) => void): () => void {
    return this.#changes.subscribe(listener);
  }

  /** Stops supervising; instances go on. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('The runtime was closed.'));
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#looking;
    await Promise.all([...this.#slots.values()].map((slot) => slot.close()));
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
    await this.#options.onLook(slow);
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
