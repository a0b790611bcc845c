import { describe, expect, it } from 'vitest';
import { ArmCounts } from './arm-counts.ts';
import type { CountedRequest } from './request-line.ts';

const request = (second: number, changes: Partial<CountedRequest> = {}): CountedRequest => ({
  service: 'web',
  arm: 'stable',
  outcome: 'ok',
  latencyMs: 1,
  second,
  route: null,
  key: null,
  ...changes,
});

describe('counts', () => {
  it('have a second for each that was observed, also without traffic', () => {
    const counts = new ArmCounts();
    counts.observe('web', 100);
    counts.record(request(102, { outcome: 'server-error' }));
    counts.closeBefore(104, 0);
    expect(counts.since('web', 0).map(({ second, arms }) => [second, arms.stable.requests])).toEqual([
      [100, 0],
      [101, 0],
      [102, 1],
      [103, 0],
    ]);
    expect(counts.since('web', 102).map(({ second }) => second)).toEqual([103]);
    expect(counts.since('web', 101)[0]?.arms.stable).toMatchObject({ serverErrors: 1 });
  });

  it('never change once closed: what comes late is in the next that may', () => {
    const counts = new ArmCounts();
    counts.observe('web', 100);
    counts.closeBefore(103, 0);
    const before = JSON.stringify(counts.since('web', 0));
    counts.record(request(101));
    expect(JSON.stringify(counts.since('web', 0))).toBe(before);
    counts.closeBefore(104, 0);
    expect(counts.since('web', 102)[0]?.arms.stable.requests).toBe(1);
  });

  it('leave out seconds in which nothing may have run, unless there was traffic', () => {
    const counts = new ArmCounts();
    counts.observe('web', 100);
    counts.record(request(101));
    counts.closeBefore(106, 104);
    expect(counts.since('web', 0).map(({ second }) => second)).toEqual([101, 104, 105]);
  });

  it('go on from what was stored as if nothing had happened', () => {
    const [one, two] = [new ArmCounts(), new ArmCounts()];
    for (const counts of [one, two]) {
      counts.observe('web', 100);
      counts.record(request(100));
      counts.record(request(101, { arm: 'candidate', latencyMs: 7 }));
      counts.closeBefore(101, 0);
    }
    const restored = ArmCounts.restore(JSON.parse(JSON.stringify(two.store())));
    for (const counts of [one, restored]) {
      counts.record(request(101, { arm: 'candidate', latencyMs: 7 }));
      counts.closeBefore(103, 0);
    }
    expect(restored.since('web', 0)).toEqual(one.since('web', 0));
    expect(one.since('web', 100)[0]?.arms.candidate).toMatchObject({ requests: 2, latency: [[expect.any(Number), 2]] });
  });

  it('say what the second that is not over has so far', () => {
    const counts = new ArmCounts();
    expect(counts.current('web', 100)).toBeNull();
    counts.observe('web', 100);
    counts.record(request(100));
    expect(counts.current('web', 100)?.arms.stable.requests).toBe(1);
    expect(counts.current('web', 101)?.arms.stable.requests).toBe(0);
  });
});
