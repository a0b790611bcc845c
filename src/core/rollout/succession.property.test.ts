import fc from 'fast-check';
import { describe, it } from 'vitest';
import { isCommitted } from './state.ts';
import { Succession, take, turnOf } from './testing/succession.ts';

const turns = fc.array(fc.nat(99_999).map(turnOf), { minLength: 200, maxLength: 400 });

describe('deployments of one service, one after another', () => {
  it('one at a time is active; each begins beside what is live; the ledger says what the router does', () => {
    let committed = 0;
    let superseded = 0;
    let warm = 0;
    fc.assert(
      fc.property(turns, (all) => {
        const succession = new Succession();
        for (const turn of all) take(succession, turn);
        committed += succession.states.filter(isCommitted).length;
        superseded += succession.states.filter((state) => state.supersededBy !== null).length;
        warm += succession.states.filter((state) => state.plan.legs[0]?.warm === true).length;
      }),
      { numRuns: 300 },
    );
    // A property over runs in which nothing is ever replaced would say nothing.
    if (committed === 0 || superseded === 0 || warm === 0)
      throw new Error(
        `the runs are too tame: ${committed} committed, ${superseded} superseded, ${warm} to a warm slot`,
      );
    console.log(`succession: ${committed} committed, ${superseded} superseded, ${warm} back to a warm slot`);
  });
});
