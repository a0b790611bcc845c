import { describe, expect, it } from 'vitest';
import { FencedError } from '../../src/errors.ts';
import type { Durability, Journal, NewEntry } from '../../src/store/journal.ts';

/** Storage that a journal can be closed on and opened again. */
export interface JournalStorage {
  open(): Journal;
  dispose(): void;
}

export function entry(overrides: Partial<NewEntry> = {}): NewEntry {
  return { time: 1_760_000_000_000, stream: 'd-1', kind: 'effect.requested', body: { n: 1 }, epoch: 1, ...overrides };
}

/** What every journal does, wherever it keeps its entries. */
export function journalContract(name: string, storage: () => JournalStorage): void {
  function withJournal(run: (journal: Journal, reopen: () => Journal) => void): void {
    const kept = storage();
    let journal = kept.open();
    try {
      run(journal, () => {
        journal.close();
        journal = kept.open();
        return journal;
      });
    } finally {
      journal.close();
      kept.dispose();
    }
  }

  describe(`${name}: a journal`, () => {
    it('is empty at first', () => {
      withJournal((journal) => {
        expect(journal.head()).toEqual({ seq: 0, hash: '0'.repeat(64), epoch: 0 });
        expect([...journal.read(0)]).toEqual([]);
        journal.verify();
      });
    });

    it.each<Durability>(['durable', 'relaxed'])(
      'gives back what was appended (%s), also when opened again',
      (durability) => {
        withJournal((journal, reopen) => {
          const bodies = [null, true, -0.5, 'Žlutý kůň 🐎 \u0000 "\\', [1, [2, {}]], { z: 1, a: { b: [] } }];
          const written = journal.append(
            bodies.map((body, n) => entry({ body, time: n, stream: `s${n}` })),
            durability,
          );
          expect(written.map((each) => each.seq)).toEqual([1, 2, 3, 4, 5, 6]);
          expect(written.map((each) => each.body)).toEqual(bodies);
          expect([...journal.read(0)]).toEqual(written);
          const again = reopen();
          expect([...again.read(0)]).toEqual(written);
          const last = written.at(-1);
          expect(again.head()).toEqual({ seq: 6, hash: last?.hash, epoch: 1 });
        });
      },
    );

    it('chains each hash to everything before it', () => {
      withJournal((first) => {
        withJournal((second) => {
          const same = entry({ stream: 'later' });
          first.append([entry({ body: 1 }), same], 'relaxed');
          second.append([entry({ body: 2 }), same], 'relaxed');
          expect(first.head().hash).not.toBe(second.head().hash);
        });
        withJournal((third) => {
          // The order of members is not content.
          first.append([entry({ body: { a: 1, b: 2 } })], 'relaxed');
          third.append([entry({ body: 1 }), entry({ stream: 'later' }), entry({ body: { b: 2, a: 1 } })], 'relaxed');
          expect(third.head().hash).toBe(first.head().hash);
        });
      });
    });

    it('computes the hashes that its documentation promises', () => {
      withJournal((journal) => {
        journal.append([entry({ body: { b: 1, a: 'x' } }), entry({ epoch: 2, kind: 'k' })], 'durable');
        // Computed by another program (sha256sum): they pin the format that is on people's disks.
        expect([...journal.read(0)].map((each) => each.hash)).toEqual([
          '07202ae4f8eeb4f88bffaa1bfc668c29fb82fe4e0e48df447e5ef01cb4965bfe',
          '941888f70f4867558343ff9234231edb582be71d388c666f0b78bb4734634d59',
        ]);
      });
    });

    it('reads from any place, and no more than asked', () => {
      withJournal((journal) => {
        journal.append(
          Array.from({ length: 2500 }, (_, n) => entry({ body: n })),
          'relaxed',
        );
        const seqs = (afterSeq: number, limit?: number): number[] =>
          [...journal.read(afterSeq, limit)].map((each) => each.seq);
        expect(seqs(0)).toHaveLength(2500);
        expect(seqs(2498)).toEqual([2499, 2500]);
        expect(seqs(1234, 3)).toEqual([1235, 1236, 1237]);
        expect(seqs(0, 1001).at(-1)).toBe(1001);
        expect(seqs(0, 0)).toEqual([]);
        expect(seqs(2500)).toEqual([]);
        expect(seqs(9999)).toEqual([]);
      });
    });

    it('may be appended to while it is read', () => {
      withJournal((journal) => {
        journal.append([entry({ body: 1 }), entry({ body: 2 })], 'relaxed');
        const bodies: unknown[] = [];
        for (const each of journal.read(0)) {
          bodies.push(each.body);
          if (each.body === 1) journal.append([entry({ body: 3 })], 'durable');
        }
        expect(bodies.slice(0, 2)).toEqual([1, 2]);
        expect([...journal.read(2)].map((each) => each.body)).toEqual([3]);
      });
    });

    it('refuses an epoch lower than the highest it holds, also after it was opened again', () => {
      withJournal((journal, reopen) => {
        journal.append([entry({ epoch: 7 })], 'relaxed');
        const again = reopen();
        expect(() => again.append([entry({ epoch: 6 })], 'durable')).toThrow(FencedError);
        expect(() => again.append([entry({ epoch: 8 }), entry({ epoch: 7 })], 'durable')).toThrow(FencedError);
        expect(again.head()).toMatchObject({ seq: 1, epoch: 7 });
        expect(again.append([entry({ epoch: 7 })], 'durable')).toHaveLength(1);
      });
    });

    it('appends all or nothing, and goes on after a refusal', () => {
      withJournal((journal) => {
        const cycle: unknown[] = [];
        cycle.push(cycle);
        for (const body of [undefined, Number.NaN, { deep: [() => 0] }, 1n, new Date(0), '\ud800', cycle]) {
          expect(() => journal.append([entry(), entry({ body })], 'durable')).toThrow(TypeError);
        }
        expect(() => journal.append([entry({ time: 1.5 })], 'durable')).toThrow('whole milliseconds');
        expect(() => journal.append([entry({ epoch: -1 })], 'durable')).toThrow('epoch');
        expect(journal.append([], 'durable')).toEqual([]);
        expect(journal.head().seq).toBe(0);
        expect(journal.append([entry()], 'durable')).toHaveLength(1);
      });
    });

    it('cannot be changed through what it was given or gave back', () => {
      withJournal((journal) => {
        const body = { list: [1] };
        const written = journal.append([entry({ body })], 'durable');
        body.list.push(2);
        for (const each of written) (each.body as { list: number[] }).list.push(3);
        for (const each of journal.read(0)) (each.body as { list: number[] }).list.push(4);
        expect([...journal.read(0)].map((each) => each.body)).toEqual([{ list: [1] }]);
        journal.verify();
      });
    });
  });
}
