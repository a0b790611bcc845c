import { slotKey, type SlotRef } from '../core/slot.ts';
import type { SlotDesire, SlotStatus } from '../drivers/runtime/runtime.ts';
import { SimulatedInstance, type InstanceWorld } from './instance.ts';
import type { Behaviour } from './platform.ts';
import { SimulatedOutage, type Process } from './process.ts';
import type { Random } from './random.ts';
import type { Report } from './report.ts';
import type { Timeline } from './timeline.ts';

export interface MachineParts {
  readonly environment: string;
  readonly timeline: Timeline;
  readonly random: Random;
  readonly report: Report;
  readonly behaviour: (release: string) => Behaviour;
  /** A slot is about to be given another desire, or none; or has been. */
  readonly onDesire: (ref: SlotRef, desire: SlotDesire | null) => void;
  readonly onStop: (instance: SimulatedInstance) => void;
  /** An instance has changed. */
  readonly onChange: (ref: SlotRef) => void;
}

/** Order of requests: the lease of who asks, and how many he has made. A request that was overtaken is not carried out. */
export interface RequestOrder {
  readonly epoch: number;
  readonly number: number;
}

export interface MachineSlot {
  readonly ref: SlotRef;
  desire: SlotDesire | null;
  release: SlotDesire['release'];
  readonly instances: Map<string, SimulatedInstance>;
  /** An instance of this release has been ready since the slot runs it. */
  everReady: boolean;
  readonly waiters: Set<() => void>;
}

/** What runs in one environment, as a runtime driver's other side. Control planes come and go; this goes on. */
export class Machine {
  readonly #parts: MachineParts;
  readonly #slots = new Map<string, MachineSlot>();
  readonly #orders = new Map<string, RequestOrder>();
  readonly #listeners = new Map<(status: SlotStatus) => void, Process>();
  #highestEpoch = 0;
  #born = 0;

  constructor(parts: MachineParts) {
    this.#parts = parts;
  }

  /** From now on requests of an older lease are not carried out: instances cannot be fenced one by one as routes are. */
  takeOver(epoch: number): void {
    this.#highestEpoch = Math.max(this.#highestEpoch, epoch);
  }

  subscribe(process: Process, listener: (status: SlotStatus) => void): () => void {
    this.#listeners.set(listener, process);
    return () => this.#listeners.delete(listener);
  }

  slot(ref: SlotRef): MachineSlot | null {
    return this.#slots.get(slotKey(ref)) ?? null;
  }

  slots(): Iterable<MachineSlot> {
    return this.#slots.values();
  }

  instance(id: string): SimulatedInstance | null {
    for (const slot of this.#slots.values()) {
      const found = slot.instances.get(id);
      if (found !== undefined) return found;
    }
    return null;
  }

  observe(): readonly SlotStatus[] {
    return [...this.#slots.values()].map((slot) => this.#status(slot));
  }

  apply(order: RequestOrder, desire: SlotDesire): void {
    this.#refuseOvertaken(order, desire.ref);
    this.#parts.report.trace('machine', () => `${slotKey(desire.ref)}: ${desire.instances} of ${desire.release}`);
    const key = slotKey(desire.ref);
    const known = this.#slots.get(key);
    const slot = known ?? {
      ref: desire.ref,
      desire,
      release: desire.release,
      instances: new Map<string, SimulatedInstance>(),
      everReady: false,
      waiters: new Set<() => void>(),
    };
    this.#slots.set(key, slot);
    if (slot.release !== desire.release) slot.everReady = false;
    slot.desire = desire;
    slot.release = desire.release;
    this.#parts.onDesire(desire.ref, desire);
    this.#settle(slot);
  }

  /** Resolves when nothing of the slot is left. */
  async remove(order: RequestOrder, ref: SlotRef): Promise<void> {
    this.#refuseOvertaken(order, ref);
    const slot = this.#slots.get(slotKey(ref));
    this.#parts.report.trace('machine', () => `${slotKey(ref)}: removed`);
    if (slot === undefined) return;
    slot.desire = null;
    this.#parts.onDesire(ref, null);
    this.#settle(slot);
    if (slot.instances.size === 0) return;
    await new Promise<void>((resolve) => slot.waiters.add(resolve));
  }

  /** Brings what runs to what is desired. */
  #settle(slot: MachineSlot): void {
    const { desire } = slot;
    const staying = [...slot.instances.values()].filter(
      (instance) => instance.release === desire?.release && instance.life !== 'stopping',
    );
    const kept = new Set(staying.sort((a, b) => b.worth - a.worth || a.order - b.order).slice(0, desire?.instances));
    for (const instance of slot.instances.values()) {
      if (instance.life !== 'stopping' && (desire === null || !kept.has(instance))) instance.stop();
    }
    if (desire !== null) this.#fill(slot, desire, desire.instances - kept.size);
    for (const instance of slot.instances.values()) instance.launch();
    this.#changed(slot);
  }

  #fill(slot: MachineSlot, desire: SlotDesire, missing: number): void {
    for (let made = 0; made < missing; made += 1) {
      this.#born += 1;
      const id = `${desire.ref.service}-${desire.ref.slot}-${this.#born}`;
      slot.instances.set(id, new SimulatedInstance(id, this.#born, desire, this.#world(slot)));
    }
  }

  #world(slot: MachineSlot): InstanceWorld {
    const { timeline, random, report, behaviour, onStop } = this.#parts;
    return {
      timeline,
      random,
      report,
      behaviour,
      onStop,
      onChange: (instance) => {
        if (instance.life === 'gone') slot.instances.delete(instance.id);
        if (instance.life === 'ready' && instance.release === slot.release) slot.everReady = true;
        this.#changed(slot);
      },
    };
  }

  #changed(slot: MachineSlot): void {
    const { timeline, random, onChange } = this.#parts;
    onChange(slot.ref);
    if (slot.desire === null && slot.instances.size === 0) {
      this.#slots.delete(slotKey(slot.ref));
      for (const resolve of slot.waiters) resolve();
    }
    timeline.after(random.int(1, 30), () => {
      const status = this.#status(slot);
      for (const [listener, process] of this.#listeners) if (process.alive) listener(status);
    });
  }

  #refuseOvertaken(order: RequestOrder, ref: SlotRef): void {
    const key = slotKey(ref);
    const last = this.#orders.get(key);
    const isOlder = last !== undefined && last.epoch === order.epoch && last.number > order.number;
    if (isOlder || order.epoch < this.#highestEpoch) throw new SimulatedOutage(`${key} (overtaken)`);
    this.#orders.set(key, order);
  }

  #status(slot: MachineSlot): SlotStatus {
    return {
      ref: slot.ref,
      release: slot.release,
      wanted: slot.desire?.instances ?? 0,
      instances: [...slot.instances.values()].map((instance) => instance.status()),
    };
  }
}
