import { describe, expect, it } from 'vitest';
import { testLeg, testPlan } from './testing/plans.ts';
import { Stage } from './testing/stage.ts';

const calm = { requests: 10, errors: 0, p50Ms: 1, p99Ms: 2 };
const evidence = { summary: '', candidate: calm, stable: calm };

describe('a candidate that much speaks against', () => {
  const suspected = { evidence: { ...evidence, worse: 10, threshold: 100 } };

  for (const at of ['stepping', 'watching'] as const) {
    it(`gets no further from ${at}, however long, until the evidence melts away`, () => {
      const stage = new Stage(testPlan([testLeg('api')]));
      stage.until((state) => state.phase === at && state.stage === 'holding');
      const { step } = stage.state;
      for (let second = 0; second < 25; second += 1) stage.second(suspected);
      expect(stage.state).toMatchObject({ phase: at, step });
      stage.second({ evidence: { ...evidence, worse: 9.9, threshold: 100 } });
      expect([stage.state.phase, stage.state.step]).not.toEqual([at, step]);
      expect(stage.toTheEnd().phase).toBe('succeeded');
    });
  }

  it('is taken back when it grows to be enough, and goes on when it is shown to be as good, or when somebody says so', () => {
    const fresh = (): Stage => {
      const stage = new Stage(testPlan([testLeg('api')]));
      stage.until((state) => state.stage === 'holding');
      for (let second = 0; second < 25; second += 1) stage.second(suspected);
      return stage;
    };
    const worse = fresh();
    worse.second({ verdict: 'worse' });
    expect(worse.state.reason).toMatchObject({ code: 'worse' });
    const shown = fresh();
    shown.second({ ...suspected, verdict: 'not-worse' });
    expect(shown.state.step).toBe(1);
    const told = fresh();
    told.send({ type: 'operation', operation: { kind: 'promote', to: 'all' }, by: 'ann' });
    expect(told.toTheEnd().phase).toBe('succeeded');
  });
});
