import { describe, expect, it } from 'vitest';
import type { DeploymentState } from './state.ts';
import { nextTimer, step } from './step.ts';
import { canaryGroup, testDeadlines, testLeg, testPlan } from './testing/plans.ts';
import { Stage } from './testing/stage.ts';

const phase = (name: DeploymentState['phase']) => (state: DeploymentState) => state.phase === name;

describe('a canary that is as good as stable', () => {
  it('goes through its weights, commits, keeps the old slot warm and stops it', () => {
    const stage = new Stage(testPlan([testLeg('api')]));
    const end = stage.toTheEnd();
    expect(end.phase).toBe('succeeded');
    expect(stage.weights()).toEqual([5, 50, 95, 100]);
    const kinds = stage.log.map((effect) => effect.kind);
    expect(kinds.slice(0, 3).toSorted()).toEqual(['check-policy', 'reserve', 'verify-artifact']);
    expect(kinds.indexOf('migrate')).toBeLessThan(kinds.indexOf('scale'));
    expect(kinds.indexOf('smoke')).toBeLessThan(kinds.indexOf('route'));
    expect(kinds.slice(-4)).toEqual(['commit', 'adopt', 'drain', 'stop']);
    expect(end.legs[0]?.weight).toBe(100);
  });

  it('scales before it sets a weight', () => {
    const stage = new Stage(testPlan([testLeg('api', { instances: 4 })]));
    stage.toTheEnd();
    const moves = stage.log.flatMap((effect) =>
      effect.kind === 'scale' ? [`scale ${effect.count}`] : effect.kind === 'route' ? [`route ${effect.weight}`] : [],
    );
    expect(moves).toEqual(['scale 1', 'route 5', 'scale 2', 'route 50', 'scale 4', 'route 95', 'route 100']);
  });

  it('counts observed seconds, not elapsed ones: a clock that jumps does not shorten the watch window', () => {
    const stage = new Stage(testPlan([testLeg('api')]));
    stage.until(phase('watching'));
    stage.now += 60_000;
    stage.send(stage.analysis(0));
    expect(stage.state.phase).toBe('watching');
  });
});

describe('a candidate that is worse', () => {
  for (const at of ['stepping', 'watching'] as const) {
    it(`is taken back from ${at} by one router write, before anything else`, () => {
      const stage = new Stage(testPlan([testLeg('api')]));
      stage.until((state) => state.phase === at && state.stage === 'holding');
      const before = stage.log.length;
      stage.send(stage.analysis(0, { verdict: 'worse', evidence: { ...evidence, summary: '20 % errors' } }));
      expect(stage.log.slice(before).map((effect) => effect.kind)).toEqual(['route', 'drain', 'stop']);
      expect(stage.weights().at(-1)).toBe(0);
      expect(stage.state).toMatchObject({ phase: 'reverted', reason: { code: 'worse', text: 'api: 20 % errors' } });
    });
  }

  it('is not blamed while stable breaks its own limits, nor promoted', () => {
    const stage = new Stage(testPlan([testLeg('api')]));
    stage.until((state) => state.stage === 'holding');
    for (let second = 0; second < 30; second += 1) stage.second({ stableBroken: true });
    expect(stage.state).toMatchObject({ phase: 'stepping', step: 0 });
    expect(stage.state.holds.map((hold) => hold.reason)).toEqual(['incident']);
    expect(stage.toTheEnd().phase).toBe('succeeded');
  });
});

const calm = { requests: 10, errors: 0, p50Ms: 1, p99Ms: 2 };
const evidence = { summary: '', candidate: calm, stable: calm };

