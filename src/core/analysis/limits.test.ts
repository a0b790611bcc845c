import { describe, expect, it } from 'vitest';
import type { HardLimits } from '../spec/platform.ts';
import type { ArmSecond, TrafficSecond } from '../traffic.ts';
import type { DurationMs, Percent } from '../units/quantities.ts';
import { bucketOf } from './histogram.ts';
import { describeArm, judgeLimits, observeLimits, openLimits, wilson, type LimitsState } from './limits.ts';

const limits: HardLimits = { minSuccessPercent: 99 as Percent, maxP99Ms: 500 as DurationMs, minRequests: 50 };

const arm = (requests: number, errors = 0, slow = 0): ArmSecond => ({
  requests,
  serverErrors: errors,
  gatewayErrors: 0,
  clientErrors: 0,
  latency: [[bucketOf(5), requests - slow] as const, ...(slow > 0 ? [[bucketOf(2_000), slow] as const] : [])],
});

const second = (at: number, candidate: ArmSecond, stable = arm(190)): TrafficSecond => ({
  service: 'api',
  second: at,
  arms: { candidate, stable },
});

function look(state: LimitsState) {
  const { stable, candidate } = judgeLimits(state, limits);
  const stableBroken = stable === 'broken';
  let verdict = 'undecided';
  if (candidate === 'broken' && !stableBroken) verdict = 'worse';
  else if (candidate === 'kept' && !stableBroken) verdict = 'not-worse';
  return { verdict, stableBroken, summary: `the candidate: ${describeArm(state, 'candidate', limits)}` };
}

/** Looks after every second; the second at which the verdict is no longer undecided. */
function play(seconds: number, of: (at: number) => TrafficSecond) {
  let state = openLimits;
  for (let at = 1; at <= seconds; at += 1) {
    state = observeLimits(state, of(at), limits);
    const seen = look(state);
    if (seen.verdict !== 'undecided') return { at, ...seen };
  }
  return { at: null, ...look(state) };
}

describe('the hard limits', () => {
  it('find a release that fails 20 % within seconds, and say by how much', () => {
    const found = play(60, (at) => second(at, arm(10, 2)));
    expect(found).toMatchObject({ verdict: 'worse', at: 2 });
    expect(found.summary).toBe('the candidate: 20 % of 20 requests failed, limit 1 %');
  });

  it('find a release whose 99th percentile is too high', () => {
    const found = play(60, (at) => second(at, arm(10, 0, 3)));
    expect(found.verdict).toBe('worse');
    expect(found.summary).toMatch(/p99 is \d+ ms over \d+ requests, limit 500 ms/);
  });

  it('find a release that hangs while its requests are still waiting, before any of them has ended', () => {
    const hanging = (waiting: readonly (readonly [number, number])[]): ArmSecond => ({
      ...arm(0),
      latency: [],
      waiting,
    });
    const found = play(60, (at) =>
      second(at, hanging([[bucketOf(100), 10], ...(at > 1 ? [[bucketOf(1_100), 10] as const] : [])])),
    );
    expect(found).toMatchObject({ verdict: 'worse', at: 2 });
    expect(found.summary).toMatch(/p99 is 1\d\d\d ms over 10 requests, limit 500 ms; 10 of them still have no answer/);
  });

  it('do not hold against a release what may still be in time, nor what waited a while ago and was answered', () => {
    const waits = (ms: number): ArmSecond => ({ ...arm(10), waiting: [[bucketOf(ms), 10]] });
    expect(play(20, (at) => second(at, waits(400))).verdict).toBe('undecided');
    const before = observeLimits(openLimits, second(1, waits(2_000)), limits);
    expect(look(before).verdict).toBe('worse');
    expect(look(observeLimits(before, second(2, arm(20)), limits)).verdict).toBe('undecided');
  });

  it('need three bad answers: one unlucky request takes nothing back', () => {
    expect(play(1, (at) => second(at, arm(2, 2))).verdict).toBe('undecided');
  });

  it('are kept only when that is certain, not when nothing has been seen', () => {
    expect(play(60, (at) => second(at, arm(0))).verdict).toBe('undecided');
    expect(play(60, (at) => second(at, arm(10))).verdict).toBe('undecided');
    expect(play(60, (at) => second(at, arm(200))).verdict).toBe('not-worse');
  });

  it('blame nobody while stable breaks them too', () => {
    const found = play(30, (at) => second(at, arm(10, 3), arm(190, 40)));
    expect(found).toMatchObject({ verdict: 'undecided', stableBroken: true });
  });

  it('forget what is older than a minute: a good hour does not hide a bad minute, nor the other way round', () => {
    const late = play(300, (at) => second(at, arm(10, at > 200 ? 2 : 0)));
    expect(late).toMatchObject({ verdict: 'worse' });
    expect(late.at).toBeLessThan(215);
  });
});

describe('the Wilson interval', () => {
  it('contains the share it was drawn around, and narrows with more requests', () => {
    const [low, high] = wilson(10, 1_000);
    expect(low).toBeLessThan(0.01);
    expect(high).toBeGreaterThan(0.01);
    const [lower, higher] = wilson(100, 10_000);
    expect(higher - lower).toBeLessThan(high - low);
  });

  it('knows nothing without requests', () => {
    expect(wilson(0, 0)).toEqual([0, 1]);
  });
});
