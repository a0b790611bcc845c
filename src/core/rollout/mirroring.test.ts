import { describe, expect, it } from 'vitest';
import type { Effect } from './effect.ts';
import type { DeploymentPlan, GroupPlan, LegPlan } from './plan.ts';
import { waitsFor, waitsUntil } from './describe.ts';
import type { DeploymentState } from './state.ts';
import { canaryGroup, testLeg, testPlan } from './testing/plans.ts';
import { Stage } from './testing/stage.ts';

const MIRROR_MS = 5_000;
const group = (legs: readonly number[], over: Partial<GroupPlan> = {}): GroupPlan => ({
  ...canaryGroup(legs),
  mirror: { holdMs: MIRROR_MS },
  ...over,
});
const mirrored = (service: string, over: Partial<LegPlan> = {}): LegPlan =>
  testLeg(service, { mirror: { share: 100, shapes: false }, ...over });
const plan = (over: Partial<DeploymentPlan> = {}): DeploymentPlan =>
  testPlan([mirrored('api')], { groups: [group([0])], ...over });

const phase = (name: DeploymentState['phase']) => (state: DeploymentState) => state.phase === name;
const copying = (state: DeploymentState): boolean => state.phase === 'mirroring' && state.stage === 'holding';

/** Router writes, in order: `copies`, or percent. */
const writes = (stage: Stage, leg = 0): (string | number)[] =>
  stage.log.flatMap((effect) =>
    effect.kind === 'route' && effect.leg === leg ? [effect.mirror === true ? 'copies' : effect.weight] : [],
  );
const kinds = (effects: readonly Effect[]): string[] => effects.map(({ kind }) => kind);

describe('copies before users', () => {
  it('come after the checks, and end with the first weight: one router write', () => {
    const stage = new Stage(plan());
    stage.until(copying);
    expect(kinds(stage.log)).toContain('smoke');
    expect(stage.state.legs[0]).toMatchObject({ weight: 0, routing: null, mirror: true, exposed: true });
    expect(stage.toTheEnd().phase).toBe('succeeded');
    expect(writes(stage)).toEqual(['copies', 5, 50, 95, 100]);
  });

  it('have as many instances as their share of the load needs, before the first of them', () => {
    const sizes = (share: number): number[] => {
      const leg = mirrored('api', { instances: 10, mirror: { share, shapes: false } });
      const stage = new Stage(testPlan([leg], { groups: [group([0])] }));
      stage.until(phase('stepping'));
      return stage.log.flatMap((effect) => (effect.kind === 'scale' ? [effect.count] : []));
    };
    expect(sizes(100)).toEqual([10]);
    expect(sizes(30)).toEqual([3]);
    // Nor fewer than the first weight needs: nothing is started twice.
    expect(sizes(1)).toEqual([1]);
  });

  it('last their time, as it was observed, whatever is said of the candidate meanwhile', () => {
    const stage = new Stage(plan());
    stage.until(copying);
    const begun = stage.now;
    for (let second = 1; second < MIRROR_MS / 1_000; second += 1) {
      stage.second({ verdict: 'not-worse' });
      expect(stage.state.phase).toBe('mirroring');
    }
    stage.now += 3_600_000;
    stage.send(stage.analysis(0, { observedMs: 999 }));
    expect(stage.state.phase).toBe('mirroring');
    stage.send(stage.analysis(0, { observedMs: 1 }));
    expect(stage.state.phase).toBe('stepping');
    expect(stage.now - begun).toBeGreaterThan(MIRROR_MS);
  });

  it('that find it worse end it without one user: the copies first, then its instances', () => {
    const stage = new Stage(plan());
    stage.until(copying);
    const before = stage.log.length;
    stage.send(stage.analysis(0, { verdict: 'worse' }));
    expect(stage.state).toMatchObject({ phase: 'reverted', reason: { code: 'worse', leg: 0 } });
    expect(kinds(stage.log.slice(before))).toEqual(['route', 'drain', 'stop']);
    expect(writes(stage)).toEqual(['copies', 0]);
    expect(stage.state.legs[0]).toMatchObject({ mirror: false, exposed: false });
  });

  it('stop nothing before the router has ended them', () => {
    const stage = new Stage(plan(), (effect, at) =>
      at.state.phase === 'reverting' && effect.kind === 'route' ? null : 'done',
    );
    stage.until(copying);
    stage.send(stage.analysis(0, { verdict: 'worse' }));
    expect(stage.state).toMatchObject({ phase: 'reverting', stage: 'routing' });
    expect(kinds(stage.log)).not.toContain('stop');
  });

  it('end at once when nobody is there to answer them', () => {
    const stage = new Stage(plan());
    stage.until(copying);
    stage.send(stage.candidates(0, 0));
    expect(stage.state).toMatchObject({ phase: 'reverted', reason: { code: 'not-ready' } });
    expect(writes(stage)).toEqual(['copies', 0]);
  });

  it('are taken back when a crash loop begins, when it is aborted, and when a newer release comes', () => {
    const ended = (act: (stage: Stage) => void): DeploymentState => {
      const stage = new Stage(plan());
      stage.until(copying);
      act(stage);
      expect(writes(stage)).toEqual(['copies', 0]);
      return stage.state;
    };
    expect(ended((stage) => stage.send(stage.candidates(0, 1, 'exited')))).toMatchObject({
      reason: { code: 'crashed' },
    });
    expect(ended((stage) => stage.operate({ kind: 'abort' }))).toMatchObject({ reason: { code: 'aborted' } });
    expect(ended((stage) => stage.send({ type: 'superseded', by: 'dep_2', keepOldSlot: false }))).toMatchObject({
      phase: 'reverted',
    });
  });

  it('go on while stable breaks its own limits, and nobody is blamed or promoted', () => {
    const stage = new Stage(plan());
    stage.until(copying);
    for (let second = 0; second < 20; second += 1) stage.second({ stableBroken: true });
    expect(stage.state).toMatchObject({
      phase: 'mirroring',
      holds: [{ reason: 'incident' }],
      legs: [{ mirror: true }],
    });
    stage.second();
    expect(stage.state.phase).toBe('stepping');
  });

  it('are none where nothing runs whose requests could be copied', () => {
    const first = new Stage(testPlan([mirrored('api', { stable: null })], { groups: [group([0])] }));
    expect(first.toTheEnd().phase).toBe('succeeded');
    expect(writes(first)).toEqual([100]);
  });

  it('go straight to the switch where there are no weights', () => {
    const stage = new Stage(plan({ groups: [group([0], { steps: [] })] }));
    expect(stage.toTheEnd().phase).toBe('succeeded');
    expect(writes(stage)).toEqual(['copies', 95, 100]);
  });
});