describe('a candidate that does not get ready', () => {
  it('is taken back at the deadline without ever having had traffic, with the reason', () => {
    const stage = new Stage(testPlan([testLeg('api')]));
    const fresh = new Stage(testPlan([testLeg('api')]), (_, at) => {
      at.ready = false;
      return 'done';
    });
    fresh.send({
      type: 'slot-observed',
      leg: 0,
      arm: 'candidate',
      ready: 0,
      fault: null,
      note: 'GET /ready answers 503',
    });
    const end = fresh.toTheEnd();
    expect(end.phase).toBe('reverted');
    expect(end.reason?.text).toBe('api: 0 of 1 instances ready in time (GET /ready answers 503)');
    expect(fresh.weights()).toEqual([]);
    expect(stage.toTheEnd().phase).toBe('succeeded');
  });

  it('is taken back at once when it crash-loops', () => {
    const stage = new Stage(testPlan([testLeg('api')]), (_, at) => {
      at.ready = false;
      return 'done';
    });
    stage.send(stage.candidates(0, 0, 'exited with status 1 after 0.1 s: no such table'));
    expect(stage.state).toMatchObject({ phase: 'reverted', reason: { code: 'crashed' } });
  });

  it('loses its traffic at once when its last instance dies under traffic', () => {
    const stage = new Stage(testPlan([testLeg('api')]));
    stage.until((state) => state.stage === 'holding');
    stage.send(stage.candidates(0, 0));
    expect(stage.weights().at(-1)).toBe(0);
    expect(stage.state.phase).toBe('reverted');
  });

  it('keeps only the traffic that its ready instances can carry', () => {
    const stage = new Stage(testPlan([testLeg('api')]));
    stage.until(phase('watching'));
    stage.send(stage.candidates(0, 1));
    expect(stage.weights().at(-1)).toBe(50);
    stage.send(stage.candidates(0, 2));
    expect(stage.weights().at(-1)).toBe(95);
    expect(stage.toTheEnd().phase).toBe('succeeded');
  });
});

describe('strategies are data over the same phases', () => {
  it('blue-green starts everything, switches once and watches with both slots warm', () => {
    const plan = testPlan([testLeg('api', { strategy: 'blue-green' })], {
      groups: [{ legs: [0], steps: [], holdback: 0, watchMs: 4_000 }],
    });
    const stage = new Stage(plan);
    stage.until(phase('watching'));
    expect(stage.weights()).toEqual([100]);
    expect(stage.log.some((effect) => effect.kind === 'stop')).toBe(false);
    expect(stage.toTheEnd().phase).toBe('succeeded');
  });

  it('the first deployment has nobody to compare with: ready, then 100 %', () => {
    const stage = new Stage(testPlan([testLeg('api', { stable: null })]));
    expect(stage.until(phase('succeeded'), 3)).toBe(true);
    expect(stage.weights()).toEqual([100]);
  });

  it('taking back a first deployment leaves no route', () => {
    const stage = new Stage(testPlan([testLeg('api', { stable: null })]), (effect) =>
      effect.kind === 'commit' ? null : 'done',
    );
    stage.until(phase('committing'));
    stage.operate({ kind: 'abort' });
    expect(stage.log.map((effect) => effect.kind).slice(-3)).toEqual(['unroute', 'drain', 'stop']);
    expect(stage.state.phase).toBe('reverted');
  });
});

describe('trains', () => {
  it('together: every leg has the same weight before any has the next, and one entry commits all', () => {
    const stage = new Stage(testPlan([testLeg('api'), testLeg('web')]));
    expect(stage.toTheEnd().phase).toBe('succeeded');
    const routes = stage.log.flatMap((effect) => (effect.kind === 'route' ? [`${effect.leg}:${effect.weight}`] : []));
    expect(routes).toEqual(['0:5', '1:5', '0:50', '1:50', '0:95', '1:95', '0:100', '1:100']);
    expect(stage.log.filter((effect) => effect.kind === 'commit')).toHaveLength(1);
  });

  it('in order: the second leg starts when the first has been watched; none commits before all may', () => {
    const stage = new Stage(testPlan([testLeg('verifier'), testLeg('signer')], { order: 'in-order' }));
    stage.until((state) => state.group === 1);
    expect(stage.weights(0)).toEqual([5, 50, 95]);
    const orders = stage.log.flatMap((effect) => (effect.kind === 'route' ? [`${effect.leg}:${effect.weight}`] : []));
    expect(orders).toEqual(['0:5', '0:50', '0:95', '1:5']);
    expect(stage.state.committedAt).toBeNull();
    expect(stage.toTheEnd().phase).toBe('succeeded');
    expect(stage.weights(0)).toEqual([5, 50, 95, 100]);
  });

  it('one worse leg takes all back, last leg first, and is named', () => {
    const stage = new Stage(testPlan([testLeg('verifier'), testLeg('signer')], { order: 'in-order' }));
    stage.until((state) => state.group === 1 && state.stage === 'holding');
    const before = stage.log.length;
    stage.send(stage.analysis(0, { verdict: 'worse' }));
    const undo = stage.log.slice(before).map((effect) => `${effect.kind} ${effect.leg}`);
    expect(undo).toEqual(['route 1', 'route 0', 'drain 1', 'drain 0', 'stop 1', 'stop 0']);
    expect(stage.state.reason?.text).toMatch(/^verifier: /);
  });
});

