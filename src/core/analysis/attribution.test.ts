import { describe, expect, it } from 'vitest';
import type { Arm } from '../slot.ts';
import { attribute } from './attribution.ts';
import type { EvidenceSecond } from './evidence-record.ts';
import { judgeOf } from './judge.ts';
import { chance, evenRoutes, NO_ARM, recordOf, secondOf, type RouteModel } from './testing/route-traffic.ts';

const START = 1_700_000_000;

/** Runs a rollout until its judge says "worse", or to the end. */
function rollout(
  models: readonly RouteModel[],
  weightAt: (second: number) => number,
  length: number,
  random: () => number,
  stops = true,
): readonly EvidenceSecond[] {
  const judge = judgeOf(recordOf([]).settings);
  let state = judge.start([]);
  const seconds: EvidenceSecond[] = [];
  for (let index = 0; index < length; index += 1) {
    const second = secondOf(models, START + index, weightAt(index), random);
    seconds.push(second);
    if (!stops) continue;
    state = judge.observe(state, second.traffic);
    if (judge.judge(state).verdict === 'worse') break;
  }
  return seconds;
}

describe('one route of 50 is broken', () => {
  const STABLE = 0.001;
  it.each([
    [1, true],
    [0.2, true],
    // So little that a judge seldom gets to a verdict: looked at after half an hour.
    [0.05, false],
  ])(
    'fails the share %d of its requests, at 100/s and a weight of 5: it is named first',
    { timeout: 300_000 },
    (share, stops) => {
      let [first, found, innocent, seconds, failed] = [0, 0, 0, 0, 0];
      const runs = 100;
      for (let run = 0; run < runs; run += 1) {
        const random = chance(1_000 * share + run);
        const broken = Math.floor(random() * 50);
        const models = evenRoutes(
          50,
          100,
          (route) => (_, arm) => (arm === 'candidate' && route === broken ? share : STABLE),
        );
        const record = recordOf(rollout(models, () => 5, 1_800, random, stops));
        const { routes, tested } = attribute(record, 'errors');
        expect(tested).toBe(150);
        seconds += record.seconds.length / runs;
        failed += record.seconds.reduce((sum, one) => sum + one.traffic.arms.candidate.serverErrors, 0) / runs;
        if (routes[0]?.route === `GET /r${broken}`) first += 1;
        if (routes[0]?.route === `GET /r${broken}` && routes[0].certainty === 'found') found += 1;
        if (routes.some(({ certainty, route }) => certainty === 'found' && route !== `GET /r${broken}`)) innocent += 1;
      }
      console.log(
        `${share * 100} % of one route of 50: named first ${first}/100, found ${found}/100, ` +
          `others found in ${innocent}; after ${seconds.toFixed(0)} s and ${failed.toFixed(1)} failed requests on average`,
      );
      expect(first).toBeGreaterThanOrEqual(95);
      expect(innocent).toBeLessThanOrEqual(5);
    },
  );
});

