import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeploymentEvent } from './event.ts';
import type { DeploymentPlan, GroupPlan, LegPlan } from './plan.ts';
import { nextTimer, step } from './step.ts';
import { OPERATIONS_TRIED } from './testing/moves.ts';
import { testLeg, testPlan } from './testing/plans.ts';
import { playOut, randomRun, type Choice } from './testing/random-run.ts';

const rollout = { step, nextTimer };
const calm = { requests: 1, errors: 0, p50Ms: 1, p99Ms: 1 };
const evidence = { summary: 'any', candidate: calm, stable: calm };

const weight = fc.oneof(fc.integer({ min: 1, max: 99 }), fc.constantFrom(0.5, 2.5, 12.5, 33.3));
const steps = fc.uniqueArray(weight, { maxLength: 4 }).chain((weights) =>
  fc
    .constantFrom(0, 1_000, 3_000)
    .chain((holdMs) => fc.tuple(fc.constant(holdMs), fc.constantFrom(undefined, 0, 1_000, 2_500)))
    .map(([holdMs, bakeMs]) =>
      weights
        .toSorted((a, b) => a - b)
        .map((each) => ({ weight: each, holdMs, ...(bakeMs === undefined ? {} : { bakeMs }) })),
    ),
);
const mirror = fc.constantFrom(undefined, null, { holdMs: 0 }, { holdMs: 2_000 });
const shape = fc
  .record({ mirror, steps, holdback: fc.constantFrom(0, 5), watchMs: fc.constantFrom(0, 1_000, 4_000) })
  .map(({ mirror: copies, ...rest }) => (copies === undefined ? rest : { ...rest, mirror: copies }));

const leg = (service: string): fc.Arbitrary<LegPlan> =>
  fc
    .record({
      first: fc.boolean(),
      instances: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constant(40)),
      minCandidates: fc.integer({ min: 1, max: 3 }),
      migrations: fc.boolean(),
      smoke: fc.boolean(),
      keepWarmMs: fc.constantFrom(0, 5_000),
      mirror: fc.constantFrom(null, { share: 100, shapes: false }, { share: 3, shapes: true }),
    })
    .map(({ first, ...over }) =>
      testLeg(service, {
        ...over,
        minCandidates: Math.min(over.minCandidates, over.instances),
        ...(first ? { stable: null } : {}),
      }),
    );

const plans: fc.Arbitrary<DeploymentPlan> = fc
  .record({
    legs: fc.integer({ min: 1, max: 3 }).chain((count) => fc.tuple(...['api', 'web', 'chat'].slice(0, count).map(leg))),
    shapes: fc.tuple(shape, shape, shape),
    order: fc.constantFrom<DeploymentPlan['order']>('together', 'in-order'),
    approval: fc.boolean(),
    idle: fc.constantFrom<DeploymentPlan['idle']>('pause', 'proceed'),
  })
  .map(({ legs, shapes, order, approval, idle }) => {
    const groups: GroupPlan[] =
      order === 'together'
        ? [{ ...shapes[0], legs: legs.map((_, index) => index) }]
        : legs.map((_, index) => ({ ...(shapes[index] ?? shapes[0]), legs: [index] }));
    return testPlan(legs, { order, groups, approval, idle });
  });

const odd = fc.constantFrom(0, 1, 2, 7, -1, 0.5, 1e9, Number.NaN, Infinity, -Infinity);
const ids = fc.oneof(
  fc.constantFrom('', '__proto__', 'constructor', 'toString', 'dep_1', 'dep_2/0/starting/3'),
  fc
    .tuple(fc.nat(2), fc.constantFrom('preparing', 'starting', 'stepping-0', 'reverting'), fc.nat(20))
    .map(([at, phase, number]) => `dep_1/${at}/${phase}/${number}`),
);

const events: fc.Arbitrary<DeploymentEvent> = fc.oneof(
  fc.record({ type: fc.constantFrom('effect-done' as const, 'committed' as const), id: ids, epoch: odd }),
  fc.record({
    type: fc.constant('effect-failed' as const),
    id: ids,
    epoch: odd,
    cause: fc.constantFrom('refused' as const, 'unavailable' as const),
    reason: fc.constant('any'),
  }),
  fc.record({
    type: fc.constant('slot-observed' as const),
    leg: odd,
    arm: fc.constantFrom('stable' as const, 'candidate' as const),
    ready: odd,
    fault: fc.constantFrom(null, 'exited with status 1'),
    note: fc.constantFrom(null, 'GET /ready answers 503'),
  }),
  fc.record({
    type: fc.constant('analysis' as const),
    leg: odd,
    observedMs: odd,
    trafficMs: odd,
    verdict: fc.constantFrom('worse' as const, 'not-worse' as const, 'undecided' as const),
    stableBroken: fc.boolean(),
    evidence: fc.constant(evidence),
  }),
  fc.record({
    type: fc.constant('condition' as const),
    condition: fc.constantFrom(
      'router-unreachable' as const,
      'runtime-unreachable' as const,
      'metrics-missing' as const,
    ),
    holds: fc.boolean(),
    reason: fc.constant('any'),
  }),
  fc.constant({ type: 'timer' as const }),
  fc.record({
    type: fc.constant('operation' as const),
    operation: fc.constantFrom(...OPERATIONS_TRIED),
    by: fc.constant('ada'),
  }),
  fc.record({ type: fc.constant('superseded' as const), by: fc.constant('dep_2'), keepOldSlot: fc.boolean() }),
  fc.record({ type: fc.constant('took-over' as const), epoch: odd }),
  fc.constant({ type: 'admitted' as const, legs: [] }),
);

const choices: fc.Arbitrary<Choice> = fc.oneof(
  { weight: 12, arbitrary: fc.constant<Choice>({ do: 'oblige' }) },
  { weight: 4, arbitrary: fc.nat(10_000).map((which): Choice => ({ do: 'pick', which })) },
  {
    weight: 1,
    arbitrary: fc
      .record({ event: events, skewMs: fc.constantFrom(0, 0, 0, 1, 1_000, 100_000, 10_000_000, -5_000) })
      .map((sent): Choice => ({ do: 'send', ...sent })),
  },
);

/** Something that fails shrinks to the fewest events; what is thrown then reads as what happened. */
function mustHold({ broken, trace }: ReturnType<typeof randomRun>): void {
  if (broken !== null) throw new Error(`${broken}\n  ${trace.join('\n  ')}`);
}

describe('whatever happens to a deployment, in whatever order', () => {
  it('every invariant holds, nothing throws, and the journal folds to the state', () => {
    fc.assert(
      fc.property(plans, fc.array(choices, { minLength: 20, maxLength: 120 }), (plan, chosen) =>
        mustHold(randomRun(rollout, plan, chosen)),
      ),
      { numRuns: 1_500 },
    );
  });

  it('a world that means well sees every plan succeed', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        expect(playOut(rollout, { ...plan, approval: false })?.phase).toBe('succeeded');
      }),
      { numRuns: 500 },
    );
  });
});
