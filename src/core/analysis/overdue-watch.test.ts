import { describe, expect, it } from 'vitest';
import type { HardLimits } from '../spec/platform.ts';
import type { ArmSecond, TrafficSecond } from '../traffic.ts';
import type { DurationMs, Percent } from '../units/quantities.ts';
import { bucketOf } from './histogram.ts';
import { judgeOf } from './judge.ts';
import { openOverdueWatch, watchOverdue } from './overdue-watch.ts';
import { settingsOf } from './settings.ts';

const limits: HardLimits = { minSuccessPercent: 99 as Percent, maxP99Ms: 500 as DurationMs, minRequests: 100 };
const settings = settingsOf('balanced');

interface Did {
  readonly quick?: number;
  readonly slow?: number;
  /** Requests without an answer at the end of the second, and for how long. */
  readonly waiting?: readonly [count: number, ms: number];
  readonly errors?: number;
}

function arm({ quick = 0, slow = 0, waiting, errors = 0 }: Did): ArmSecond {
  const latency = [
    ...(quick > 0 ? [[bucketOf(20), quick] as const] : []),
    ...(slow > 0 ? [[bucketOf(2_000), slow] as const] : []),
  ];
  return {
    requests: quick + slow,
    serverErrors: errors,
    gatewayErrors: 0,
    clientErrors: 0,
    latency,
    ...(waiting === undefined ? {} : { waiting: [[bucketOf(waiting[1]), waiting[0]] as const] }),
  };
}

const second = (at: number, candidate: Did, stable: Did = { quick: 95 }): TrafficSecond => ({
  service: 'api',
  second: at,
  arms: { candidate: arm(candidate), stable: arm(stable) },
});

describe('requests over the hard limit', () => {
  it('given one that waits for three seconds and is then answered, it counts once', () => {
    let watch = openOverdueWatch();
    const seen = [
      second(1, { quick: 5, waiting: [1, 900] }),
      second(2, { quick: 5, waiting: [1, 1_900] }),
      second(3, { quick: 5, waiting: [1, 2_900] }),
      second(4, { quick: 5, slow: 1 }),
    ];
    for (const one of seen) watch = watchOverdue(watch, one, settings, limits, true);
    expect(watch.metric.candidate).toEqual({ events: 1, total: 21 });
    expect(watch.metric.stable).toEqual({ events: 0, total: 380 });
  });

  it('given some that may still be in time, none counts', () => {
    const watch = watchOverdue(openOverdueWatch(), second(1, { quick: 5, waiting: [5, 300] }), settings, limits, true);
    expect(watch.metric.candidate).toEqual({ events: 0, total: 5 });
  });
});

/** Seconds until the judge says `worse`; null: it did not. */
function worseAfter(seconds: number, of: (at: number) => TrafficSecond): { at: number | null; rule: unknown } {
  const judge = judgeOf({ analysis: settings, limits });
  let state = judge.start([]);
  for (let at = 1; at <= seconds; at += 1) {
    state = judge.observe(state, of(at));
    if (judge.judge(state).verdict === 'worse') return { at, rule: judge.explain(state).rule };
  }
  return { at: null, rule: null };
}

describe('the hard limits beside a baseline', () => {
  it('given a release that hangs, it is found before any of its requests has ended', () => {
    const found = worseAfter(60, (at) => second(at, at < 2 ? {} : { waiting: [5 * (at - 1), 600] }));
    expect(found.rule).toBe('comparison');
    expect(found.at).toBeLessThanOrEqual(5);
  });

  it('given both hang, nobody is blamed', () => {
    const hanging = (at: number, each: number): Did => ({ waiting: [each * at, 600] });
    expect(worseAfter(60, (at) => second(at, hanging(at, 5), hanging(at, 95))).at).toBeNull();
  });

  it('given one burst of ten errors of a release that is not worse, it is not taken back', () => {
    // The past has such bursts too: ten at once, 0.1 % of all.
    const past = Array.from({ length: 60 }, (_, minute) => ({
      minute,
      observed: 60,
      errors: { seconds: 60, total: 6_000, events: 6, squares: 0.6 },
      clientErrors: 0,
      latency: [],
    }));
    const judge = judgeOf({ analysis: settings, limits });
    let state = judge.start(past);
    for (let at = 3_600; at < 3_700; at += 1) {
      state = judge.observe(state, second(at, at === 3_650 ? { quick: 10, errors: 10 } : { quick: 5 }));
      expect(judge.judge(state).verdict).not.toBe('worse');
    }
  });

  it('given an incident that both have, it is not blamed on a release that has most of the traffic', () => {
    const shared = (at: number, requests: number): Did => ({
      quick: requests,
      errors: at % 2 === 0 ? requests * 0.06 : 0,
    });
    const late = (at: number): TrafficSecond => ({
      ...second(
        at,
        at > 20 ? shared(at, 100) : { quick: 100 },
        at > 20 && at % 6 === 0 ? { quick: 5, errors: 1 } : { quick: 5 },
      ),
    });
    expect(worseAfter(300, late).at).toBeNull();
  });

  it('given no stable beside it, the limits decide', () => {
    const found = worseAfter(60, (at) => second(at, { quick: 20, errors: 2 }, {}));
    expect(found).toEqual({ at: expect.any(Number), rule: 'limits' });
  });
});
