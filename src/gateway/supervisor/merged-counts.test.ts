import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type {
  ArmSecond,
  FailedRequest,
  LatencyCounts,
  MirrorSecond,
  RouteSecond,
  TrafficSecond,
} from '../../core/traffic.ts';
import { addCurrent, keptWithRoutes, MergedCounts } from './merged-counts.ts';

const nothing: ArmSecond = { requests: 0, serverErrors: 0, gatewayErrors: 0, clientErrors: 0, latency: [] };

const second = (number: number, stable: Partial<ArmSecond> = {}, service = 'web'): TrafficSecond => ({
  service,
  second: number,
  arms: { stable: { ...nothing, ...stable }, candidate: nothing },
});

const requests = (seconds: readonly TrafficSecond[]): number =>
  seconds.reduce((sum, { arms }) => sum + arms.stable.requests + arms.candidate.requests, 0);

const total = (latency: LatencyCounts): number => latency.reduce((sum, [, count]) => sum + count, 0);

describe('counts of several workers', () => {
  it('are added up once all have reported a second', () => {
    const counts = new MergedCounts();
    counts.join('a', 9);
    counts.join('b', 9);
    counts.report(
      'a',
      0,
      [
        second(10, {
          requests: 2,
          serverErrors: 1,
          latency: [
            [3, 1],
            [7, 1],
          ],
        }),
      ],
      0,
    );
    expect(counts.since('web', 0)).toEqual([]);
    counts.report(
      'b',
      0,
      [
        second(10, {
          requests: 3,
          latency: [
            [1, 1],
            [3, 2],
          ],
          waiting: [[40, 1]],
        }),
      ],
      100,
    );
    expect(counts.since('web', 0)).toEqual([
      second(10, {
        requests: 5,
        serverErrors: 1,
        latency: [
          [1, 1],
          [3, 3],
          [7, 1],
        ],
        waiting: [[40, 1]],
      }),
    ]);
  });

  it('are closed without a worker that is late, and what it says then goes into the next second', () => {
    const counts = new MergedCounts();
    counts.join('a', 9);
    counts.join('b', 9);
    counts.report('a', 0, [second(10, { requests: 2, latency: [[3, 2]] })], 0);
    counts.close(1_999);
    expect(counts.since('web', 0)).toEqual([]);
    counts.close(2_000);
    expect(requests(counts.since('web', 0))).toBe(2);
    counts.report('b', 0, [second(10, { requests: 5, latency: [[3, 5]], waiting: [[50, 4]] }), second(11)], 2_100);
    counts.report('a', 1, [second(11, { requests: 1, latency: [[3, 1]] })], 2_200);
    expect(counts.since('web', 0)).toEqual([
      second(10, { requests: 2, latency: [[3, 2]] }),
      second(11, { requests: 6, latency: [[3, 6]] }),
    ]);
  });

  it('do not wait for a worker that has died', () => {
    const counts = new MergedCounts();
    counts.join('a', 9);
    counts.join('b', 9);
    counts.report('a', 0, [second(10, { requests: 2 })], 0);
    counts.leave('b', 1);
    expect(requests(counts.since('web', 0))).toBe(2);
  });

  it('count a report once, also when it is sent again to the next supervisor', () => {
    const before = new MergedCounts();
    before.join('a', 9);
    before.report('a', 0, [second(10, { requests: 2 })], 0);
    before.report('a', 0, [second(10, { requests: 2 })], 0);
    const after = new MergedCounts().after(JSON.parse(JSON.stringify(before.state())), 0);
    expect(after.join('a', 9)).toBe(0);
    after.report('a', 0, [second(10, { requests: 2 })], 0);
    after.report('a', 1, [second(11, { requests: 3 })], 0);
    expect(requests(after.since('web', 0))).toBe(5);
  });

  it('are kept when the next supervisor has closed seconds of its own before it got them', () => {
    const before = new MergedCounts();
    before.join('old', 9);
    before.report('old', 0, [second(10, { requests: 2 }), second(11, { requests: 3 })], 0);
    const next = new MergedCounts();
    next.join('new', 10);
    next.report('new', 0, [second(11, { requests: 10 }), second(12, { requests: 20 })], 0);
    const after = next.after(before.state(), 0);
    after.report('old', 1, [second(12, { requests: 4 })], 1);
    const seconds = after.since('web', 0);
    expect(seconds.map((one) => one.second)).toEqual([10, 11, 12]);
    expect(requests(seconds)).toBe(39);
  });

  it('wait for nobody who has not come to the next supervisor', () => {
    const counts = new MergedCounts();
    counts.join('a', 9);
    counts.join('gone', 9);
    counts.report('a', 0, [second(10, { requests: 1 })], 0);
    counts.keepOnly(new Set(['a']), 1);
    expect(requests(counts.since('web', 0))).toBe(1);
  });

  it('keep at least 15 minutes, and not for ever', () => {
    const counts = new MergedCounts();
    counts.join('a', 0);
    for (let n = 1; n <= 3_000; n += 1) counts.report('a', n, [second(n, { requests: 1 })], n * 1_000);
    const kept = counts.since('web', 0);
    expect(kept.length).toBeGreaterThanOrEqual(15 * 60);
    expect(kept.length).toBeLessThan(1_100);
    expect(kept.at(-1)?.second).toBe(3_000);
    expect(counts.since('web', 2_998)).toHaveLength(2);
  });

  it('lose no request, repeat none, and never change what was closed, whatever the order of events', () => {
    const worker = fc.constantFrom('a', 'b', 'c');
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ kind: fc.constant('report' as const), worker, count: fc.nat(9), skip: fc.nat(2) }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('again' as const), worker }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), worker }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('replaced' as const) }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.nat(3_000) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        let counts = new MergedCounts();
        let now = 0;
        let sent = 0;
        const workers = new Map<string, { next: number; second: number; last: TrafficSecond[] }>();
        let seen: readonly TrafficSecond[] = [];
        const join = (name: string) => {
          let known = workers.get(name);
          if (known === undefined) {
            known = { next: 0, second: Math.floor(now / 1_000), last: [] };
            workers.set(name, known);
            counts.join(name, known.second);
          }
          return known;
        };
        for (const one of steps) {
          if (one.kind === 'time') now += one.ms;
          else if (one.kind === 'replaced') counts = new MergedCounts().after(counts.state(), now);
          else if (one.kind === 'leave') {
            counts.leave(one.worker, now);
            workers.delete(one.worker);
          } else if (one.kind === 'again') {
            const known = workers.get(one.worker);
            if (known !== undefined && known.next > 0) counts.report(one.worker, known.next - 1, known.last, now);
          } else {
            const known = join(one.worker);
            known.second += 1 + one.skip;
            known.last = [
              second(known.second, { requests: one.count, latency: one.count === 0 ? [] : [[5, one.count]] }),
            ];
            counts.report(one.worker, known.next, known.last, now);
            known.next += 1;
            sent += one.count;
          }
          counts.close(now);
          const closed = counts.since('web', 0);
          expect(closed.slice(0, seen.length)).toEqual(seen);
          expect(closed.every((s, i) => i === 0 || s.second > (closed[i - 1]?.second ?? 0))).toBe(true);
          expect(requests(closed)).toBeLessThanOrEqual(sent);
          seen = closed;
        }
        // One more second that all report brings everything out.
        const last = Math.max(0, ...[...workers.values()].map((known) => known.second), seen.at(-1)?.second ?? 0) + 1;
        join('z');
        for (const [name, known] of workers) counts.report(name, known.next, [second(last)], now);
        counts.close(now + 10_000);
        const all = counts.since('web', 0);
        expect(requests(all)).toBe(sent);
        for (const { arms } of all) expect(total(arms.stable.latency)).toBe(arms.stable.requests);
      }),
      { numRuns: 500 },
    );
  });
});

