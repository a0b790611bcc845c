import { JournalCorruptedError } from '../errors.ts';
import {
  chainFault,
  type Durability,
  type Entry,
  GENESIS,
  type Head,
  type Journal,
  type NewEntry,
  seal,
  type SealedEntry,
  unseal,
} from './journal.ts';

/**
 * The journal without a disk: for the simulator and for tests. It behaves as the one in SQLite does, and it remembers what
 * a power cut would leave (`durableSeq`), so that a simulated crash can lose exactly what a real one may lose.
 */
export class MemoryJournal implements Journal {
  readonly #entries: SealedEntry[];
  #durableSeq: number;

  constructor(entries: readonly SealedEntry[] = []) {
    this.#entries = [...entries];
    this.#durableSeq = entries.length;
    this.verify();
  }

  /** Everything up to here survives a power cut; what comes after it may, or a part of it. */
  get durableSeq(): number {
    return this.#durableSeq;
  }

  /** The journal as it is found after a power cut that kept `seq` entries, at least the durable ones. */
  afterPowerCut(seq: number): MemoryJournal {
    if (seq < this.#durableSeq)
      throw new RangeError(`Entries up to ${this.#durableSeq} are durable, cannot keep ${seq}.`);
    return new MemoryJournal(this.#entries.slice(0, seq));
  }

  append(entries: readonly NewEntry[], durability: Durability): readonly Entry[] {
    const sealed = seal(this.head(), entries);
    this.#entries.push(...sealed);
    if (durability === 'durable' && sealed.length > 0) this.#durableSeq = this.#entries.length;
    return sealed.map(unseal);
  }

  *read(afterSeq: number, limit = Number.POSITIVE_INFINITY): Iterable<Entry> {
    for (let index = Math.max(0, afterSeq), left = limit; left > 0; index += 1, left -= 1) {
      const entry = this.#entries[index];
      if (entry === undefined) return;
      yield unseal(entry);
    }
  }

  head(): Head {
    const { seq, hash, epoch } = this.#entries.at(-1) ?? GENESIS;
    return { seq, hash, epoch };
  }

  verify(): void {
    let previous: Head = GENESIS;
    for (const entry of this.#entries) {
      const fault = chainFault(previous, entry);
      if (fault !== null) throw new JournalCorruptedError('(memory)', entry.seq, fault.expected, fault.found);
      previous = entry;
    }
  }

  close(): void {
    this.#durableSeq = this.#entries.length;
  }
}
