import { describe, expect, it } from 'vitest';
import type { Release } from '../release/release.ts';
import { parsePlatform } from '../spec/parse-platform.ts';
import type { Service } from '../spec/platform.ts';
import { EMPTY_RECORD } from './ledger.ts';
import { planDeployment, type PlanRequest } from './plan-deployment.ts';
import type { DeploymentPlan } from './plan.ts';

function serviceOf(strategy: unknown, name = 'api'): Service {
  const input = { name: 'shop', services: { [name]: { source: '.', run: 'x', instances: 4, route: {}, strategy } } };
  const result = parsePlatform(input);
  if (!result.ok) throw new Error(result.mistakes.map(({ message }) => message).join('\n'));
  const service = result.platform.environments['development']?.services[name];
  if (service === undefined) throw new Error('no service');
  return service;
}

const release = (id: string): Release => ({ id }) as unknown as Release;
const live = { ...EMPTY_RECORD, live: { slot: 'blue' as const, release: release('rel_1').id } };

function planOf(services: readonly Service[], over: Partial<PlanRequest> = {}): DeploymentPlan {
  const request: PlanRequest = {
    id: 'dep_1',
    environment: 'development',
    kind: 'planned',
    order: 'together',
    requestedBy: 'ada',
    gates: { requires: null, approval: false, allowDirty: true, idle: 'proceed' },
    wanted: services.map((service) => ({ release: release('rel_2'), service })),
    strategy: null,
    ...over,
  };
  return planDeployment(request, () => live);
}

const COPIES = { mirror: '30s', share: 50, shapes: true };

describe('a plan', () => {
  it('has the copies that the strategy declares: how long in the group, of what in the leg', () => {
    const plan = planOf([serviceOf({ kind: 'canary', steps: [COPIES, 5, 50] })]);
    expect(plan.groups).toMatchObject([{ mirror: { holdMs: 30_000 }, steps: [{ weight: 5 }, { weight: 50 }] }]);
    expect(plan.legs).toMatchObject([{ mirror: { share: 50, shapes: true } }]);
  });

  it('of a train copies for as long as its longest, each leg as it has declared', () => {
    const services = [
      serviceOf({ kind: 'canary', steps: [COPIES, 5] }),
      serviceOf({ kind: 'canary', steps: [{ mirror: '2m' }, 5] }, 'web'),
      serviceOf('canary', 'chat'),
    ];
    const together = planOf(services);
    expect(together.groups).toMatchObject([{ mirror: { holdMs: 120_000 } }]);
    expect(together.legs.map(({ mirror }) => mirror)).toEqual([
      { share: 50, shapes: true },
      { share: 100, shapes: false },
      null,
    ]);
    const inOrder = planOf(services, { order: 'in-order' });
    expect(inOrder.groups.map(({ mirror }) => mirror)).toEqual([{ holdMs: 30_000 }, { holdMs: 120_000 }, null]);
  });

  it.each([
    ['a rollback', { kind: 'rollback' }],
    ['one that a person wants to be blue-green', { strategy: 'blue-green' }],
    ['one that a person wants to be rolling', { strategy: 'rolling' }],
  ] as const)('of %s copies nothing', (_, over) => {
    const plan = planOf([serviceOf({ kind: 'canary', steps: [COPIES, 5] })], over);
    expect(plan.groups).toMatchObject([{ mirror: null }]);
    expect(plan.legs).toMatchObject([{ mirror: null }]);
  });

  it.each(['canary', 'rolling'] as const)(
    'lets steps of %s bake as long as the analysis says, and no longer than they last',
    (kind) => {
      const bakes = (analysis: unknown): unknown[] =>
        (planOf([serviceOf({ kind, hold: '30s', analysis })]).groups[0]?.steps ?? []).map(({ bakeMs }) => bakeMs);
      expect(new Set(bakes('fast'))).toEqual(new Set([5_000]));
      expect(new Set(bakes('balanced'))).toEqual(new Set([20_000]));
      expect(new Set(bakes('careful'))).toEqual(new Set([30_000]));
    },
  );

  it('of a release that was built before there was any of it has none, and no bake time', () => {
    const service = serviceOf('canary');
    const { analysis: _analysis, mirror: _mirror, ...strategy } = service.strategy;
    const plan = planOf([{ ...service, strategy }]);
    expect(plan.legs).toMatchObject([{ mirror: null }]);
    expect(plan.groups).toMatchObject([{ mirror: null, steps: [{ bakeMs: 0 }, { bakeMs: 0 }, { bakeMs: 0 }] }]);
  });
});
