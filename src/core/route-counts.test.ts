import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketOf, boundsOf, maxBucket } from './analysis/histogram.ts';
import {
  mergeRouteDetail,
  mostFailures,
  mostRoutes,
  routeBucketOf,
  RouteCounts,
  RouteLabels,
  type AnsweredRequest,
  type RouteDetail,
} from './route-counts.ts';

const answered = (changes: Partial<AnsweredRequest> = {}): AnsweredRequest => ({
  method: 'GET',
  path: '/',
  status: 200,
  lost: false,
  latencyMs: 5,
  traceparent: null,
  requestId: null,
  instance: 'a',
  ...changes,
});

const total = (detail: RouteDetail): number => (detail.routes ?? []).reduce((sum, { requests }) => sum + requests, 0);

describe('buckets of a route', () => {
  it('are named by the first of the eight buckets of an arm that each stands for', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: maxBucket }), (bucket) => {
        const coarse = routeBucketOf(bucket);
        expect(coarse).toBeLessThanOrEqual(bucket);
        expect(bucket - coarse).toBeLessThan(8);
        expect(routeBucketOf(coarse)).toBe(coarse);
      }),
    );
  });

  it('are four an octave', () => {
    const [from, to] = [bucketOf(100), bucketOf(200)];
    const buckets = new Set(Array.from({ length: to - from }, (_, i) => routeBucketOf(from + i)));
    expect(buckets.size).toBeLessThanOrEqual(5);
    const { fromMs } = boundsOf(routeBucketOf(bucketOf(102.4)));
    const next = boundsOf(routeBucketOf(bucketOf(102.4)) + 8).fromMs;
    expect(next / fromMs).toBeLessThanOrEqual(1.25);
  });
});

describe('counts by route', () => {
  it('say what was bad and how: 4xx, 5xx, and what no instance answered', () => {
    const counts = new RouteCounts();
    for (const status of [200, 304, 404, 404, 500, 503]) counts.record('GET /a', answered({ status }));
    counts.record('GET /a', answered({ status: 502, lost: true }));
    counts.record('GET /b', answered());
    const { routes } = counts.read();
    expect(routes).toMatchObject([
      { route: 'GET /a', requests: 7, bad: { 404: 2, 500: 1, 503: 1, lost: 1 } },
      { route: 'GET /b', requests: 1, bad: {}, latency: [[routeBucketOf(bucketOf(5)), 1]] },
    ]);
  });

  it('keep the first failures, and of each route the first before the second of any', () => {
    const counts = new RouteCounts();
    for (let n = 1; n <= 20; n += 1) counts.record('GET /a', answered({ status: 500, requestId: `a${n}` }));
    expect(counts.read().failures?.map(({ requestId }) => requestId)).toEqual(['a1', 'a2', 'a3', 'a4', 'a5']);
    for (const route of ['b', 'c', 'd', 'e', 'f', 'g'])
      for (const n of [1, 2])
        counts.record(`GET /${route}`, answered({ lost: true, status: 504, requestId: `${route}${n}` }));
    const failures = counts.read().failures ?? [];
    expect(failures).toHaveLength(mostFailures);
    expect(failures.map(({ requestId }) => requestId)).toEqual(['a1', 'b1', 'c1', 'd1', 'e1']);
    expect(failures[1]).toMatchObject({ route: 'GET /b', status: 0, instance: 'a' });
  });

  it('keep no failure of a client, and of headers only the ids', () => {
    const counts = new RouteCounts();
    counts.record('GET /a', answered({ status: 404 }));
    expect(counts.read().failures).toBeUndefined();
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    counts.record('GET /a', answered({ status: 500, traceparent, requestId: 'anna smith', latencyMs: 12.345 }));
    expect(counts.read().failures).toEqual([
      {
        route: 'GET /a',
        status: 500,
        latencyMs: 12.3,
        traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
        requestId: null,
        instance: 'a',
      },
    ]);
  });

  it('know at most 200 labels; those in use keep their places, whatever is made up beside them', () => {
    const labels = new RouteLabels();
    expect(labels.of('GET', '/real', 1)).toBe('GET /real');
    const word = (n: number): string => String(n).replaceAll(/\d/g, (digit) => 'abcdefghij'[Number(digit)] ?? '');
    const seen = new Set(Array.from({ length: 5_000 }, (_, n) => labels.of('GET', `/${word(n)}`, 1)));
    expect(seen.size).toBe(mostRoutes);
    expect(seen).toContain('other');
    for (let second = 2; second < 60; second += 1) {
      for (let n = 0; n < 300; n += 1) labels.of('GET', `/x${word(second * 1_000 + n)}`, second);
      expect(labels.of('GET', '/real', second)).toBe('GET /real');
    }
    // What was made up is forgotten when it is not used any more.
    expect(labels.of('GET', '/new', 100)).toBe('GET /new');
  });
});

describe('parts of a second', () => {
  const route = fc.record({
    route: fc.integer({ min: 0, max: 600 }).map((n) => (n === 0 ? 'other' : `GET /r${n}`)),
    requests: fc.integer({ min: 1, max: 50 }),
    bad: fc.dictionary(fc.constantFrom('404', '500', 'lost'), fc.integer({ min: 1, max: 9 })),
    latency: fc.constant([[9, 1]] as const),
  });
  const routes = fc.uniqueArray(route, { maxLength: 200, selector: (one) => one.route });
  const part = fc.record({ stable: fc.record({ routes }), candidate: fc.record({ routes }) });

  it('add up to the same number of requests, in 200 labels at most and other', () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
        const merged = mergeRouteDetail(parts);
        for (const arm of ['stable', 'candidate'] as const)
          expect(total(merged[arm])).toBe(parts.reduce((sum, one) => sum + total(one[arm]), 0));
        const names = [merged.stable, merged.candidate]
          .flatMap((detail) => detail.routes ?? [])
          .map((one) => one.route);
        expect(new Set(names.filter((name) => name !== 'other')).size).toBeLessThanOrEqual(mostRoutes);
        const counts = (merged.stable.routes ?? []).map(({ requests }) => requests);
        expect(counts).toEqual(counts.toSorted((a, b) => b - a));
      }),
      { numRuns: 50 },
    );
  });

  it('of two workers say of each route what both counted', () => {
    const one = new RouteCounts();
    const two = new RouteCounts();
    one.record('GET /a', answered({ status: 500, requestId: 'one' }));
    two.record('GET /a', answered({ status: 503, requestId: 'two' }));
    two.record('GET /b', answered());
    const merged = mergeRouteDetail([
      { stable: one.read(), candidate: {} },
      { stable: two.read(), candidate: {} },
    ]);
    expect(merged.candidate).toEqual({});
    expect(merged.stable.routes).toEqual([
      { route: 'GET /a', requests: 2, bad: { 500: 1, 503: 1 }, latency: [[routeBucketOf(bucketOf(5)), 2]] },
      { route: 'GET /b', requests: 1, bad: {}, latency: [[routeBucketOf(bucketOf(5)), 1]] },
    ]);
    expect(merged.stable.failures?.map(({ requestId }) => requestId)).toEqual(['one', 'two']);
  });

  it('keep the first failures of each worker', () => {
    const parts = ['a', 'b', 'c'].map((worker) => {
      const counts = new RouteCounts();
      for (let n = 1; n <= 9; n += 1) counts.record('GET /', answered({ status: 500, requestId: `${worker}${n}` }));
      return { stable: {}, candidate: counts.read() };
    });
    const failures = mergeRouteDetail(parts).candidate.failures ?? [];
    expect(failures.map(({ requestId }) => requestId)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2']);
  });
});