describe('nothing is wrong', () => {
  const runs = 120;
  const falseFindings = (
    models: (random: () => number) => readonly RouteModel[],
    weightAt: (second: number) => number,
    seed: number,
  ): number => {
    let falsely = 0;
    for (let run = 0; run < runs; run += 1) {
      const random = chance(seed + run);
      const record = recordOf(rollout(models(random), weightAt, 300, random, false));
      if (attribute(record).routes.some(({ certainty }) => certainty === 'found')) falsely += 1;
    }
    return falsely;
  };

  it.each([
    ['same rates in both arms', (): RouteModel['errors'] => () => 0.02, () => 5],
    [
      'rates that differ by route',
      (route: number): RouteModel['errors'] =>
        () =>
          (route % 10) / 100,
      () => 5,
    ],
    [
      'rates that drift while weights rise',
      (): RouteModel['errors'] => (second) => 0.01 + (0.1 * (second - START)) / 300,
      (second: number) => (second < 100 ? 5 : second < 200 ? 25 : 50),
    ],
    [
      'a shared incident',
      (): RouteModel['errors'] => (second) => (second - START > 100 && second - START < 160 ? 0.3 : 0.005),
      (second: number) => (second < 120 ? 5 : 25),
    ],
    [
      'at the edge of what is allowed, half as many again',
      (): RouteModel['errors'] => (_second: number, arm: Arm) => (arm === 'candidate' ? 0.03 : 0.02),
      () => 25,
    ],
  ])('finds a route in at most one run of 20: %s', { timeout: 300_000 }, (_name, errors, weightAt) => {
    const falsely = falseFindings(() => evenRoutes(30, 100, errors), weightAt, 50_000);
    expect(falsely / runs).toBeLessThanOrEqual(0.05);
  });

  it('does not take clusters of errors for a broken route when stable has them too', { timeout: 300_000 }, () => {
    let falsely = 0;
    for (let run = 0; run < runs; run += 1) {
      const random = chance(90_000 + run);
      // A failing dependency fails one user's five requests at once, always on the same route.
      const seconds = rollout(
        evenRoutes(10, 100, () => () => 0),
        () => 25,
        300,
        random,
        false,
      ).map((one) => burst(one, random));
      if (attribute(recordOf(seconds, { burst: 5 })).routes.some(({ certainty }) => certainty === 'found'))
        falsely += 1;
    }
    expect(falsely / runs).toBeLessThanOrEqual(0.05);
  });

  it('does not call a route slow whose latency is the same', { timeout: 300_000 }, () => {
    const latency = (_arm: Arm, random: () => number): number => 20 * Math.exp(random() + random());
    const falsely = falseFindings(
      () => evenRoutes(10, 100, () => () => 0, latency),
      () => 10,
      70_000,
    );
    expect(falsely / runs).toBeLessThanOrEqual(0.05);
  });
});

function burst(one: EvidenceSecond, random: () => number): EvidenceSecond {
  const arm = random() < 0.25 ? 'candidate' : 'stable';
  if (random() > 0.2) return one;
  const counts = one.traffic.arms[arm];
  const [first, ...rest] = counts.routes ?? [];
  if (first === undefined) return one;
  const hit = { ...first, requests: Math.max(5, first.requests), bad: { '500': 5 } };
  return {
    ...one,
    traffic: { ...one.traffic, arms: { ...one.traffic.arms, [arm]: { ...counts, routes: [hit, ...rest] } } },
  };
}

