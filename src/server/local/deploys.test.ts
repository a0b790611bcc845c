import { describe, expect, it } from 'vitest';
import { Ledger } from '../../core/rollout/ledger.ts';
import { testLeg, testPlan } from '../../core/rollout/testing/plans.ts';
import type { ReleaseId } from '../../core/release/release.ts';
import type { Name } from '../../core/units/quantities.ts';
import { underWay } from './deploys.ts';

const plan = testPlan([testLeg('api')]);
const release = (id: string, service = 'api') => ({ release: { id: id as ReleaseId, service: service as Name } });

function requested(): Ledger {
  const ledger = new Ledger();
  ledger.fold(plan.id, { type: 'requested', plan, epoch: 1 }, 1_000);
  return ledger;
}

describe('a release that is asked for once more', () => {
  it('is found on its way', () => {
    const ledger = requested();
    expect(underWay(ledger, plan.environment, [release('rel_api-v2')])?.plan.id).toBe(plan.id);
  });

  it.each([
    ['another release', plan.environment, [release('rel_api-v3')]],
    ['another environment', 'elsewhere', [release('rel_api-v2')]],
    ['a train that has more in it', plan.environment, [release('rel_api-v2'), release('rel_web-v2', 'web')]],
  ])('is not taken for %s', (_, environment, batch) => {
    expect(underWay(requested(), environment, batch)).toBeNull();
  });

  it('is brought anew when what was under way is being taken back', () => {
    const ledger = requested();
    ledger.fold(plan.id, { type: 'admitted', legs: plan.legs }, 1_100);
    ledger.fold(plan.id, { type: 'operation', operation: { kind: 'abort' }, by: 'anna' }, 1_200);
    expect(underWay(ledger, plan.environment, [release('rel_api-v2')])).toBeNull();
  });
});