describe('what is missing is never a pass', () => {
  it('a step without traffic waits for a person in production', () => {
    const stage = new Stage(testPlan([testLeg('api')]));
    stage.traffic = false;
    stage.until((state) => state.holds.length > 0);
    expect(stage.state).toMatchObject({ phase: 'stepping', step: 0, holds: [{ reason: 'undecided' }] });
    stage.traffic = true;
    expect(stage.toTheEnd().phase).toBe('succeeded');
  });

  it('goes on without traffic where that is declared', () => {
    const stage = new Stage(testPlan([testLeg('api')], { idle: 'proceed' }));
    stage.traffic = false;
    expect(stage.toTheEnd().phase).toBe('succeeded');
  });

  it('missing metrics stop every step and raise an alarm; a pause that lasts too long takes it back', () => {
    const stage = new Stage(testPlan([testLeg('api')]));
    stage.until((state) => state.stage === 'holding');
    stage.send({ type: 'condition', condition: 'metrics-missing', holds: true, reason: 'no counts for 15 s' });
    expect(stage.log.at(-1)).toMatchObject({ kind: 'alarm', severity: 'P1' });
    stage.now += testDeadlines.pausedMs;
    stage.send({ type: 'timer' });
    expect(stage.toTheEnd()).toMatchObject({ phase: 'reverted', reason: { code: 'deadline' } });
  });
});

describe('operations', () => {
  it('pause makes no further step, resume goes on with the time that was left', () => {
    const stage = new Stage(testPlan([testLeg('api')]));
    stage.until((state) => state.stage === 'holding');
    const left = stage.state.deadline - stage.now;
    stage.operate({ kind: 'pause' });
    for (let second = 0; second < 100; second += 1) stage.second();
    expect(stage.state).toMatchObject({ phase: 'stepping', step: 0 });
    stage.operate({ kind: 'resume' });
    expect(stage.state.step).toBe(1);
    expect(left).toBeGreaterThan(0);
    expect(stage.toTheEnd().phase).toBe('succeeded');
  });

  it('promote all skips every wait', () => {
    const stage = new Stage(testPlan([testLeg('api')]));
    stage.operate({ kind: 'promote', to: 'all' });
    expect(stage.state.phase).toBe('retiring');
    expect(stage.weights()).toEqual([5, 50, 95, 100]);
  });

  it('abort after the commit is refused with what to do instead', () => {
    const stage = new Stage(testPlan([testLeg('api')]));
    stage.until(phase('retiring'));
    const { refused, changed } = stage.operate({ kind: 'abort' });
    expect(changed).toBe(false);
    expect(refused?.instead).toContain('veza rollback');
  });

  it('waits for an approval as long as preparing or a pause may last, whichever is longer', () => {
    const day = 86_400_000;
    const deadlines = { ...testDeadlines, preparingMs: day as typeof testDeadlines.preparingMs };
    const stage = new Stage(testPlan([testLeg('api')], { approval: true, deadlines }));
    expect(stage.state.deadline - stage.state.since).toBe(day);
    const short = new Stage(testPlan([testLeg('api')], { approval: true }));
    expect(short.state.deadline - short.state.since).toBe(testDeadlines.pausedMs);
  });

  it('waits for an approval and starts when it comes', () => {
    const stage = new Stage(testPlan([testLeg('api')], { approval: true }));
    expect(stage.state.phase).toBe('preparing');
    stage.operate({ kind: 'approve' });
    expect(stage.state.phase).toBe('stepping');
  });
});

