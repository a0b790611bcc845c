import { hash as digest } from 'node:crypto';
import { FencedError } from '../errors.ts';
import { canonicalJson, type JsonValue } from '../core/release/canonical-json.ts';

/**
 * `durable`: on the disk when `append` returns, and with it everything appended before. `relaxed`: survives the death of
 * the process, may be lost with the machine's power; never leaves a gap (what is lost is a tail).
 */
export type Durability = 'durable' | 'relaxed';

/** What is to be appended. */
export interface NewEntry {
  /** UTC milliseconds, from the caller's clock. */
  readonly time: number;
  /** Id of a deployment, or `world` for what belongs to none. */
  readonly stream: string;
  readonly kind: string;
  /** A JSON value; anything else is refused with a TypeError that names the path. */
  readonly body: unknown;
  /** Fencing token of the writer's lease. */
  readonly epoch: number;
}

/** What the journal holds. */
export interface Entry {
  /** 1, 2, 3, … without gaps. */
  readonly seq: number;
  readonly time: number;
  readonly stream: string;
  readonly kind: string;
  readonly body: JsonValue;
  readonly epoch: number;
  /** SHA-256, in hexadecimal, of the previous entry's hash followed by the canonical JSON of this one. */
  readonly hash: string;
}

/** The last entry. An empty journal has seq 0, the genesis hash and epoch 0. */
export interface Head {
  readonly seq: number;
  readonly hash: string;
  /** The highest epoch in the journal: epochs never fall along it. */
  readonly epoch: number;
}

/**
 * The append-only, hash-chained record of everything that happened. Synchronous, so that "journal before act" is two
 * statements in a row.
 */
export interface Journal {
  /**
   * Appends all entries, or none of them, and returns them as they were recorded.
   *
   * When this throws `StoreUnavailableError` nothing was recorded as far as this process can see, but after a crash of the
   * machine the entries may turn up (a failed fsync leaves their fate open): an appended request means "may happen".
   *
   * @throws FencedError when an entry's epoch is lower than the highest in the journal: another writer has taken over.
   * @throws StoreUnavailableError when the store cannot be written; the journal is usable again once the cause is gone.
   * @throws JournalCorruptedError when what is there already is not what was written.
   * @throws TypeError when an entry is not well formed (a bug of the caller).
   */
  append(entries: readonly NewEntry[], durability: Durability): readonly Entry[];
  /**
   * Entries after `afterSeq` (0 for all), oldest first, at most `limit`. Each is checked against the chain as it is read.
   *
   * @throws JournalCorruptedError at the first entry that is not what was written.
   */
  read(afterSeq: number, limit?: number): Iterable<Entry>;
  head(): Head;
  /** Checks the whole chain. @throws JournalCorruptedError naming the entry, the file, what was expected and found. */
  verify(): void;
  /** Writes everything out and lets go of the files. Closing twice is harmless. */
  close(): void;
}

export const GENESIS: Head = Object.freeze({ seq: 0, hash: '0'.repeat(64), epoch: 0 });

/** An entry with its body still as the canonical text that was hashed and is stored. */
export interface SealedEntry {
  readonly seq: number;
  readonly time: number;
  readonly stream: string;
  readonly kind: string;
  readonly text: string;
  readonly epoch: number;
  readonly hash: string;
}

/**
 * Extends the chain: gives each entry its number and hash.
 *
 * @throws FencedError when an epoch falls; TypeError when an entry is not well formed.
 */
export function seal(head: Head, entries: readonly NewEntry[]): readonly SealedEntry[] {
  const sealed: SealedEntry[] = [];
  let { seq, hash, epoch } = head;
  for (const entry of entries) {
    if (!Number.isSafeInteger(entry.time)) throw new TypeError(`time must be whole milliseconds, got ${entry.time}.`);
    if (!Number.isSafeInteger(entry.epoch) || entry.epoch < 0) {
      throw new TypeError(`epoch must be a whole number >= 0, got ${entry.epoch}.`);
    }
    if (entry.epoch < epoch) throw new FencedError(entry.epoch, epoch);
    seq += 1;
    epoch = entry.epoch;
    const content = {
      seq,
      time: entry.time,
      stream: entry.stream,
      kind: entry.kind,
      text: canonicalJson(entry.body),
      epoch,
    };
    hash = chainHash(hash, content);
    sealed.push({ ...content, hash });
  }
  return sealed;
}

/**
 * Hash of an entry given the hash before it. The text below is the canonical JSON (RFC 8785) of
 * `{ body, epoch, kind, seq, stream, time }`, put together by hand because the body is canonical already.
 */
export function chainHash(previous: string, entry: Omit<SealedEntry, 'hash'>): string {
  const kind = canonicalJson(entry.kind);
  const stream = canonicalJson(entry.stream);
  return digest(
    'sha256',
    `${previous}{"body":${entry.text},"epoch":${entry.epoch},"kind":${kind},"seq":${entry.seq},"stream":${stream},"time":${entry.time}}`,
    'hex',
  );
}

/** The entry for readers; a fresh copy of the body each time, so that nobody can change what the journal holds. */
export function unseal(entry: SealedEntry): Entry {
  const { seq, time, stream, kind, epoch, hash } = entry;
  return { seq, time, stream, kind, body: JSON.parse(entry.text) as JsonValue, epoch, hash };
}

/** Why `entry` cannot follow `previous`, or null when it can. */
export function chainFault(
  previous: Head,
  entry: SealedEntry,
): { readonly expected: string; readonly found: string } | null {
  if (entry.seq !== previous.seq + 1) {
    return { expected: `entry ${previous.seq + 1}`, found: `entry ${entry.seq}` };
  }
  if (entry.epoch < previous.epoch) {
    return { expected: `epoch ${previous.epoch} or higher`, found: `epoch ${entry.epoch}` };
  }
  const hash = chainHash(previous.hash, entry);
  if (hash !== entry.hash) return { expected: `hash ${hash}`, found: `hash ${entry.hash}` };
  return null;
}
