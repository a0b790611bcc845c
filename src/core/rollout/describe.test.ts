import { describe, expect, it } from 'vitest';
import { waitsFor, waitsUntil } from './describe.ts';
import { testLeg, testPlan } from './testing/plans.ts';
import { Stage } from './testing/stage.ts';

const watching = (plan = testPlan([testLeg('api')])): Stage => {
  const stage = new Stage(plan);
  stage.until((state) => state.phase === 'watching' && state.stage === 'holding');
  return stage;
};

describe('what a deployment waits for', () => {
  it('in a watch window counts down with what has been counted, though it was not told yet', () => {
    const stage = watching();
    const window = stage.state.plan.groups[0]?.watchMs ?? 0;
    const ends = (observedMs: number) =>
      waitsUntil(stage.state, stage.now + observedMs, () => ({
        observedMs,
        trafficMs: 0,
        upTo: stage.now + observedMs,
      }));
    expect(window).toBeGreaterThan(2_000);
    expect(ends(0)).toBe(stage.now + window + 1_000);
    expect(ends(2_000)).toBe(ends(0));
    expect(waitsFor(stage.state, stage.now)).toBe('the watch window to pass without a bad verdict');
  });

  it('says that traffic is missing when the window is over and cannot end without', () => {
    const stage = watching({ ...testPlan([testLeg('api')]), idle: 'pause' });
    const window = stage.state.plan.groups[0]?.watchMs ?? 0;
    const seen = () => ({ observedMs: window, trafficMs: 0, upTo: stage.now });
    expect(waitsFor(stage.state, stage.now, seen)).toContain('traffic on the candidate');
    expect(waitsUntil(stage.state, stage.now, seen)).toBe(stage.state.deadline);
  });

  it('speaks of no old slot where there never was one', () => {
    const stage = new Stage(testPlan([testLeg('api', { stable: null })]));
    stage.until((state) => state.phase === 'retiring');
    expect(waitsFor(stage.state, stage.now) ?? '').not.toContain('old slot');
  });
});