describe('an undo that the world refuses', () => {
  it('is stuck, pages, is tried for ever, and leaves by itself when the undo works', () => {
    let routerGone = false;
    const stage = new Stage(testPlan([testLeg('api')]), (effect) =>
      routerGone && effect.kind === 'route' ? 'unavailable' : 'done',
    );
    stage.until(phase('watching'));
    routerGone = true;
    stage.operate({ kind: 'abort' });
    expect(stage.until(phase('stuck'), 60)).toBe(true);
    expect(stage.log.some((effect) => effect.kind === 'alarm' && effect.severity === 'P0')).toBe(true);
    for (let second = 0; second < 1_000; second += 1) stage.second();
    expect(stage.state.phase).toBe('stuck');
    routerGone = false;
    expect(stage.toTheEnd().phase).toBe('reverted');
  });
});

describe('answers that are none of its business', () => {
  it('late, repeated and old answers change nothing', () => {
    const stage = new Stage(testPlan([testLeg('api')]));
    stage.until(phase('watching'));
    const before = stage.state;
    for (const event of stage.events.filter((sent) => sent.type === 'effect-done')) {
      expect(step(before, event, stage.now)).toMatchObject({ changed: false, effects: [] });
    }
    const route = { id: 'dep_1/0/watching/99', epoch: 0, type: 'effect-done' } as const;
    expect(step(before, route, stage.now).state).toBe(before);
  });

  it('a control plane that takes over asks again for everything that is not answered', () => {
    const stage = new Stage(testPlan([testLeg('api')]), (effect) => (effect.kind === 'smoke' ? null : 'done'));
    const asked = Object.keys(stage.state.effects);
    const result = step(stage.state, { type: 'took-over', epoch: 2 }, stage.now);
    expect(result.effects.map((effect) => effect.id)).toEqual(asked);
    expect(step(result.state, { type: 'effect-done', id: asked[0] ?? '', epoch: 1 }, stage.now).changed).toBe(false);
    expect(step(result.state, { type: 'effect-done', id: asked[0] ?? '', epoch: 2 }, stage.now).changed).toBe(true);
  });
});

describe('superseding', () => {
  it('takes back what has not committed', () => {
    const stage = new Stage(testPlan([testLeg('api')]));
    stage.until(phase('watching'));
    stage.send({ type: 'superseded', by: 'dep_2', keepOldSlot: false });
    expect(stage.state).toMatchObject({ phase: 'reverted', reason: { code: 'superseded' } });
  });

  it('ends retiring at once; a rollback keeps the warm slot', () => {
    for (const keepOldSlot of [false, true]) {
      const stage = new Stage(testPlan([testLeg('api')]));
      stage.until((state) => state.stage === 'warm');
      stage.send({ type: 'superseded', by: 'dep_2', keepOldSlot });
      expect(stage.state.phase).toBe('succeeded');
      expect(stage.log.some((effect) => effect.kind === 'stop')).toBe(!keepOldSlot);
    }
  });
});

it('every active state has a next timer', () => {
  const stage = new Stage(testPlan([testLeg('api')], { groups: [canaryGroup([0])] }));
  while (stage.state.phase !== 'succeeded') {
    expect(nextTimer(stage.state)).not.toBeNull();
    stage.second();
  }
  expect(nextTimer(stage.state)).toBeNull();
});