describe('what a finding says', () => {
  it('names a slow route, and from when on a request was slow', () => {
    const random = chance(5);
    const latency = (arm: Arm, next: () => number): number => 20 * Math.exp(next()) * (arm === 'candidate' ? 3 : 1);
    const models = evenRoutes(
      10,
      100,
      () => () => 0,
      (_arm, next) => 20 * Math.exp(next()),
    ).map((model, index) => (index === 3 ? { ...model, latencyMs: latency } : model));
    const { routes } = attribute(recordOf(rollout(models, () => 10, 120, random, false)), 'latency p99');
    expect(routes[0]).toMatchObject({ route: 'GET /r3', kind: 'slow', certainty: 'found' });
    expect(routes[0]?.slowerThanMs).toBeGreaterThan(30);
    expect(routes.filter(({ certainty }) => certainty === 'found')).toHaveLength(1);
  });

  const fixed = (
    bad: Readonly<Record<string, number>>,
    stableBad: Readonly<Record<string, number>> = {},
  ): readonly EvidenceSecond[] =>
    Array.from({ length: 60 }, (_, index) => ({
      traffic: {
        service: 'web',
        second: START + index,
        arms: {
          candidate: {
            ...NO_ARM,
            requests: 4,
            routes: [
              { route: 'GET /a', requests: 2, bad, latency: [] },
              { route: 'GET /b', requests: 2, bad: {}, latency: [] },
            ],
          },
          stable: {
            ...NO_ARM,
            requests: 36,
            routes: [
              { route: 'GET /a', requests: 18, bad: stableBad, latency: [] },
              { route: 'GET /b', requests: 18, bad: {}, latency: [] },
            ],
          },
        },
      },
      weight: 10,
      phase: 'stepping',
      step: 0,
    }));

  it('counts statuses of its kind, most frequent first, and the excess over stable', () => {
    const { routes } = attribute(recordOf(fixed({ '502': 0.25, '500': 0.5, '404': 0.5 }, { '500': 0.9 })), 'errors');
    expect(routes[0]).toMatchObject({
      route: 'GET /a',
      kind: 'errors',
      certainty: 'found',
      statuses: { '500': 30, '502': 15 },
    });
    expect(Object.keys(routes[0]?.statuses ?? {})).toEqual(['500', '502']);
    expect(routes[0]?.excess).toBeCloseTo(45 - 6);
    expect(routes[1]).toMatchObject({ route: 'GET /a', kind: 'client-errors', statuses: { '404': 30 } });
    expect(routes).toHaveLength(2);
  });

  it('takes what no instance answered for an error', () => {
    expect(attribute(recordOf(fixed({ lost: 1 }))).routes[0]).toMatchObject({ kind: 'errors', statuses: { lost: 60 } });
  });

  it('puts the kind that the verdict rests on first among what is found', () => {
    const seconds = fixed({ '500': 0.5, '404': 1 });
    expect(attribute(recordOf(seconds), null).routes[0]?.kind).toBe('client-errors');
    expect(attribute(recordOf(seconds), 'errors').routes[0]?.kind).toBe('errors');
  });

  it('suspects a failing route that stable has no requests on, and tests nothing there', () => {
    const seconds = fixed({ '500': 1 }).map((one): EvidenceSecond => {
      const { stable, candidate } = one.traffic.arms;
      const [, b = { route: 'GET /b', requests: 18, bad: {}, latency: [] }] = stable.routes ?? [];
      return { ...one, traffic: { ...one.traffic, arms: { candidate, stable: { ...stable, routes: [b] } } } };
    });
    expect(attribute(recordOf(seconds)).routes[0]).toMatchObject({
      route: 'GET /a',
      certainty: 'suspected',
      evidence: null,
    });
  });

  it('calls nothing found on fewer events than a judge would need', () => {
    const seconds = fixed({}).map((one, index): EvidenceSecond =>
      index < 2 ? (fixed({ '500': 1 })[index] ?? one) : one,
    );
    const { routes } = attribute(recordOf(seconds, { minErrors: 3 }));
    expect(routes.every(({ certainty }) => certainty === 'suspected')).toBe(true);
    expect(routes[0]?.route).toBe('GET /a');
  });

  it('says that nobody counted by route', () => {
    const seconds = fixed({}).map((one): EvidenceSecond => ({
      ...one,
      traffic: { ...one.traffic, arms: { candidate: { ...NO_ARM, requests: 4 }, stable: { ...NO_ARM, requests: 36 } } },
    }));
    expect(attribute(recordOf(seconds))).toEqual({ routes: [], tested: 0, counted: false });
  });

  it('ranks routes whose copies were answered otherwise when the mirror speaks', () => {
    const seconds = fixed({ '500': 0.1 }).map((one): EvidenceSecond => ({
      ...one,
      traffic: {
        ...one.traffic,
        mirror: {
          pairs: 10,
          skipped: 0,
          stableErrors: 0,
          candidateErrors: 0,
          statusDiffers: 5,
          sizeDiffers: 0,
          shapeDiffers: 0,
          latency: { stable: [], candidate: [] },
          routes: [{ route: 'GET /c', pairs: 5, different: 5 }],
        },
      },
    }));
    const [first] = attribute(recordOf(seconds), 'mirror').routes.filter(({ certainty }) => certainty === 'suspected');
    expect(first).toMatchObject({ route: 'GET /c', kind: 'differs', candidate: { events: 300, total: 300 } });
  });
});
