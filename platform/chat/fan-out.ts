/**
 * Tells the other instances that something is new in a room. It carries no message, only the number of the newest one: what
 * was said is read from the database, in order. A lost poke therefore costs time, never a message.
 */
export interface FanOut {
  /**
   * Resolves when the broker has taken the poke; rejects at once when the broker is away.
   * @param room the room's id
   */
  publish(room: string, poke: Poke): Promise<void>;
  /**
   * From now on until the function returned is called, tells what is published about the room by any instance, this one
   * included. `missed` comes whenever pokes may have been lost: when listening begins, and after a broken connection.
   */
  subscribe(room: string, onPoke: (poke: Poke | Missed) => void): () => void;
  /** Rejects unless the broker answers and this instance listens. */
  check(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export type Poke =
  | { readonly kind: 'message'; readonly seq: number }
  /** somebody came or went */
  | { readonly kind: 'presence' };

/** The one who hears it looks into the database. */
export interface Missed {
  readonly kind: 'missed';
}

/** A poke as text: `12` is message 12, `p` is presence. */
export function encodePoke(poke: Poke): string {
  return poke.kind === 'message' ? String(poke.seq) : 'p';
}

/** The reverse of `encodePoke`; null for what nobody of ours wrote. */
export function decodePoke(text: string): Poke | null {
  if (text === 'p') return { kind: 'presence' };
  if (!/^[1-9][0-9]{0,15}$/.test(text)) return null;
  const seq = Number(text);
  return Number.isSafeInteger(seq) ? { kind: 'message', seq } : null;
}

export type Listener = (poke: Poke | Missed) => void;

/** Who listens to which room in this process; what both brokers need. */
export class Listeners {
  readonly #byRoom = new Map<string, Set<Listener>>();

  /** Says whether this is the room's first listener. */
  add(room: string, listener: Listener): boolean {
    const present = this.#byRoom.get(room);
    if (present !== undefined) {
      present.add(listener);
      return false;
    }
    this.#byRoom.set(room, new Set([listener]));
    return true;
  }

  /** Says whether it was the room's last listener. */
  remove(room: string, listener: Listener): boolean {
    const present = this.#byRoom.get(room);
    if (present === undefined || !present.delete(listener) || present.size > 0) return false;
    this.#byRoom.delete(room);
    return true;
  }

  has(room: string): boolean {
    return this.#byRoom.has(room);
  }

  rooms(): string[] {
    return [...this.#byRoom.keys()];
  }

  tell(room: string, poke: Poke | Missed): void {
    for (const listener of this.#byRoom.get(room) ?? []) listener(poke);
  }

  tellAll(poke: Missed): void {
    for (const room of this.rooms()) this.tell(room, poke);
  }
}
