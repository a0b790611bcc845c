import { expect, it } from 'vitest';
import type { DeploymentEvent } from '../core/rollout/event.ts';
import { EMPTY_RECORD } from '../core/rollout/ledger.ts';
import type { DeploymentId } from '../core/rollout/plan.ts';
import { step } from '../core/rollout/step.ts';
import { testLeg, testPlan } from '../core/rollout/testing/plans.ts';
import { MemoryJournal } from '../store/memory-journal.ts';
import type { NewEntry } from '../store/journal.ts';
import { ENDED, REMOVED, WORLD, type JournaledEnd, type JournaledEvent, type JournaledRemoval } from './entries.ts';
import { recover } from './recover.ts';

const plan = testPlan([testLeg('api')]);
const requested: DeploymentEvent = { type: 'requested', plan, epoch: 1 };
const aborted: DeploymentEvent = { type: 'operation', operation: { kind: 'abort' }, by: 'ada' };

function journalOf(events: readonly DeploymentEvent[]): MemoryJournal {
  const journal = new MemoryJournal();
  for (const event of events) {
    const body = { event, about: null, requests: [] } satisfies JournaledEvent;
    journal.append([{ time: 1_000, stream: plan.id, kind: event.type, body, epoch: 1 }], 'durable');
  }
  return journal;
}

it('takes a deployment that has ended as it ended, though the rules of today would end it otherwise', () => {
  const journal = journalOf([requested, aborted]);
  const byTodaysRules = recover(journal).deployment(plan.id);
  expect(byTodaysRules?.phase).toBe('refused');

  // Given an older version whose rules had let it succeed.
  const state = {
    ...step(null, requested, 1_000).state,
    phase: 'succeeded',
    committedAt: 2_000,
    endedAt: 3_000,
  } as const;
  const body = { state } satisfies JournaledEnd;
  journal.append([{ time: 3_000, stream: plan.id, kind: ENDED, body, epoch: 1 }], 'durable');

  const ledger = recover(journal);
  expect(ledger.deployment(plan.id)).toEqual(state);
  expect(ledger.record(plan.environment, 'api').live).toEqual(plan.legs[0]?.candidate);
});

it('folds what has not ended, so that it goes on', () => {
  const ledger = recover(journalOf([requested]));
  expect(ledger.active().map(({ plan: { id }, phase }) => [id, phase])).toEqual([[plan.id, 'pending']]);
  expect(ledger.nextId).toBe('dep_2');
});

it('a service that was taken away is not live any more, and may be deployed again', () => {
  const succeeded = (id: DeploymentId): NewEntry => {
    const state = { ...step(null, { ...requested, plan: { ...plan, id } }, 1_000).state, ...ended };
    return { time: 3_000, stream: id, kind: ENDED, body: { state } satisfies JournaledEnd, epoch: 1 };
  };
  const ended = { phase: 'succeeded', committedAt: 2_000, endedAt: 3_000 } as const;
  const journal = new MemoryJournal();
  const body = { environment: plan.environment, service: 'api', by: 'ada' } satisfies JournaledRemoval;
  journal.append([succeeded('dep_1')], 'durable');
  journal.append([{ time: 4_000, stream: WORLD, kind: REMOVED, body, epoch: 1 }], 'durable');
  expect(recover(journal).record(plan.environment, 'api')).toEqual(EMPTY_RECORD);

  journal.append([succeeded('dep_2')], 'durable');
  expect(recover(journal).record(plan.environment, 'api')).toMatchObject({ live: plan.legs[0]?.candidate });
});
