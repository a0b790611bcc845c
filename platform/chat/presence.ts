import type { PresenceStore } from './presence-store.ts';

/** Milliseconds. */
export interface PresenceTimes {
  /** how often instances say again who is here, and look who is */
  readonly everyMs: number;
  /** how long what was said holds */
  readonly holdsMs: number;
  /** how long somebody whose connection broke counts as here: they may be on their way to another instance */
  readonly graceMs: number;
}

export const PRESENCE_TIMES: PresenceTimes = { everyMs: 5000, holdsMs: 20_000, graceMs: 4000 };

export interface PresenceOptions {
  readonly store: PresenceStore;
  readonly times: PresenceTimes;
  /** tells the other instances to look */
  readonly announce: (room: string) => void;
  /** somebody came or went, as seen from this instance */
  readonly onChange: (room: string, person: string, state: 'here' | 'away') => void;
}

/**
 * Who is in the rooms that somebody is in by this instance. An instance that dies takes its people with it when what it said
 * expires; a deployment takes nobody away, because they are back elsewhere within the grace.
 */
export class Presence {
  readonly #options: PresenceOptions;
  /** connections by room and person */
  readonly #here = new Map<string, Map<string, number>>();
  readonly #seen = new Map<string, Set<string>>();
  readonly #dirty = new Set<string>();
  #looking: Promise<void> | null = null;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** A connection of the person is in the room now. Resolves with all who are. */
  async enter(room: string, person: string): Promise<string[]> {
    const people = this.#here.get(room) ?? new Map<string, number>();
    this.#here.set(room, people);
    const before = people.get(person) ?? 0;
    people.set(person, before + 1);
    const { store, times, announce } = this.#options;
    if (before === 0) {
      await store.keep([{ room, person }], times.holdsMs);
      announce(room);
    }
    await this.look([room]);
    return [...(this.#seen.get(room) ?? new Set([person]))];
  }

  /** @param how `left`: on purpose, gone at once; `broken`: within the grace they may be back */
  async leave(room: string, person: string, how: 'left' | 'broken'): Promise<void> {
    const people = this.#here.get(room);
    if (people === undefined) return;
    const rest = (people.get(person) ?? 0) - 1;
    if (rest > 0) {
      people.set(person, rest);
      return;
    }
    people.delete(person);
    if (people.size === 0) {
      this.#here.delete(room);
      this.#seen.delete(room);
    }
    const { store, times, announce } = this.#options;
    if (how === 'broken') {
      await store.keep([{ room, person }], times.graceMs);
    } else {
      await store.drop({ room, person });
      announce(room);
      await this.look([room]);
    }
  }

  /** Looks who is in the rooms now and tells what changed. Of many calls at once, one query comes. */
  look(rooms: readonly string[]): Promise<void> {
    for (const room of rooms) this.#dirty.add(room);
    this.#looking ??= this.#lookWhileDirty().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  /** Says again who is here, and looks who is elsewhere. To be called every `everyMs`. */
  async beat(): Promise<void> {
    const { store, times } = this.#options;
    const here = [...this.#here].flatMap(([room, people]) => [...people.keys()].map((person) => ({ room, person })));
    await store.keep(here, times.holdsMs);
    await this.look([...this.#here.keys()]);
    await store.sweep();
  }

  async #lookWhileDirty(): Promise<void> {
    await Promise.resolve(); // what is asked for in the same turn goes into one query
    while (this.#dirty.size > 0) {
      const rooms = [...this.#dirty];
      this.#dirty.clear();
      const present = await this.#options.store.present(rooms);
      for (const [room, now] of present) this.#tell(room, now);
    }
  }

  #tell(room: string, now: Set<string>): void {
    if (!this.#here.has(room)) return;
    const before = this.#seen.get(room) ?? new Set<string>();
    this.#seen.set(room, now);
    for (const person of now) if (!before.has(person)) this.#options.onChange(room, person, 'here');
    for (const person of before) if (!now.has(person)) this.#options.onChange(room, person, 'away');
  }
}
