import { describe, expect, it } from 'vitest';
import { Ledger } from './ledger.ts';
import { rebase } from './plan-deployment.ts';
import { testLeg, testPlan } from './testing/plans.ts';
import { Stage } from './testing/stage.ts';

const kept = { live: { slot: 'green', release: 'rel_api-v2' }, warm: { slot: 'blue', release: 'rel_api-v1' } };

describe('what a service runs, by the journal', () => {
  it('changes at the commit and not before', () => {
    const stage = new Stage(testPlan([testLeg('api')]));
    const ledger = new Ledger();
    stage.until((state) => {
      ledger.put(state);
      return state.phase === 'watching';
    });
    expect(ledger.record('production', 'api').live).toBeNull();
    stage.until((state) => state.stage === 'warm');
    ledger.put(stage.state);
    expect(ledger.record('production', 'api')).toMatchObject(kept);
    ledger.put(stage.toTheEnd());
    expect(ledger.record('production', 'api')).toMatchObject({ ...kept, warm: null });
    expect(ledger.active()).toEqual([]);
  });

  it('a rollback forgets what it left behind: going back again goes further back', () => {
    const ledger = new Ledger();
    const commit = (id: string, release: string, kind: 'planned' | 'rollback') => {
      const leg = testLeg('api', { candidate: { slot: 'green', release: release as never } });
      ledger.put(new Stage(testPlan([leg], { id, kind })).toTheEnd());
    };
    commit('dep_1', 'rel_1', 'planned');
    commit('dep_2', 'rel_2', 'planned');
    commit('dep_3', 'rel_3', 'planned');
    commit('dep_4', 'rel_2', 'rollback');
    expect(ledger.record('production', 'api').history).toEqual(['rel_2', 'rel_1']);
    expect(ledger.nextId).toBe('dep_5');
  });

  it('knows which deployment brought a release into a slot', () => {
    const ledger = new Ledger();
    for (const id of ['dep_1', 'dep_2']) ledger.put(new Stage(testPlan([testLeg('api')], { id })).toTheEnd());
    const { live } = ledger.record('production', 'api');
    if (live === null) throw new Error('nothing is live');
    expect(ledger.broughtBy('production', 'api', live)).toBe('dep_2');
    expect(ledger.broughtBy('production', 'api', { ...live, slot: 'blue' })).toBeNull();
    expect(ledger.broughtBy('staging', 'api', live)).toBeNull();
  });

  it('gives a deployment that waited its turn the slots that are free then', () => {
    const ledger = new Ledger();
    ledger.put(new Stage(testPlan([testLeg('api')])).toTheEnd());
    const waited = testPlan([testLeg('api', { candidate: { slot: 'green', release: 'rel_v3' as never } })], {
      id: 'dep_2',
    });
    const [leg] = rebase(waited, (service) => ledger.record('production', service));
    expect(leg).toMatchObject({ stable: kept.live, candidate: { slot: 'blue', release: 'rel_v3' }, warm: false });
  });
});
