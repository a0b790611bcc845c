import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RestartPolicy } from '../spec/platform.ts';
import type { DurationMs } from '../units/quantities.ts';
import { isCrashLooping, noteExit } from './restart.ts';
import {
  supervise,
  supervisedState,
  type InstanceLife,
  type InstanceView,
  type SlotGoal,
  type SupervisionPlan,
} from './supervise.ts';

const ms = (value: number): DurationMs => value as DurationMs;
const policy: RestartPolicy = { backoffMs: ms(100), maxBackoffMs: ms(5000), crashLoopAfter: 3, windowMs: ms(60_000) };

const life: fc.Arbitrary<InstanceLife> = fc.oneof(
  fc.record({ kind: fc.constant('down' as const), startAt: fc.integer({ min: 0, max: 4000 }) }),
  fc.record({
    kind: fc.constant('up' as const),
    verdict: fc.constantFrom('starting' as const, 'ready' as const, 'unready' as const, 'failed' as const),
  }),
  fc.record({
    kind: fc.constant('stopping' as const),
    since: fc.integer({ min: 0, max: 2000 }),
    killed: fc.boolean(),
    forGood: fc.boolean(),
  }),
);
const views: fc.Arbitrary<InstanceView[]> = fc
  .array(
    fc.record({
      id: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'),
      release: fc.constantFrom('one', 'two'),
      createdAt: fc.integer({ min: 0, max: 2000 }),
      exits: fc.constant([]),
      stopGraceMs: fc.integer({ min: 0, max: 3000 }),
      life,
    }),
    { maxLength: 8 },
  )
  .map((list) => list.filter((view, index) => list.findIndex((other) => other.id === view.id) === index));
const goals: fc.Arbitrary<SlotGoal | null> = fc.option(
  fc.record({
    release: fc.constantFrom('one', 'two'),
    instances: fc.integer({ min: 0, max: 6 }),
    restart: fc.constant(policy),
  }),
);
const now = 2000;

/** What the world is after the actions, as if they took no time. */
function perform(plan: SupervisionPlan, observed: readonly InstanceView[], counter: { next: number }): InstanceView[] {
  const after = new Map(observed.map((view) => [view.id, view]));
  const change = (id: string, life: InstanceLife): void => {
    const view = after.get(id);
    if (view !== undefined) after.set(id, { ...view, life });
  };
  for (const action of plan.actions) {
    if (action.kind === 'create') {
      const id = `new-${(counter.next += 1)}`;
      const life = { kind: 'down', startAt: 0 } as const;
      after.set(id, { id, release: action.release, createdAt: now, exits: [], stopGraceMs: 100, life });
      continue;
    }
    const view = after.get(action.id);
    switch (action.kind) {
      case 'launch':
        change(action.id, { kind: 'up', verdict: 'starting' });
        break;
      case 'stop':
        change(action.id, { kind: 'stopping', since: now, killed: false, forGood: action.forGood });
        break;
      case 'kill':
        if (view?.life.kind === 'stopping') change(action.id, { ...view.life, killed: true });
        break;
      case 'let-go': {
        const latest = after.get(action.id);
        if (latest?.life.kind === 'stopping') change(action.id, { ...latest.life, forGood: true });
        break;
      }
      case 'forget':
        after.delete(action.id);
        break;
    }
  }
  return [...after.values()];
}

const settle = (goal: SlotGoal | null, observed: readonly InstanceView[]): InstanceView[] => {
  const counter = { next: 0 };
  let current = [...observed];
  for (let rounds = 0; rounds < 10; rounds += 1) {
    const plan = supervise(goal, current, now);
    if (plan.actions.length === 0) return current;
    current = perform(plan, current, counter);
  }
  throw new Error('never at rest');
};

const staying = (observed: readonly InstanceView[], goal: SlotGoal | null): InstanceView[] =>
  observed.filter((view) => view.release === goal?.release && !(view.life.kind === 'stopping' && view.life.forGood));

