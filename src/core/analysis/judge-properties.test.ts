import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LatencyCounts, TrafficSecond } from '../traffic.ts';
import { judgeOf, type JudgeState } from './judge.ts';
import { seeded } from './testing/simulated-leg.ts';
import { arm, FROM, logNormal, quiet, settings } from './testing/story.ts';

describe('what is observed', () => {
  const arms = fc.record({
    requests: fc.integer({ min: 0, max: 30 }),
    serverErrors: fc.integer({ min: 0, max: 5 }),
    gatewayErrors: fc.integer({ min: 0, max: 2 }),
    clientErrors: fc.constant(0),
    latency: fc
      .array(fc.tuple(fc.integer({ min: 0, max: 600 }), fc.integer({ min: 1, max: 9 })), { maxLength: 6 })
      .map((all) => [...new Map(all)].sort(([a], [b]) => a - b) as LatencyCounts),
  });
  const seconds = fc
    .array(fc.record({ candidate: arms, stable: arms }), { minLength: 1, maxLength: 90 })
    .map((all) => all.map((one, at): TrafficSecond => ({ service: 'api', second: FROM + at, arms: one })));
  const judge = judgeOf(settings());
  const foldOn = (state: JudgeState, all: readonly TrafficSecond[]): JudgeState =>
    all.reduce((before, one) => judge.observe(before, one), state);
  const fold = (all: readonly TrafficSecond[]): JudgeState => foldOn(judge.start([]), all);

  it('late, twice or out of order changes nothing', () => {
    fc.assert(
      fc.property(seconds, fc.infiniteStream(fc.nat(1_000)), (all, picks) => {
        const disturbed = all.flatMap((one, at) => {
          const earlier = all[(picks.next().value ?? 0) % (at + 1)];
          return earlier === undefined
            ? [one]
            : [one, { ...earlier, arms: { ...earlier.arms, candidate: quiet(7) } }, one];
        });
        expect(fold(disturbed)).toEqual(fold(all));
      }),
      { numRuns: 40 },
    );
  });

  it('later does not change what was thought before: evidence knows nothing of the future, and a look ahead leaves no trace', () => {
    fc.assert(
      fc.property(seconds, seconds, (past, future) => {
        const before = fold(past);
        const thought = JSON.stringify(before);
        const later = future.map((one, at) => ({ ...one, second: FROM + past.length + at }));
        foldOn(before, later);
        expect(JSON.stringify(before)).toBe(thought);
        expect(judge.explain(fold([...past, ...later].slice(0, past.length)))).toEqual(judge.explain(before));
      }),
      { numRuns: 40 },
    );
  });

  it('may be any number: nothing becomes NaN, infinite or negative', () => {
    const count = fc.oneof(fc.constantFrom(0, 1, 1e9, 1e15, 0.5, 1e-9), fc.double({ min: 0, max: 100, noNaN: true }));
    const wild = fc.record({
      requests: count,
      serverErrors: count,
      gatewayErrors: count,
      clientErrors: count,
      latency: fc.tuple(count, count).map(([a, b]): LatencyCounts => [
        [40, a],
        [300, b],
      ]),
    });
    const sample = fc.record({
      events: fc.oneof(count, fc.constantFrom(Number.NaN, Infinity, -1, 1e300)),
      total: count,
    });
    const how = settings({
      allowance: 0.001,
      latencyWarmUpSeconds: 0,
      metrics: [
        { name: 'declined', kind: 'share', weight: 0.2, delta: 0.2 },
        { name: 'sold', kind: 'rate', weight: 0.2, delta: 0.2, better: 'more' },
      ],
    });
    const counting = judgeOf(how);
    fc.assert(
      fc.property(fc.array(fc.tuple(wild, wild, sample, sample), { minLength: 1, maxLength: 80 }), (all) => {
        let state = counting.start([]);
        all.forEach(([candidate, stable, one, other], at) => {
          const arms = { candidate: one, stable: other };
          state = counting.observe(state, {
            service: 'api',
            second: FROM + 3 * at,
            arms: { candidate, stable },
            samples: [
              { metric: 'declined', arms },
              { metric: 'sold', arms },
            ],
          });
        });
        const { metrics = [], worse } = counting.explain(state);
        const numbers = metrics.flatMap(({ worse, notWorse, dispersion }) => [worse, notWorse ?? 0, dispersion]);
        for (const number of [worse ?? 0, ...numbers]) {
          expect(Number.isFinite(number)).toBe(true);
          expect(number).toBeGreaterThanOrEqual(0);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('is remembered for a bounded time: an hour takes no more than a few minutes do', () => {
    const size = (seconds: number): number => {
      let state = judge.start([]);
      const random = seeded(5);
      for (let at = 0; at < seconds; at += 1)
        state = judge.observe(state, {
          service: 'api',
          second: FROM + at,
          arms: {
            candidate: arm(5, 0.01, { latencyMs: logNormal }, random, (ms) => ms),
            stable: arm(95, 0.01, { latencyMs: logNormal }, random, (ms) => ms),
          },
        });
      return JSON.stringify(state).length;
    };
    expect(size(5_400)).toBeLessThan(1.3 * size(600));
  });
});