describe('faults that the exploration and the properties found', () => {
  const sent = (stage: Stage, from: number): string[] =>
    stage.log
      .slice(from)
      .map((effect) => `${effect.kind} ${effect.leg}${effect.kind === 'route' ? ` ${effect.weight}` : ''}`);
  const done = (stage: Stage, kind: string): void => {
    for (const { id } of Object.values(stage.state.effects).filter((effect) => effect.kind === kind))
      stage.send({ type: 'effect-done', id, epoch: stage.state.epoch });
  };

  it('a commit that is not recorded yet is withdrawn when an instance dies, and asked again under another id when it is back', () => {
    const stage = new Stage(testPlan([testLeg('api')]), (effect) => (effect.kind === 'commit' ? null : 'done'));
    stage.until((state) => state.stage === 'recording');
    const [first] = Object.keys(stage.state.effects);
    stage.send(stage.candidates(0, 1));
    expect(stage.state).toMatchObject({ phase: 'committing', stage: 'routing', committedAt: null });
    expect(stage.send({ type: 'committed', id: first ?? '', epoch: 1 }).changed).toBe(false);
    stage.send(stage.candidates(0, 2));
    const [second] = Object.keys(stage.state.effects);
    expect(second).not.toBe(first);
    stage.send({ type: 'committed', id: second ?? '', epoch: 1 });
    expect(stage.state.phase).toBe('retiring');
  });

  it('a commit that is not recorded yet is withdrawn while stable breaks its own limits', () => {
    const stage = new Stage(testPlan([testLeg('api')]), (effect) => (effect.kind === 'commit' ? null : 'done'));
    stage.until((state) => state.stage === 'recording');
    stage.send(stage.analysis(0, { stableBroken: true }));
    expect(Object.values(stage.state.effects).map((effect) => effect.kind)).toEqual([]);
    stage.send(stage.analysis(0));
    expect(Object.values(stage.state.effects).map((effect) => effect.kind)).toEqual(['commit']);
  });

  it('a leg without any ready candidate does not wait for its turn in the undo', () => {
    let silent = false;
    const stage = new Stage(testPlan([testLeg('verifier'), testLeg('signer')]), () => (silent ? null : 'done'));
    stage.until((state) => state.stage === 'holding');
    silent = true;
    const before = stage.log.length;
    stage.send(stage.candidates(0, 0));
    expect(sent(stage, before)).toEqual(['route 0 0', 'route 1 0']);
  });

  it('a raise that could not be asked for is not asked again while held, nor beyond what is ready by then', () => {
    let unavailable = false;
    const stage = new Stage(testPlan([testLeg('api')]), (effect) =>
      unavailable && effect.kind === 'route' ? 'unavailable' : 'done',
    );
    stage.until((state) => state.phase === 'stepping' && state.step === 0 && state.stage === 'holding');
    unavailable = true;
    stage.operate({ kind: 'promote', to: 'next' });
    expect(stage.state).toMatchObject({ step: 1, legs: [{ weight: 5, routing: 50 }] });
    unavailable = false;
    stage.operate({ kind: 'pause' });
    stage.second();
    expect(stage.weights()).toEqual([5, 50, 5]);
    stage.operate({ kind: 'resume' });
    expect(stage.weights().at(-1)).toBe(50);
  });

  it('whoever takes over does not ask for a weight that fewer instances have to carry by now', () => {
    let silent = false;
    const stage = new Stage(testPlan([testLeg('api')]), (effect) =>
      silent && effect.kind === 'route' ? null : 'done',
    );
    stage.until((state) => state.phase === 'switched' || state.step === 1);
    silent = true;
    stage.until((state) => state.phase === 'switched' && state.stage === 'routing');
    stage.send(stage.candidates(0, 1));
    const before = stage.log.length;
    stage.send({ type: 'took-over', epoch: 2 });
    expect(sent(stage, before)).toEqual(['route 0 50']);
  });

  it('a router that cannot be reached is no lack of traffic: past the deadline it is taken back', () => {
    const stage = new Stage(testPlan([testLeg('api')]));
    stage.until((state) => state.stage === 'holding');
    stage.send({ type: 'condition', condition: 'router-unreachable', holds: true, reason: 'the router is away' });
    stage.now = stage.state.deadline;
    stage.send({ type: 'timer' });
    expect(stage.state).toMatchObject({ phase: 'reverted', reason: { text: 'stepping: the router is away' } });
  });

  it('an undo whose answer is lost is asked for again, as the same request', () => {
    let lost = false;
    const stage = new Stage(testPlan([testLeg('api')]), (effect) => (lost && effect.kind === 'route' ? null : 'done'));
    stage.until(phase('watching'));
    lost = true;
    stage.operate({ kind: 'abort' });
    const [id] = Object.keys(stage.state.effects);
    lost = false;
    expect(stage.until(phase('reverted'), 60)).toBe(true);
    expect(stage.log.filter((effect) => effect.id === id)).toHaveLength(2);
  });

  it('an old slot that is being stopped cannot be given away any more', () => {
    const stage = new Stage(testPlan([testLeg('api')]), (effect) => (effect.kind === 'stop' ? null : 'done'));
    stage.until((state) => state.phase === 'retiring' && state.stage === 'stopping');
    stage.send({ type: 'superseded', by: 'dep_2', keepOldSlot: true });
    done(stage, 'stop');
    expect(stage.state).toMatchObject({ phase: 'succeeded', keepOldSlot: false });
  });

  it('a machine that has slept through the retirement still stops the old slot', () => {
    const stage = new Stage(testPlan([testLeg('api')]), (effect) => (effect.kind === 'stop' ? null : 'done'));
    stage.until((state) => state.stage === 'warm');
    stage.now += 86_400_000;
    stage.send({ type: 'timer' });
    expect(nextTimer(stage.state)).toBeGreaterThan(stage.now);
    done(stage, 'stop');
    expect(stage.state).toMatchObject({ phase: 'succeeded', leftover: false });
  });

  it('a weight may be a fraction of a percent', () => {
    const steps = [{ weight: 2.5, holdMs: 1_000 }];
    const plan = testPlan([testLeg('api', { instances: 40 })], {
      groups: [{ legs: [0], steps, holdback: 5, watchMs: 1_000 }],
    });
    const stage = new Stage(plan);
    expect(stage.toTheEnd().phase).toBe('succeeded');
    expect(stage.weights()).toEqual([2.5, 95, 100]);
  });

  it('what no driver should say does no harm', () => {
    const stage = new Stage(testPlan([testLeg('api')]));
    stage.until(phase('watching'));
    const before = stage.state;
    for (const id of ['constructor', '__proto__', 'toString'])
      expect(step(before, { type: 'effect-done', id, epoch: 1 }, stage.now).changed).toBe(false);
    expect(step(before, { type: 'took-over', epoch: Number.NaN }, stage.now).changed).toBe(false);
    const counted = step(before, stage.analysis(0, { observedMs: Number.NaN }), stage.now).state;
    expect(counted.legs[0]?.observedMs).toBe(before.legs[0]?.observedMs);
    expect(step(before, stage.candidates(0, -1), stage.now).state.phase).toBe('reverting');
    const pending = step(null, { type: 'requested', plan: before.plan, epoch: 1 }, 0).state;
    expect(step(pending, { type: 'admitted', legs: [] }, 0).changed).toBe(false);
  });

  it('promote next before the first step skips no wait; promote all is not taken back by promote next', () => {
    const stage = new Stage(testPlan([testLeg('api')]), (effect) => (effect.kind === 'smoke' ? null : 'done'));
    stage.operate({ kind: 'promote', to: 'next' });
    expect(stage.state).toMatchObject({ phase: 'checking', hurry: 'no' });
    stage.operate({ kind: 'promote', to: 'all' });
    stage.operate({ kind: 'promote', to: 'next' });
    expect(stage.state.hurry).toBe('all');
  });

  it('a person who retries a stuck undo has it asked for again, even if its answer was lost', () => {
    let lost = false;
    const stage = new Stage(testPlan([testLeg('api')]), (effect) => (lost && effect.kind === 'route' ? null : 'done'));
    stage.until(phase('watching'));
    lost = true;
    stage.operate({ kind: 'abort' });
    lost = false;
    stage.operate({ kind: 'retry' });
    expect(stage.state.phase).toBe('reverted');
  });
});