describe('supervise', () => {
  test('comes to rest with exactly the wanted instances, all of the wanted release', () => {
    fc.assert(
      fc.property(goals, views, (goal, observed) => {
        const after = settle(goal, observed);
        expect(staying(after, goal)).toHaveLength(goal?.instances ?? 0);
        const rest = after.filter((view) => !staying(after, goal).includes(view));
        expect(rest.every((view) => view.life.kind === 'stopping' && view.life.forGood)).toBe(true);
      }),
    );
  });

  test('asks for nothing of an instance that is not there, and at most once a kind', () => {
    fc.assert(
      fc.property(goals, views, (goal, observed) => {
        const aimed = supervise(goal, observed, now).actions.filter((action) => action.kind !== 'create');
        const known = new Set(observed.map((view) => view.id));
        expect(aimed.every((action) => known.has(action.id))).toBe(true);
        const keys = aimed.map((action) => `${action.kind} ${action.id}`);
        expect(new Set(keys).size).toBe(keys.length);
      }),
    );
  });

  test('never stops a ready instance of the release while one that is not ready is kept', () => {
    fc.assert(
      fc.property(goals, views, (goal, observed) => {
        const { actions } = supervise(goal, observed, now);
        const stopped = new Set(
          actions.flatMap((action) => (action.kind === 'stop' && action.forGood ? [action.id] : [])),
        );
        const ofRelease = observed.filter((view) => view.release === goal?.release && view.life.kind === 'up');
        const lost = ofRelease.filter(
          (view) => stopped.has(view.id) && view.life.kind === 'up' && view.life.verdict === 'ready',
        );
        const kept = ofRelease.filter(
          (view) => !stopped.has(view.id) && view.life.kind === 'up' && view.life.verdict !== 'ready',
        );
        if (lost.length > 0) expect(kept).toEqual([]);
      }),
    );
  });

  test('never starts before the backoff is over, never kills before the grace is over', () => {
    fc.assert(
      fc.property(goals, views, (goal, observed) => {
        for (const action of supervise(goal, observed, now).actions) {
          const view = observed.find((one) => action.kind !== 'create' && one.id === action.id);
          if (action.kind === 'launch')
            expect(view?.life).toMatchObject({ kind: 'down', startAt: expect.toSatisfy((at: number) => at <= now) });
          if (action.kind === 'kill' && view?.life.kind === 'stopping')
            expect(now - view.life.since).toBeGreaterThanOrEqual(view.stopGraceMs);
        }
      }),
    );
  });

  test('whatever waits for time is due at wakeAt and nothing is before', () => {
    fc.assert(
      fc.property(goals, views, (goal, observed) => {
        const rested = settle(goal, observed);
        const { wakeAt } = supervise(goal, rested, now);
        if (wakeAt === null) {
          expect(supervise(goal, rested, now + 4999).actions).toEqual([]);
        } else {
          expect(wakeAt).toBeGreaterThan(now);
          expect(supervise(goal, rested, wakeAt - 1).actions).toEqual([]);
          expect(supervise(goal, rested, wakeAt).actions).not.toEqual([]);
        }
      }),
    );
  });

  test('a start planned beyond any backoff comes from a clock that jumped: it is due', () => {
    const view: InstanceView = {
      id: 'a',
      release: 'one',
      createdAt: 0,
      exits: [],
      stopGraceMs: 0,
      life: { kind: 'down', startAt: 1e12 },
    };
    expect(supervise({ release: 'one', instances: 1, restart: policy }, [view], now).actions).toEqual([
      { kind: 'launch', id: 'a' },
    ]);
  });

  test('a failed instance is restarted, one that is not wanted any more is let go instead', () => {
    const failed: InstanceView = {
      id: 'a',
      release: 'one',
      createdAt: 0,
      exits: [],
      stopGraceMs: 100,
      life: { kind: 'up', verdict: 'failed' },
    };
    const goal = { release: 'one', instances: 1, restart: policy };
    expect(supervise(goal, [failed], now).actions).toEqual([{ kind: 'stop', id: 'a', forGood: false }]);
    const stopping: InstanceView = { ...failed, life: { kind: 'stopping', since: now, killed: false, forGood: false } };
    expect(supervise(goal, [stopping], now)).toEqual({ actions: [], wakeAt: now + 100 });
    expect(supervise(null, [stopping], now).actions).toEqual([{ kind: 'let-go', id: 'a' }]);
  });
});

describe('restarts', () => {
  test('the wait doubles within the window, never falls below the first nor exceeds the cap', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 40 }), (gaps) => {
        let at = 0;
        let exits: readonly number[] = [];
        for (const gap of gaps) {
          at += gap;
          const noted = noteExit(exits, policy, at);
          exits = noted.exits;
          const wait = noted.startAt - at;
          expect(wait).toBe(Math.min(policy.backoffMs * 2 ** (exits.length - 1), policy.maxBackoffMs));
          expect(exits.every((time) => time > at - policy.windowMs && time <= at)).toBe(true);
        }
      }),
    );
  });

  test('a crash loop is more exits than allowed within the window, and passes with the window', () => {
    const exits = [1000, 1100, 1300];
    expect(isCrashLooping(exits, policy, 1300)).toBe(false);
    const noted = noteExit(exits, policy, 1700);
    expect(isCrashLooping(noted.exits, policy, 1700)).toBe(true);
    expect(isCrashLooping(noted.exits, policy, 1000 + policy.windowMs)).toBe(false);
  });

  test('the states have their names', () => {
    const view = (life: InstanceLife, exits: readonly number[] = []): InstanceView => ({
      id: 'a',
      release: 'one',
      createdAt: 0,
      exits,
      stopGraceMs: 0,
      life,
    });
    const state = (life: InstanceLife, exits?: readonly number[]): string =>
      supervisedState(view(life, exits), policy, now);
    const looping = [1, 2, 3, 4];
    expect(state({ kind: 'down', startAt: 0 })).toBe('starting');
    expect(state({ kind: 'down', startAt: 9 }, [1])).toBe('backing-off');
    expect(state({ kind: 'down', startAt: 9 }, looping)).toBe('crash-looping');
    expect(state({ kind: 'up', verdict: 'starting' }, looping)).toBe('crash-looping');
    expect(state({ kind: 'up', verdict: 'ready' }, looping)).toBe('ready');
    expect(state({ kind: 'up', verdict: 'unready' })).toBe('unready');
    expect(state({ kind: 'stopping', since: 0, killed: false, forGood: false })).toBe('unready');
    expect(state({ kind: 'stopping', since: 0, killed: false, forGood: true }, looping)).toBe('stopping');
  });
});