describe('too few requests that may be copied', () => {
  it('pause, where silence is no consent; a person goes on', () => {
    const stage = new Stage(plan({ idle: 'pause' }));
    stage.until(copying);
    stage.traffic = false;
    stage.until((state) => state.holds.length > 0);
    expect(stage.state).toMatchObject({ phase: 'mirroring', holds: [{ reason: 'undecided' }] });
    stage.operate({ kind: 'promote', to: 'next' });
    expect(stage.state).toMatchObject({ phase: 'stepping', step: 0, hurry: 'no' });
  });

  it('are no obstacle where it is', () => {
    const stage = new Stage(plan({ idle: 'proceed' }));
    stage.until(copying);
    stage.traffic = false;
    expect(stage.until(phase('stepping'), MIRROR_MS / 1_000 + 1)).toBe(true);
  });
});

describe('what a person does while copies are made', () => {
  it('pause keeps them as they are, resume goes on', () => {
    const stage = new Stage(plan());
    stage.until(copying);
    stage.operate({ kind: 'pause' });
    for (let second = 0; second < 30; second += 1) stage.second();
    expect(stage.state).toMatchObject({ phase: 'mirroring', legs: [{ mirror: true, weight: 0 }] });
    stage.operate({ kind: 'resume' });
    expect(stage.state.phase).toBe('stepping');
  });

  it('a pause before they have begun begins none', () => {
    const held = new Stage(plan(), (effect) => (effect.kind === 'smoke' ? null : 'done'));
    held.operate({ kind: 'pause' });
    const smoke = Object.values(held.state.effects).find(({ kind }) => kind === 'smoke');
    held.send({ type: 'effect-done', id: smoke?.id ?? '', epoch: 1 });
    expect(writes(held)).toEqual([]);
    held.operate({ kind: 'resume' });
    expect(writes(held)).toEqual(['copies']);
  });

  it('promote goes on: one step further, or all the way', () => {
    const next = new Stage(plan());
    next.until(copying);
    next.operate({ kind: 'promote', to: 'next' });
    expect(next.state).toMatchObject({ phase: 'stepping', step: 0, stage: 'holding', hurry: 'no' });
    const all = new Stage(plan());
    all.until(copying);
    all.operate({ kind: 'promote', to: 'all' });
    expect(all.toTheEnd().phase).toBe('succeeded');
    expect(writes(all)).toEqual(['copies', 5, 50, 95, 100]);
  });
});

describe('a train', () => {
  it('together waits for the copies of those that make them, and copies nobody else', () => {
    const stage = new Stage(testPlan([mirrored('api'), testLeg('web')], { groups: [group([0, 1])] }));
    stage.until(copying);
    expect(stage.state.legs).toMatchObject([{ mirror: true }, { mirror: false, exposed: false }]);
    expect(stage.toTheEnd().phase).toBe('succeeded');
    expect([writes(stage, 0)[0], writes(stage, 1)[0]]).toEqual(['copies', 5]);
  });

  it('in order: each leg copies when it is its turn, with the first at its share', () => {
    const stage = new Stage(
      testPlan([mirrored('api'), mirrored('web')], { order: 'in-order', groups: [group([0]), group([1])] }),
    );
    stage.until((state) => state.group === 1 && copying(state));
    expect(stage.state.legs).toMatchObject([
      { weight: 95, mirror: false },
      { weight: 0, mirror: true },
    ]);
    stage.send(stage.analysis(1, { verdict: 'worse' }));
    expect(stage.state.phase).toBe('reverted');
    expect([writes(stage, 0).at(-1), writes(stage, 1).at(-1)]).toEqual([0, 0]);
  });
});

