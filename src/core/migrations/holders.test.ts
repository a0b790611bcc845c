import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { Ledger } from '../rollout/ledger.ts';
import type { SlotRelease } from '../rollout/plan.ts';
import { testLeg, testPlan } from '../rollout/testing/plans.ts';
import { Stage } from '../rollout/testing/stage.ts';
import { Succession, take, turnOf } from '../rollout/testing/succession.ts';
import { holders, type Holder } from './holders.ts';

const of = (ledger: Ledger): readonly Holder[] => holders(ledger.records(), ledger.active());
const inShort = (list: readonly Holder[]): readonly string[] =>
  list.map(({ role, release, slot, deployment }) => `${role} ${release} ${slot ?? '-'} ${deployment ?? '-'}`);
const slot = (name: 'blue' | 'green', release: string): SlotRelease => ({ slot: name, release: release as never });

const turns = fc.array(fc.nat(99_999).map(turnOf), { minLength: 200, maxLength: 400 });

describe('releases that can get traffic', () => {
  test('are live and candidate before the commit, live, warm and what a rollback chooses after it', () => {
    const ledger = new Ledger();
    const first = testLeg('api', { stable: null, candidate: slot('blue', 'rel_1') });
    ledger.put(new Stage(testPlan([first], { id: 'dep_1' })).toTheEnd());
    expect(inShort(of(ledger))).toEqual(['live rel_1 blue -']);

    const second = testLeg('api', { stable: slot('blue', 'rel_1'), candidate: slot('green', 'rel_2') });
    const stage = new Stage(testPlan([second], { id: 'dep_2' }));
    stage.until(({ phase }) => phase === 'watching');
    ledger.put(stage.state);
    expect(inShort(of(ledger))).toEqual(['live rel_1 blue -', 'candidate rel_2 green dep_2']);

    stage.until((state) => state.stage === 'warm');
    ledger.put(stage.state);
    expect(inShort(of(ledger))).toEqual(['live rel_2 green -', 'warm rel_1 blue dep_2', 'rollback rel_1 - -']);
    expect(of(ledger).find(({ role }) => role === 'warm')?.until).toBe(stage.state.warmUntil);

    ledger.put(stage.toTheEnd());
    expect(inShort(of(ledger))).toEqual(['live rel_2 green -', 'rollback rel_1 - -']);
  });

  test('are those of a deployment that waits for its turn, and of one that is being taken back', () => {
    const ledger = new Ledger();
    const leg = testLeg('api', { stable: slot('blue', 'rel_1'), candidate: slot('green', 'rel_2') });
    const stage = new Stage(testPlan([leg], { id: 'dep_1' }), ({ kind }) => (kind === 'drain' ? null : 'done'));
    stage.until(({ phase }) => phase === 'watching');
    stage.operate({ kind: 'abort' });
    expect(stage.state.phase).toBe('reverting');
    ledger.put(stage.state);
    const waits = testLeg('api', { candidate: slot('green', 'rel_3') });
    ledger.fold('dep_2', { type: 'requested', plan: testPlan([waits], { id: 'dep_2' }), epoch: 1 }, 0);
    expect(inShort(of(ledger))).toEqual([
      'candidate rel_2 green dep_1',
      'live rel_1 blue dep_1',
      'queued rel_3 - dep_2',
    ]);
  });

  it('name everything that users get, now and whatever happens, until somebody asks for another deployment', () => {
    let seen = 0;
    fc.assert(
      fc.property(turns, (all) => {
        const succession = new Succession();
        // What could get traffic when somebody last asked for a deployment: nothing may join it by itself.
        let could = new Set<string>();
        for (const turn of all) {
          const asked = take(succession, turn);
          const now = new Set(
            of(succession.ledger).flatMap(({ role, release }) => (role === 'rollback' ? [] : [release])),
          );
          if (asked) could = now;
          for (const release of now)
            if (!could.has(release)) succession.fail(`${release} can get traffic again, and nobody asked for it`);
          could = now;
          for (const release of succession.serving) {
            seen += 1;
            if (!now.has(release)) succession.fail(`${release} gets traffic, and is no holder`);
          }
        }
      }),
      { numRuns: 200 },
    );
    // A property over runs in which nothing is ever served would say nothing.
    expect(seen).toBeGreaterThan(1_000);
  });
});
