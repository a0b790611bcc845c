import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Breaker } from './breaker.ts';

describe('a breaker', () => {
  it('opens after the failures in a row that it was told, and not before', () => {
    const breaker = new Breaker({ failures: 3, openMs: 1_000, clock: () => 0 });
    breaker.failed();
    breaker.failed();
    breaker.succeeded();
    breaker.failed();
    breaker.failed();
    expect(breaker.enter()).toBe(true);

    breaker.failed();

    expect(breaker.enter()).toBe(false);
    expect(breaker.state).toBe('open');
  });

  it('lets one call through when its time is over, and others only after that one succeeded', () => {
    let now = 0;
    const breaker = new Breaker({ failures: 1, openMs: 1_000, clock: () => now });
    breaker.failed();
    now = 1_000;

    expect([breaker.enter(), breaker.enter(), breaker.state]).toEqual([true, false, 'half-open']);
    breaker.succeeded();

    expect([breaker.enter(), breaker.enter(), breaker.state]).toEqual([true, true, 'closed']);
  });

  it('opens again when that one call fails', () => {
    let now = 0;
    const breaker = new Breaker({ failures: 2, openMs: 1_000, clock: () => now });
    breaker.failed();
    breaker.failed();
    now = 1_000;
    breaker.enter();

    breaker.failed();

    now = 1_999;
    expect(breaker.enter()).toBe(false);
    now = 2_000;
    expect(breaker.enter()).toBe(true);
  });

  it('never lets through more than one call at a time while it is not closed, whatever happens', () => {
    const happening = fc.oneof(
      fc.constant('enter' as const),
      fc.constant('succeeded' as const),
      fc.constant('failed' as const),
      fc.nat(2_000),
    );
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 200 }), (happenings) => {
        let now = 0;
        let under = 0;
        const breaker = new Breaker({ failures: 3, openMs: 1_000, clock: () => now });
        let probing = 0;
        for (const each of happenings) {
          if (typeof each === 'number') now += each;
          else if (each === 'enter') {
            const closed = breaker.state === 'closed';
            if (!breaker.enter()) continue;
            under += 1;
            if (!closed) probing += 1;
            expect(probing).toBeLessThanOrEqual(1);
          } else if (under > 0) {
            under -= 1;
            breaker[each]();
            probing = 0;
          }
        }
      }),
    );
  });
});
