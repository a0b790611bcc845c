import { describe, expect, it } from 'vitest';
import { MemoryJournal } from '../../src/store/memory-journal.ts';
import { entry, journalContract } from './journal.suite.ts';

journalContract('memory', () => {
  const journal = new MemoryJournal();
  return { open: () => journal, dispose: () => undefined };
});

describe('memory: a power cut', () => {
  it('takes relaxed entries from the end only, never a durable one', () => {
    const journal = new MemoryJournal();
    journal.append([entry({ body: 1 })], 'relaxed');
    journal.append([entry({ body: 2 })], 'durable');
    journal.append([entry({ body: 3 }), entry({ body: 4 })], 'relaxed');
    expect(journal.durableSeq).toBe(2);
    expect([...journal.afterPowerCut(3).read(0)].map((each) => each.body)).toEqual([1, 2, 3]);
    expect(() => journal.afterPowerCut(1)).toThrow('durable');
  });
});
