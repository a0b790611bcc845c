import type { DeploymentPlan, GroupPlan, LegPlan } from '../plan.ts';
import { OBSERVED_MS, DISTURBANCES, type Budget, type Disturbance } from './moves.ts';
import { testLeg, testPlan } from './plans.ts';

/** A deployment to explore. Every window is one observation long, so that observed time is a yes or no. */
export interface Scenario {
  readonly name: string;
  readonly plan: DeploymentPlan;
}

const STEPS = [
  { weight: 5, holdMs: OBSERVED_MS },
  { weight: 50, holdMs: OBSERVED_MS },
];
const CANARY: Omit<GroupPlan, 'legs'> = { steps: STEPS, holdback: 5, watchMs: OBSERVED_MS };
/** Two observations long, the first of which no verdict ends. */
const BAKED: Omit<GroupPlan, 'legs'> = {
  ...CANARY,
  steps: [{ weight: 50, holdMs: 2 * OBSERVED_MS, bakeMs: OBSERVED_MS }],
};
const MIRRORED: Omit<GroupPlan, 'legs'> = { ...CANARY, mirror: { holdMs: OBSERVED_MS }, steps: STEPS.slice(0, 1) };
const COPIES: Partial<LegPlan> = { mirror: { share: 100, shapes: false } };
const BLUE_GREEN: Omit<GroupPlan, 'legs'> = { steps: [], holdback: 0, watchMs: OBSERVED_MS };
const ROLLING: Omit<GroupPlan, 'legs'> = {
  steps: [{ weight: 50, holdMs: OBSERVED_MS }],
  holdback: 0,
  watchMs: OBSERVED_MS,
};

const single = (
  name: string,
  shape: Omit<GroupPlan, 'legs'>,
  leg: Partial<LegPlan>,
  over: Partial<DeploymentPlan> = {},
): Scenario => ({
  name,
  plan: testPlan([testLeg('api', leg)], { groups: [{ ...shape, legs: [0] }], ...over }),
});

const train = (
  name: string,
  order: DeploymentPlan['order'],
  shape: Omit<GroupPlan, 'legs'>,
  legs: readonly [api: Partial<LegPlan>, web: Partial<LegPlan>] = [{}, {}],
): Scenario => ({
  name,
  plan: testPlan([testLeg('api', { migrations: false, ...legs[0] }), testLeg('web', { smoke: false, ...legs[1] })], {
    order,
    groups:
      order === 'together'
        ? [{ ...shape, legs: [0, 1] }]
        : [
            { ...shape, legs: [0] },
            { ...shape, legs: [1] },
          ],
  }),
});

export const SINGLE: readonly Scenario[] = [
  single('canary', CANARY, {}),
  single('canary with approval', CANARY, {}, { approval: true }),
  single('blue-green', BLUE_GREEN, { strategy: 'blue-green' }),
  single('rolling', ROLLING, { strategy: 'rolling' }),
  single('canary of a fraction', { ...CANARY, steps: [{ weight: 33.3, holdMs: OBSERVED_MS }] }, { instances: 3 }),
  single('first deployment', CANARY, { stable: null }),
  single('canary that goes on without traffic', CANARY, {}, { idle: 'proceed' }),
  single('canary that bakes', BAKED, {}),
  single('canary with copies first', MIRRORED, COPIES),
  single('copies and no steps', { ...MIRRORED, steps: [] }, COPIES, { idle: 'proceed' }),
];

export const TRAINS: readonly Scenario[] = [
  train('train together', 'together', CANARY),
  train('train in order', 'in-order', CANARY),
  train('train together with copies of one', 'together', MIRRORED, [COPIES, {}]),
  train('train in order with copies', 'in-order', MIRRORED, [COPIES, COPIES]),
];

/** So many disturbances altogether, each kind at most as often as given (once, unless told otherwise). */
export function disturbed(any: number, often: Partial<Record<Disturbance, number>> = {}): Budget {
  const each = Object.fromEntries(DISTURBANCES.map((kind) => [kind, Math.min(any, often[kind] ?? 1)]));
  return { ...(each as Record<Disturbance, number>), any };
}
