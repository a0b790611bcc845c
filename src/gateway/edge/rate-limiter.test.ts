import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RateLimit } from '../../core/route-edge.ts';
import { RateLimiter } from './rate-limiter.ts';

const limit = (requestsPerSecond: number, burst: number, per: RateLimit['per'] = 'client'): RateLimit => ({
  requestsPerSecond,
  burst,
  per,
  path: '/',
});

describe('a rate limit', () => {
  it('lets a burst through at once, then one request in each interval', () => {
    const limiter = new RateLimiter();
    const scope = limiter.scope('web', limit(10, 3));
    const admitted = [0, 0, 0, 0, 99, 100, 100, 250].map((now) => limiter.admit(scope, '192.0.2.1', 1_000 + now));
    expect(admitted).toEqual([0, 0, 0, 100, 1, 0, 100, 0]);
  });

  it('is each client apart, all addresses of an IPv6 network one of them', () => {
    const limiter = new RateLimiter();
    const scope = limiter.scope('web', limit(1, 1));
    expect(limiter.admit(scope, '2001:db8::1', 0)).toBe(0);
    expect(limiter.admit(scope, '2001:db8::2', 0)).toBeGreaterThan(0);
    expect(limiter.admit(scope, '2001:db8:0:1::1', 0)).toBe(0);
    expect(limiter.admit(scope, '192.0.2.1', 0)).toBe(0);
  });

  it('of a route is one for all', () => {
    const limiter = new RateLimiter();
    const scope = limiter.scope('web', limit(1, 1, 'route'));
    expect(limiter.admit(scope, '192.0.2.1', 0)).toBe(0);
    expect(limiter.admit(scope, '192.0.2.2', 0)).toBe(1_000);
  });

  it('stays what it is when the table is written again, and services do not share it', () => {
    const limiter = new RateLimiter();
    limiter.admit(limiter.scope('web', limit(1, 1)), '192.0.2.1', 0);
    expect(limiter.admit(limiter.scope('web', limit(1, 1)), '192.0.2.1', 0)).toBe(1_000);
    expect(limiter.admit(limiter.scope('api', limit(1, 1)), '192.0.2.1', 0)).toBe(0);
  });

  it('never admits more than rate and burst allow, and always what is within them', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 200 }),
        (rate, burst, gaps) => {
          const limiter = new RateLimiter({ clients: 8 });
          const scope = limiter.scope('web', limit(rate, burst));
          const admitted: number[] = [];
          let tokens = burst;
          let now = 5_000;
          for (const gap of gaps) {
            now += gap;
            // The same as a bucket of `burst` tokens, filled with `rate` a second.
            tokens = Math.min(burst, tokens + (gap * rate) / 1_000);
            const wait = limiter.admit(scope, '192.0.2.1', now);
            expect(wait === 0).toBe(tokens >= 1 - 1e-6);
            if (wait === 0) {
              tokens -= 1;
              admitted.push(now);
            } else {
              // What it says is how long it takes.
              expect(limiter.admit(scope, '192.0.2.1', now)).toBe(wait);
              expect(wait).toBeLessThanOrEqual(1_000 / rate + 1e-6);
            }
          }
          for (const [from, start] of admitted.entries()) {
            for (const [index, end] of admitted.entries()) {
              if (index < from) continue;
              expect(index - from + 1).toBeLessThanOrEqual(burst + ((end - start) * rate) / 1_000 + 1e-6);
            }
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('holds as much memory for a million clients as for one, and forgets who has waited longest', () => {
    const limiter = new RateLimiter({ clients: 1_024, seed: 1 });
    const scope = limiter.scope('web', limit(1, 1));
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 100_000; i += 1) limiter.admit(scope, `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, i);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
    // The last one is still known.
    expect(limiter.admit(scope, '10.1.134.159', 100_000)).toBeGreaterThan(0);
    expect(limiter.takeUse().clients.length).toBeLessThanOrEqual(1_024 * 5);
  });

  it('refuses a size that is none', () => {
    expect(() => new RateLimiter({ clients: 100 })).toThrow(RangeError);
  });
});

describe('workers that share a limit', () => {
  const shareMs = 100;

  it('together let through what one would, and a known amount more', () => {
    const arrivals = fc.array(
      fc.record({ gap: fc.integer({ min: 0, max: 40 }), worker: fc.nat(3), client: fc.nat(1) }),
      { minLength: 50, maxLength: 600 },
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 5, max: 100 }),
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 1, max: 4 }),
        arrivals,
        (rate, burst, workers, requests) => {
          const limiters = Array.from({ length: workers }, () => new RateLimiter({ clients: 64 }));
          const admitted = new Map<number, number[]>();
          let now = 0;
          let nextShare = shareMs;
          for (const { gap, worker, client } of requests) {
            now += gap;
            while (nextShare <= now) {
              const uses = limiters.map((limiter) => limiter.takeUse());
              for (const [to, limiter] of limiters.entries()) {
                for (const [from, use] of uses.entries()) if (from !== to) limiter.absorb(use, nextShare);
              }
              nextShare += shareMs;
            }
            const limiter = limiters[worker % workers];
            if (limiter === undefined) throw new Error('no such worker');
            const scope = limiter.scope('web', limit(rate, burst));
            if (limiter.admit(scope, `192.0.2.${client}`, now) > 0) continue;
            admitted.set(client, [...(admitted.get(client) ?? []), now]);
          }
          const extra = (workers - 1) * (burst + (rate * shareMs) / 1_000);
          for (const times of admitted.values()) {
            for (const [from, start] of times.entries()) {
              for (let to = from; to < times.length; to += 1) {
                const seconds = ((times[to] ?? 0) - start) / 1_000;
                expect(to - from + 1).toBeLessThanOrEqual(rate * seconds + burst + extra + 1e-6);
              }
            }
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('keep to the rate in the long run, whichever of them is asked', () => {
    const limiters = [new RateLimiter(), new RateLimiter(), new RateLimiter()];
    let admitted = 0;
    for (let now = 0; now < 60_000; now += 1) {
      if (now % shareMs === 0) {
        const uses = limiters.map((limiter) => limiter.takeUse());
        limiters.forEach((limiter, to) => uses.forEach((use, from) => from !== to && limiter.absorb(use, now)));
      }
      const limiter = limiters[now % 3];
      if (limiter?.admit(limiter.scope('web', limit(10, 5)), '192.0.2.1', now) === 0) admitted += 1;
    }
    expect(admitted).toBeGreaterThanOrEqual(590);
    expect(admitted).toBeLessThanOrEqual(600 + 3 * (5 + 1));
  });

  it('tell what they let through once, as data that goes through JSON, and learn limits that they do not know', () => {
    const [one, other] = [new RateLimiter({ seed: 1 }), new RateLimiter({ seed: 2 })];
    for (let i = 0; i < 3; i += 1) one.admit(one.scope('web', limit(1, 3)), '2001:db8::1', 0);
    const use = one.takeUse();
    expect(one.takeUse()).toEqual({ scopes: [], clients: [] });
    other.absorb(JSON.parse(JSON.stringify(use)) as typeof use, 0);
    expect(other.admit(other.scope('web', limit(1, 3)), '2001:db8::1', 0)).toBe(1_000);
    expect(other.takeUse()).toEqual({ scopes: [], clients: [] });
  });
});
