import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketOf, totalCount } from '../core/analysis/histogram.ts';
import { keptSeconds, TrafficCounters } from './counters.ts';
import { SecondClock } from './second-clock.ts';

describe('traffic counters', () => {
  it('count a request into its second, arm and class, and close the second once it is over', () => {
    const counters = new TrafficCounters('web');
    counters.advance([10], 10);
    counters.record(10, 'stable', 'ok', 5);
    counters.record(10, 'candidate', 'gateway-error', 7);
    counters.advance([], 10);
    expect(counters.since(0)).toEqual([]);
    counters.advance([11], 11);
    expect(counters.since(0)).toMatchObject([
      {
        second: 10,
        arms: {
          stable: { requests: 1, gatewayErrors: 0 },
          candidate: { requests: 1, gatewayErrors: 1, serverErrors: 0 },
        },
      },
    ]);
  });

  it('show what had no answer when a second ended, by how long it had waited, in that second alone', () => {
    const counters = new TrafficCounters('web');
    counters.advance([10], 10);
    counters.record(10, 'candidate', 'ok', 5);
    counters.advance([11], 11, { stable: [], candidate: [700, 700] });
    counters.advance([12], 12, { stable: [], candidate: [1_700] });
    counters.advance([13], 13);
    expect(counters.since(0).map(({ arms }) => [arms.candidate.requests, arms.candidate.waiting])).toEqual([
      [1, [[bucketOf(700), 2]]],
      [0, [[bucketOf(1_700), 1]]],
      [0, undefined],
    ]);
  });

  it('show the second that is not over as it is so far, and go on counting', () => {
    const counters = new TrafficCounters('web');
    expect(counters.current(10, { stable: [], candidate: [] })).toBeNull();
    counters.advance([10], 10);
    counters.record(10, 'stable', 'ok', 5);
    expect(counters.current(10, { stable: [], candidate: [600] })).toMatchObject({
      second: 10,
      arms: { stable: { requests: 1 }, candidate: { requests: 0, waiting: [[bucketOf(600), 1]] } },
    });
    counters.record(10, 'stable', 'ok', 5);
    counters.advance([11], 11);
    expect(counters.since(0)).toMatchObject([{ second: 10, arms: { stable: { requests: 2 } } }]);
    expect(counters.since(0)[0]?.arms.candidate.waiting).toBeUndefined();
  });

  it('count by route what is to be counted so, and forget that part of it first', () => {
    const counters = new TrafficCounters('web');
    const request = { method: 'GET', path: '/orders/1', status: 500, lost: false, latencyMs: 5 } as const;
    const asked = { ...request, traceparent: null, requestId: 'r1', instance: 'b' };
    counters.advance([10], 10);
    counters.record(10, 'candidate', 'server-error', 5, asked);
    counters.record(10, 'candidate', 'ok', 5);
    counters.advance([11], 11);
    const arms = counters.since(9)[0]?.arms;
    expect(arms?.candidate).toMatchObject({
      requests: 2,
      routes: [{ route: 'GET /orders/:id', requests: 1, bad: { 500: 1 } }],
      failures: [{ route: 'GET /orders/:id', status: 500, requestId: 'r1', instance: 'b' }],
    });
    expect(Object.keys(arms?.stable ?? {})).not.toContain('routes');
    for (let second = 12; second < 100; second += 1) counters.advance([second], second);
    expect(counters.since(9)[0]?.arms.candidate.requests).toBe(2);
    expect(counters.since(9)[0]?.arms.candidate.routes).toBeUndefined();
  });

  it('have what became of copies in the second in which it is known, and nothing of that otherwise', () => {
    const counters = new TrafficCounters('web');
    counters.advance([10, 11], 11);
    counters.mirror(11).skip();
    expect(counters.current(11, { stable: [], candidate: [] })?.mirror).toMatchObject({ skipped: 1, pairs: 0 });
    counters.advance([12], 12);
    expect(counters.since(0).map(({ mirror }) => mirror?.skipped)).toEqual([undefined, 1]);
  });

  it('show a second without traffic as zeros, and one that nobody observed not at all', () => {
    const counters = new TrafficCounters('web');
    counters.advance([1, 2], 2);
    counters.advance([9], 9);
    counters.advance([10, 11], 11);
    expect(counters.since(0).map(({ second, arms }) => [second, arms.stable.requests])).toEqual([
      [1, 0],
      [2, 0],
      [9, 0],
      [10, 0],
    ]);
    expect(counters.since(2).map(({ second }) => second)).toEqual([9, 10]);
  });

  it('lose nothing and invent nothing', () => {
    const outcome = fc.constantFrom(
      'ok' as const,
      'client-error' as const,
      'server-error' as const,
      'gateway-error' as const,
    );
    const request = fc.tuple(
      fc.nat(3),
      fc.constantFrom('stable' as const, 'candidate' as const),
      outcome,
      fc.nat(5_000),
    );
    fc.assert(
      fc.property(fc.array(request, { maxLength: 100 }), (requests) => {
        const counters = new TrafficCounters('web');
        let second = 0;
        for (const [step, arm, result, ms] of requests) {
          const observed = Array.from({ length: step }, (_, i) => second + i + 1);
          second += step;
          counters.advance(observed, second);
          counters.record(second, arm, result, ms);
        }
        counters.advance([], second + 10);
        const closed = counters.since(-1);
        for (const arm of ['stable', 'candidate'] as const) {
          const sent = requests.filter(([, to]) => to === arm);
          expect(closed.reduce((sum, { arms }) => sum + arms[arm].requests, 0)).toBe(sent.length);
          expect(closed.reduce((sum, { arms }) => sum + totalCount(arms[arm].latency), 0)).toBe(sent.length);
          expect(closed.reduce((sum, { arms }) => sum + arms[arm].serverErrors, 0)).toBe(
            sent.filter(([, , result]) => result === 'server-error').length,
          );
        }
        const seconds = closed.map((one) => one.second);
        expect(seconds).toEqual([...seconds].sort((a, b) => a - b));
      }),
    );
  });

  it('keep at least 15 minutes and a bounded number of seconds', () => {
    const counters = new TrafficCounters('web');
    for (let second = 1; second <= 5_000; second += 1) counters.advance([second], second);
    const kept = counters.since(0).length;
    expect(kept).toBeGreaterThanOrEqual(15 * 60);
    expect(kept).toBeLessThanOrEqual(keptSeconds + 64);
  });
});

