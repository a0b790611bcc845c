import { supervise, type InstanceAction } from '../../../core/plan/supervise.ts';
import type { ReleaseId } from '../../../core/release/release.ts';
import type { SlotRef } from '../../../core/slot.ts';
import type { SlotDesire, SlotStatus } from '../runtime.ts';
import type { Instance } from './instance.ts';

/** What a slot asks of the runtime it is part of. */
export interface SlotWorld<Hold> {
  readonly now: () => number;
  /** A new instance with a port of its own; null when no port is free. */
  readonly create: (desire: SlotDesire) => Promise<Instance<Hold> | null>;
  readonly onChange: (slot: SupervisedSlot<Hold>) => void;
}

/** Wait before the next look for a port when none was free, in milliseconds. */
const NO_PORT_RETRY_MS = 1000;

/** Brings the instances of one slot to what is desired: one round of `supervise` and its actions at a time. */
export class SupervisedSlot<Hold> {
  readonly ref: SlotRef;
  readonly instances = new Map<string, Instance<Hold>>();
  readonly #world: SlotWorld<Hold>;
  #desire: SlotDesire | null = null;
  #release: ReleaseId;
  #running: Promise<void> | null = null;
  #again = false;
  #closed = false;
  #timer: NodeJS.Timeout | null = null;
  readonly #waiters = new Set<() => void>();

  constructor(world: SlotWorld<Hold>, ref: SlotRef, release: ReleaseId) {
    this.#world = world;
    this.ref = ref;
    this.#release = release;
  }

  get desire(): SlotDesire | null {
    return this.#desire;
  }

  set desire(desire: SlotDesire | null) {
    this.#desire = desire;
    if (desire !== null) this.#release = desire.release;
  }

  status(): SlotStatus {
    return {
      ref: this.ref,
      release: this.#release,
      wanted: this.#desire?.instances ?? 0,
      instances: [...this.instances.values()].map((instance) => instance.status()),
    };
  }

  /** Looks at the slot and acts, now or right after the round under way. Resolves when a round that began later is over. */
  settle(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#again = true;
    // Begins a turn later: a round changes instances, whose changes settle again, and there must never be two rounds at once.
    this.#running ??= Promise.resolve().then(() => this.#rounds());
    return this.#running;
  }

  async #rounds(): Promise<void> {
    try {
      while (this.#again && !this.#closed) {
        this.#again = false;
        await this.#round();
      }
    } finally {
      // In the same step as the last look at `again`, so that no call of `settle` falls in between.
      this.#running = null;
    }
  }

  async #round(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const desire = this.#desire;
    const views = [...this.instances.values()].map((instance) => instance.view());
    const { actions, wakeAt } = supervise(desire, views, this.#world.now());
    const wakes = wakeAt === null ? [] : [wakeAt];
    const done = await Promise.all(actions.map((action) => this.#act(action, desire)));
    // What was created is launched in the next round, what ended is forgotten there: go on until nothing is left to do.
    if (actions.length > 0) this.#again = true;
    if (done.includes('later')) {
      wakes.push(this.#world.now() + NO_PORT_RETRY_MS);
      this.#again = done.includes('done');
    }
    if (wakes.length > 0 && !this.#closed) {
      const wait = Math.max(0, Math.min(...wakes) - this.#world.now());
      this.#timer = setTimeout(() => void this.settle(), Math.min(wait, 2 ** 31 - 1));
    }
    this.#world.onChange(this);
    for (const waiter of this.#waiters) waiter();
  }

  async #act(action: InstanceAction, desire: SlotDesire | null): Promise<'done' | 'later'> {
    if (action.kind === 'create') {
      const instance = desire === null ? null : await this.#world.create(desire);
      if (instance === null) return 'later';
      this.instances.set(instance.id, instance);
      return 'done';
    }
    const instance = this.instances.get(action.id);
    if (instance === undefined) return 'done';
    switch (action.kind) {
      case 'launch':
        if (desire !== null) await instance.launch(desire);
        break;
      case 'stop':
        await instance.stop(action.forGood);
        break;
      case 'kill':
        await instance.kill();
        break;
      case 'let-go':
        instance.letGo();
        break;
      case 'forget':
        this.instances.delete(action.id);
        await instance.forget();
        break;
    }
    return 'done';
  }

  /** Resolves when none of these instances is left; rejects with the signal's reason when that is aborted before. */
  async gone(ids: readonly string[], signal: AbortSignal): Promise<void> {
    const isGone = (): boolean => ids.every((id) => !this.instances.has(id));
    if (isGone()) return;
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (isGone()) settle(resolve);
      };
      const onAbort = (): void => settle(() => reject(signal.reason as Error));
      const settle = (how: () => void): void => {
        this.#waiters.delete(check);
        signal.removeEventListener('abort', onAbort);
        how();
      };
      this.#waiters.add(check);
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
  }

  /** Ends supervision; instances keep running. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#running;
    await Promise.all([...this.instances.values()].map((instance) => instance.abandon()));
    if (this.#timer !== null) clearTimeout(this.#timer);
  }
}