describe('a router that is away', () => {
  it('gets the copies as soon as it is back, under the same request', () => {
    let away = true;
    const stage = new Stage(plan(), (effect) => (effect.kind === 'route' && away ? 'unavailable' : 'done'));
    stage.until((state) => state.retries.length > 0);
    away = false;
    expect(stage.until(copying)).toBe(true);
    const asked = stage.log.filter(({ kind }) => kind === 'route').map(({ id }) => id);
    expect(new Set(asked).size).toBe(1);
  });

  it('is not asked for copies again when nobody can answer them any more', () => {
    const stage = new Stage(plan(), (effect) => (effect.kind === 'route' ? 'unavailable' : 'done'));
    stage.until((state) => state.retries.length > 0);
    stage.send(stage.candidates(0, 0));
    stage.until((state) => state.phase === 'stuck');
    expect(writes(stage).at(-1)).toBe(0);
  });
});

describe('a step that bakes', () => {
  const baking = (bakeMs: number): DeploymentPlan =>
    testPlan([testLeg('api')], {
      groups: [{ ...canaryGroup([0]), steps: [{ weight: 5, holdMs: 10_000, bakeMs }] }],
    });
  const secondsOf = (bakeMs: number): number => {
    const stage = new Stage(baking(bakeMs));
    stage.until((state) => state.stage === 'holding');
    const begun = stage.now;
    for (let second = 0; second < 60 && stage.state.phase === 'stepping'; second += 1)
      stage.second({ verdict: 'not-worse' });
    return (stage.now - begun) / 1_000;
  };

  it('is not ended by `not-worse` before, and by nothing but that before its time', () => {
    expect(secondsOf(0)).toBe(1);
    expect(secondsOf(4_000)).toBe(4);
    expect(secondsOf(10_000)).toBe(10);
    const stage = new Stage(baking(2_000));
    stage.until((state) => state.stage === 'holding');
    for (let second = 1; second < 10; second += 1) stage.second();
    expect(stage.state.phase).toBe('stepping');
  });

  it('of a train ends when each leg has what it needs: one its bake time, the other the whole step', () => {
    const stage = new Stage(
      testPlan([testLeg('api'), testLeg('web')], {
        groups: [{ ...canaryGroup([0, 1]), steps: [{ weight: 5, holdMs: 10_000, bakeMs: 4_000 }] }],
      }),
    );
    stage.until((state) => state.stage === 'holding');
    for (let second = 1; second <= 10; second += 1) {
      expect(stage.state.phase).toBe('stepping');
      stage.now += 1_000;
      stage.send(stage.analysis(0, { verdict: 'not-worse' }));
      stage.send(stage.analysis(1));
    }
    expect(stage.state.phase).not.toBe('stepping');
  });

  it('waits for no more than its bake time once it is not worse', () => {
    const stage = new Stage(baking(4_000));
    stage.until((state) => state.stage === 'holding');
    const seen = () => ({ observedMs: 0, trafficMs: 0, upTo: stage.now });
    stage.second();
    expect(waitsUntil(stage.state, stage.now, seen)).toBe(stage.now + 9_000 + 1_000);
    stage.second({ verdict: 'not-worse' });
    expect(waitsUntil(stage.state, stage.now, seen)).toBe(stage.now + 2_000 + 1_000);
  });
});

describe('in words', () => {
  it('says what it waits for, and what is missing', () => {
    const stage = new Stage(plan());
    stage.until(copying);
    expect(waitsFor(stage.state, stage.now)).toBe('the copies of requests to pass without a bad verdict');
    const seen = () => ({ observedMs: MIRROR_MS, trafficMs: 0, upTo: stage.now });
    expect(waitsFor(stage.state, stage.now, seen)).toContain('requests that may be copied: too few');
  });
});

describe('what was planned and journaled before there were copies', () => {
  it('goes on without them, and without a bake time', () => {
    const { mirror: _mirror, ...old } = canaryGroup([0]);
    const stage = new Stage(testPlan([testLeg('api')], { groups: [old] }));
    stage.until((state) => state.stage === 'holding');
    stage.second({ verdict: 'not-worse' });
    expect(stage.state).toMatchObject({ phase: 'stepping', step: 1 });
    expect(stage.toTheEnd().phase).toBe('succeeded');
    expect(writes(stage)).toEqual([5, 50, 95, 100]);
  });
});
