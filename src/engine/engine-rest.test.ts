import { expect, it } from 'vitest';
import type { Effect } from '../core/rollout/effect.ts';
import { Ledger } from '../core/rollout/ledger.ts';
import { testLeg, testPlan } from '../core/rollout/testing/plans.ts';
import { MemoryJournal } from '../store/memory-journal.ts';
import { Engine } from './engine.ts';

function stage() {
  const open = new Set(['production']);
  const acted: Effect[] = [];
  const aborted: string[] = [];
  const timers = new Set<number>();
  const ledger = new Ledger();
  const journal = new MemoryJournal();
  let timer = 0;
  const engineOf = (epoch: number): Engine =>
    new Engine({
      journal,
      ledger,
      clock: {
        now: () => 1_000_000,
        after: () => {
          timer += 1;
          const mine = timer;
          timers.add(mine);
          return () => void timers.delete(mine);
        },
      },
      actor: {
        act: (effect, _, signal) => {
          acted.push(effect);
          signal.addEventListener('abort', () => aborted.push(effect.id));
          return new Promise(() => undefined);
        },
        isUnavailable: () => false,
      },
      epoch,
      isOpen: (environment) => open.has(environment),
      onChange: () => undefined,
      onStore: () => undefined,
    });
  return { open, acted, aborted, timers, ledger, journal, engineOf };
}

it('deployments of an environment that is let go rest, and go on with the same requests when it is opened again', () => {
  const { open, acted, aborted, timers, ledger, engineOf } = stage();
  const engine = engineOf(1);
  engine.request(testPlan([testLeg('api')]));
  const asked = acted.map(({ id }) => id);
  expect(asked).not.toEqual([]);
  expect(timers.size).toBe(1);

  // When it is let go, then nothing is under way any more, and nothing has become of the deployment.
  open.delete('production');
  engine.leave('production');
  expect(aborted).toEqual(asked);
  expect(timers.size).toBe(0);
  expect(ledger.deployment('dep_1')?.phase).toBe('preparing');

  // When it is opened again, then what was not answered is asked again, under the same ids.
  open.add('production');
  engine.enter('production');
  expect(acted.slice(asked.length).map(({ id }) => id)).toEqual(asked);
  expect(timers.size).toBe(1);
});

it('a control plane whose declaration has lost an environment starts, and leaves the deployments there alone', () => {
  const { open, acted, ledger, journal, engineOf } = stage();
  engineOf(1).request(testPlan([testLeg('api')]));
  const before = { acted: acted.length, seq: journal.head().seq };

  open.delete('production');
  const next = engineOf(2);
  next.start();
  expect({ acted: acted.length, seq: journal.head().seq }).toEqual(before);
  expect(ledger.deployment('dep_1')).toMatchObject({ phase: 'preparing', epoch: 1 });

  open.add('production');
  next.enter('production');
  expect(ledger.deployment('dep_1')).toMatchObject({ phase: 'preparing', epoch: 2 });
  expect(acted.length).toBeGreaterThan(before.acted);
});
