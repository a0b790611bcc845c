import { hash as digest } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';

const SLOT_BYTES = 128;

/** How far the journal is known to be on the disk. */
export interface DurableHead {
  readonly seq: number;
  readonly hash: string;
}

/**
 * Remembers, outside the database, how far the journal was on the disk. A hash chain alone cannot tell that its end is
 * missing, and SQLite drops everything after a damaged frame of its write-ahead log without a word; with this, both are
 * noticed.
 *
 * The file has two slots, written in turn, so that a torn write leaves the other one. It is written only after the disk has
 * what it says, hence never runs ahead, and needs no fsync of its own: after a power cut it may lag, and then only
 * notices less.
 */
export class HeadFile {
  readonly #fd: number;
  #next: 0 | 1 = 0;

  constructor(path: string) {
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  }

  /** What was written last; null for a new file; 'unreadable' when there is something and none of it makes sense. */
  read(): DurableHead | null | 'unreadable' {
    if (fstatSync(this.#fd).size === 0) return null;
    const slots = [this.#readSlot(0), this.#readSlot(1)] as const;
    const [first, second] = slots;
    this.#next = (first?.seq ?? -1) > (second?.seq ?? -1) ? 1 : 0;
    return (this.#next === 1 ? first : second) ?? 'unreadable';
  }

  write(head: DurableHead): void {
    const content = `veza-journal-head ${head.seq} ${head.hash}`;
    const slot = `${content} ${checksum(content)}`.padEnd(SLOT_BYTES - 1, ' ');
    writeSync(this.#fd, `${slot}\n`, this.#next * SLOT_BYTES, 'latin1');
    this.#next = this.#next === 0 ? 1 : 0;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #readSlot(slot: 0 | 1): DurableHead | null {
    const bytes = Buffer.alloc(SLOT_BYTES);
    const length = readSync(this.#fd, bytes, 0, SLOT_BYTES, slot * SLOT_BYTES);
    const match = /^(veza-journal-head (\d+) ([0-9a-f]{64})) ([0-9a-f]{16})\s*$/.exec(
      bytes.toString('latin1', 0, length),
    );
    const [, content, seq, hash, sum] = match ?? [];
    if (content === undefined || seq === undefined || hash === undefined || sum !== checksum(content)) return null;
    return { seq: Number(seq), hash };
  }
}

function checksum(content: string): string {
  return digest('sha256', content, 'hex').slice(0, 16);
}
