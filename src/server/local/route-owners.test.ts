import { describe, expect, it } from 'vitest';
import { Ledger } from '../../core/rollout/ledger.ts';
import { testLeg, testPlan } from '../../core/rollout/testing/plans.ts';
import { Stage } from '../../core/rollout/testing/stage.ts';
import type { Environment } from '../../core/spec/platform.ts';
import { RouteTakenError } from '../../errors.ts';
import { checkRouteIsFree } from './route-owners.ts';

type Wanted = Parameters<typeof checkRouteIsFree>[2];

const plan = testPlan([testLeg('api')]);
const route = (...paths: string[]) => ({ route: { hosts: [], paths } });
const releaseOf = (service: string, ...paths: string[]): Wanted =>
  ({ service, config: { [plan.environment]: route(...paths) } }) as unknown as Wanted;
const declared = (services: Readonly<Record<string, unknown>>): Environment =>
  ({ name: plan.environment, services }) as unknown as Environment;

/** `api` is live, or on its way to be. */
function ledgerWith(ended: boolean): Ledger {
  const ledger = new Ledger();
  const stage = new Stage(plan);
  if (ended) stage.toTheEnd();
  else stage.until((state) => state.phase === 'starting');
  ledger.put(stage.state);
  return ledger;
}

const live = (id: string): Wanted | null =>
  id === plan.legs[0]?.candidate.release ? releaseOf('api', '/', '/a') : null;

function refusal(environment: Environment, wanted: Wanted, ledger = ledgerWith(true)): RouteTakenError | null {
  try {
    checkRouteIsFree(ledger, environment, wanted, live);
    return null;
  } catch (error) {
    if (error instanceof RouteTakenError) return error;
    throw error;
  }
}

describe('a host and path that another service has', () => {
  it.each([
    ['is not declared any more', {}, 'veza remove api -e'],
    ['gives it up as it is declared now', { api: route('/b') }, 'veza deploy api -e'],
    ['is declared with it', { api: route('/a') }, 'another host or path'],
  ])('is refused, and what to do is said when the other one %s', (_, services, hint) => {
    const error = refusal(declared(services), releaseOf('web', '/web', '/a'));
    expect(error?.message).toContain('every host, path /a');
    expect(error?.hint).toContain(hint);
  });

  it('is refused when the other one is only on its way', () => {
    expect(refusal(declared({}), releaseOf('web', '/a'), ledgerWith(false))?.owner).toBe('api');
  });

  it('is free for the service that has it, and beside it', () => {
    expect(refusal(declared({}), releaseOf('api', '/', '/c'))).toBeNull();
    expect(refusal(declared({}), releaseOf('web', '/ab'))).toBeNull();
  });
});