describe('the second that is not over', () => {
  it('is the sum of the workers that are in it', () => {
    const parts = [
      { soFar: second(10, { requests: 2, latency: [[3, 2]] }), passedMs: 400 },
      { soFar: second(10, { requests: 1, latency: [[2, 1]], waiting: [[9, 1]] }), passedMs: 410 },
      { soFar: second(9, { requests: 7, latency: [[2, 7]] }), passedMs: 990 },
    ];
    expect(addCurrent(parts)).toEqual({
      soFar: second(10, {
        requests: 3,
        latency: [
          [2, 1],
          [3, 2],
        ],
        waiting: [[9, 1]],
      }),
      passedMs: 400,
    });
    expect(addCurrent([])).toBeNull();
  });

  describe('by route and of copies', () => {
    const route = (name: string, count: number): RouteSecond => ({
      route: name,
      requests: count,
      bad: { 500: 1 },
      latency: [[9, count]],
    });
    const failure = (requestId: string): FailedRequest => ({
      route: 'GET /a',
      status: 500,
      latencyMs: 1,
      traceId: null,
      requestId,
      instance: 'b',
    });
    const mirror: MirrorSecond = {
      pairs: 2,
      skipped: 1,
      stableErrors: 0,
      candidateErrors: 1,
      statusDiffers: 1,
      sizeDiffers: 0,
      shapeDiffers: 0,
      latency: { stable: [[9, 2]], candidate: [[9, 2]] },
      routes: [{ route: 'GET /a', pairs: 2, different: 1 }],
    };

    it('are added up, also of a worker that is late', () => {
      const counts = new MergedCounts();
      counts.join('a', 9);
      counts.join('b', 9);
      const own = { requests: 2, routes: [route('GET /a', 2)], failures: [failure('1')] };
      counts.report('a', 0, [{ ...second(10, own), mirror }], 0);
      counts.close(2_000);
      counts.report(
        'b',
        0,
        [
          { ...second(10, own), mirror },
          { ...second(11, own), mirror },
        ],
        2_100,
      );
      counts.report('a', 1, [{ ...second(11), mirror }], 2_200);
      const [first, next] = counts.since('web', 0);
      expect(first).toEqual({ ...second(10, own), mirror });
      expect(next?.arms.stable).toMatchObject({
        requests: 4,
        routes: [{ route: 'GET /a', requests: 4, bad: { 500: 2 }, latency: [[9, 4]] }],
        failures: [{ requestId: '1' }, { requestId: '1' }],
      });
      expect(next?.mirror).toMatchObject({ pairs: 6, skipped: 3, routes: [{ pairs: 6, different: 3 }] });
    });

    it('of a late worker that has only copies to report are not lost', () => {
      const counts = new MergedCounts();
      counts.join('a', 9);
      counts.join('b', 9);
      counts.report('a', 0, [second(10, { requests: 1 })], 0);
      counts.close(2_000);
      counts.report('b', 0, [{ ...second(10), mirror }, second(11)], 2_100);
      counts.report('a', 1, [second(11)], 2_200);
      expect(counts.since('web', 10)[0]?.mirror).toEqual(mirror);
    });

    it('go over to the next supervisor', () => {
      const before = new MergedCounts();
      before.join('a', 9);
      const own = { requests: 2, routes: [route('GET /a', 2)], failures: [failure('1')] };
      before.report('a', 0, [{ ...second(10, own), mirror }], 0);
      const after = new MergedCounts().after(JSON.parse(JSON.stringify(before.state())), 0);
      expect(after.since('web', 0)).toEqual(before.since('web', 0));
      expect(after.since('web', 0)).toEqual([{ ...second(10, own), mirror }]);
    });

    it('are added up of what a supervisor hands over that counted nothing by route', () => {
      const before = new MergedCounts();
      before.join('a', 9);
      before.report('a', 0, [second(10, { requests: 2 })], 0);
      const after = new MergedCounts().after(JSON.parse(JSON.stringify(before.state())), 0);
      after.report('a', 1, [{ ...second(11, { requests: 1, routes: [route('GET /a', 1)] }), mirror }], 0);
      expect(after.since('web', 10)[0]).toMatchObject({ mirror, arms: { stable: { routes: [{ requests: 1 }] } } });
    });

    it('are kept by route for two minutes, and as sums for longer', () => {
      const counts = new MergedCounts();
      counts.join('a', 0);
      for (let at = 1; at <= keptWithRoutes + 10; at += 1)
        counts.report('a', at, [{ ...second(at, { requests: 1, routes: [route('GET /a', 1)] }), mirror }], at);
      const seconds = counts.since('web', 0);
      expect(requests(seconds)).toBe(keptWithRoutes + 10);
      expect(seconds.map(({ arms }) => arms.stable.routes !== undefined)).toEqual(
        seconds.map(({ second: at }) => at > 10),
      );
      expect(seconds.every((one) => one.mirror?.pairs === 2)).toBe(true);
    });

    it('of the second that is not over are added up, too', () => {
      const part = { ...second(10, { requests: 1, routes: [route('GET /a', 1)] }), mirror };
      const sum = addCurrent([
        { soFar: part, passedMs: 100 },
        { soFar: part, passedMs: 200 },
      ]);
      expect(sum?.soFar.arms.stable.routes).toMatchObject([{ route: 'GET /a', requests: 2 }]);
      expect(sum?.soFar.mirror?.pairs).toBe(4);
    });
  });
});