describe('a clock of seconds', () => {
  const start = 1_700_000_000_000;
  function clockAt() {
    const time = { wall: start, monotonic: 0 };
    const clock = new SecondClock(
      () => time.wall,
      () => time.monotonic,
    );
    const pass = (ms: number): readonly number[] => {
      time.wall += ms;
      time.monotonic += ms;
      return clock.tick();
    };
    return { time, clock, pass, first: start / 1000 };
  }

  it('names each second that passes once', () => {
    const { pass, first } = clockAt();
    const named = Array.from({ length: 12 }, () => pass(250)).flat();
    expect(named).toEqual([first + 1, first + 2, first + 3]);
  });

  it('does not make seconds when the wall clock jumps ahead', () => {
    const { time, pass, first } = clockAt();
    pass(1_000);
    time.wall += 3_600_000;
    const named = [pass(250), pass(1_000), pass(1_000)].flat();
    expect(named).toHaveLength(3);
    expect(named[0]).toBe(first + 3_601);
  });

  it('goes on when the wall clock jumps back', () => {
    const { time, pass, first } = clockAt();
    pass(1_000);
    time.wall -= 3_600_000;
    expect([pass(1_000), pass(1_000)].flat()).toEqual([first + 2, first + 3]);
  });

  it('does not count seconds in which the process did not run', () => {
    const { pass, first } = clockAt();
    expect(pass(60_000)).toEqual([first + 60]);
  });
});
