import { expect, it } from 'vitest';
import { Ledger } from '../core/rollout/ledger.ts';
import { testLeg, testPlan } from '../core/rollout/testing/plans.ts';
import { StoreUnavailableError } from '../errors.ts';
import { MemoryJournal } from '../store/memory-journal.ts';
import { Engine } from './engine.ts';

it('a timer that was held up by the store and is early when it comes, by a clock that was set back, is set again', () => {
  let now = 1_000_000;
  let storeIsAway = false;
  const due: { readonly at: number; readonly callback: () => void }[] = [];
  const journal = new MemoryJournal();
  const ledger = new Ledger();
  const engine = new Engine({
    journal: {
      append: (entries, durability) => {
        if (storeIsAway) throw new StoreUnavailableError('(test)', 'full', 'Make room.');
        return journal.append(entries, durability);
      },
      read: (after, limit) => journal.read(after, limit),
      head: () => journal.head(),
      verify: () => journal.verify(),
      close: () => undefined,
    },
    ledger,
    clock: {
      now: () => now,
      after: (delayMs, callback) => {
        const timer = { at: now + delayMs, callback };
        due.push(timer);
        return () => void due.splice(due.indexOf(timer), due.includes(timer) ? 1 : 0);
      },
    },
    actor: { act: () => new Promise(() => undefined), isUnavailable: () => false },
    epoch: 1,
    isOpen: () => true,
    onChange: () => undefined,
    onStore: () => undefined,
  });
  const fireAll = (): void => {
    for (const timer of due.splice(0)) timer.callback();
  };
  engine.request(testPlan([testLeg('api')]));
  const { deadline } = ledger.deployment('dep_1') ?? { deadline: 0 };

  // Given a deadline that passes while the store is away, and a clock that is set back before the store returns.
  storeIsAway = true;
  now = deadline;
  fireAll();
  storeIsAway = false;
  now = deadline - 3_000;
  fireAll();
  expect(ledger.deployment('dep_1')?.phase).toBe('preparing');

  // When the deadline comes again, then it counts.
  expect(due.map(({ at }) => at)).toContain(deadline);
  now = deadline;
  fireAll();
  expect(ledger.deployment('dep_1')?.phase).toBe('refused');
});
