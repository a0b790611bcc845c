import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evidenceOf, openBets, settle, staked } from './bets.ts';
import {
  eventFactors,
  eventFactorsAgainstPast,
  FEWER_EVENTS,
  MORE_EVENTS,
  type ArmCounts,
  type EventSettings,
} from './event-evidence.ts';
import { slowFactors } from './latency-evidence.ts';
import { openPromotion, promote } from './promotion.ts';

// Every factor has a mean of at most 1 when the candidate is not worse: computed exactly, over all counts that can be.

const ALLOWED = 1 + 1e-9;

/** Log factors of counts: all are linear in the events. */
type Factors = (candidateEvents: number, stableEvents: number) => readonly number[];

const binomial = (n: number, p: number): readonly number[] => {
  const shares = [1];
  for (let i = 0; i < n; i += 1)
    for (let k = shares.length; k >= 0; k -= 1) shares[k] = (shares[k] ?? 0) * (1 - p) + (shares[k - 1] ?? 0) * p;
  return shares.slice(0, n + 1);
};

/** Means over independent Bernoulli requests. */
function meansOfBernoulli(factors: Factors, nc: number, pc: number, nb: number, pb: number): readonly number[] {
  const means = factors(0, 0).map(() => 0);
  binomial(nc, pc).forEach((ofCandidate, xc) =>
    binomial(nb, pb).forEach((ofStable, xb) =>
      factors(xc, xb).forEach(
        (log, index) => (means[index] = (means[index] ?? 0) + ofCandidate * ofStable * Math.exp(log)),
      ),
    ),
  );
  return means;
}

interface Cause {
  /** Mean number a second. */
  readonly rate: number;
  /** Errors that each makes in the two arms. */
  readonly candidate: number;
  readonly stable: number;
}

/** Means when causes come as Poisson processes: E[e^(s u + t v)] of a compound Poisson number is exp(rate (e^(s u + t v) - 1)). */
function meansOfCauses(factors: Factors, causes: readonly Cause[]): readonly number[] {
  const none = factors(0, 0);
  const candidate = factors(1, 0);
  const stable = factors(0, 1);
  return none.map((constant, index) => {
    const u = (candidate[index] ?? 0) - constant;
    const v = (stable[index] ?? 0) - constant;
    const sum = causes.reduce((all, cause) => all + cause.rate * Math.expm1(cause.candidate * u + cause.stable * v), 0);
    return Math.exp(constant + sum);
  });
}

const largest = (means: readonly number[]): number => Math.max(...means);

const requests = fc.integer({ min: 1, max: 9 });
const share = fc.double({ min: 0, max: 1, noNaN: true });
const small = fc.oneof(share, fc.double({ min: 0, max: 0.02, noNaN: true }));
const delta = fc.constantFrom(0, 0.2, 0.5, 2);
const allowance = fc.constantFrom(0, 0.001, 0.01, 0.2);
const dispersion = fc.oneof(fc.constant(1), fc.double({ min: 1, max: 30, noNaN: true }));

const errorsOf =
  (nc: number, nb: number, limit: EventSettings, by: number, alternatives: readonly number[] = MORE_EVENTS): Factors =>
  (candidateEvents, stableEvents) =>
    eventFactors(
      { candidateTotal: nc, candidateEvents, stableTotal: nb, stableEvents } satisfies ArmCounts,
      limit,
      by,
      alternatives,
    );

const promotionOf =
  (nc: number, nb: number, limit: EventSettings, by: number): Factors =>
  (candidateEvents, stableEvents) =>
    promote(openPromotion(), { candidateTotal: nc, candidateEvents, stableTotal: nb, stableEvents }, limit, by);

describe('the mean of a factor against "not worse" is at most 1', () => {
  it('for independent requests, any split, any rate of stable, any allowance', () => {
    fc.assert(
      fc.property(requests, requests, small, share, delta, allowance, dispersion, (nc, nb, pb, less, d, eps, by) => {
        const limit = { ratio: 1 + d, allowance: eps };
        const pc = less * Math.min(1, limit.ratio * pb + eps);
        expect(largest(meansOfBernoulli(errorsOf(nc, nb, limit, by), nc, pc, nb, pb))).toBeLessThanOrEqual(ALLOWED);
      }),
      { numRuns: 300 },
    );
  });

  it('is exactly 1 for Poisson counts at the boundary: nothing is given away', () => {
    const limit = { ratio: 1.5, allowance: 0.002 };
    const [nc, nb, pb] = [5, 95, 0.001];
    const pc = 1.5 * pb + 0.002;
    const causes = [
      { rate: nc * pc, candidate: 1, stable: 0 },
      { rate: nb * pb, candidate: 0, stable: 1 },
    ];
    for (const mean of meansOfCauses(errorsOf(nc, nb, limit, 1), causes)) expect(mean).toBeCloseTo(1, 12);
  });

  it('for causes that make at most as many errors at once as the dispersion says, in one arm or in both', () => {
    const cause = fc.record({
      rate: fc.double({ min: 0, max: 2, noNaN: true }),
      candidate: fc.integer({ min: 0, max: 6 }),
      stable: fc.integer({ min: 0, max: 6 }),
    });
    fc.assert(
      fc.property(fc.array(cause, { minLength: 1, maxLength: 6 }), requests, requests, delta, (causes, nc, nb, d) => {
        const J = Math.max(1, ...causes.map((one) => one.candidate + one.stable));
        const pc = causes.reduce((sum, one) => sum + one.rate * one.candidate, 0) / nc;
        const pb = causes.reduce((sum, one) => sum + one.rate * one.stable, 0) / nb;
        const ratio = 1 + d;
        const worse = { ratio, allowance: Math.max(0, pc - ratio * pb) };
        expect(largest(meansOfCauses(errorsOf(nc, nb, worse, J), causes))).toBeLessThanOrEqual(ALLOWED);
        // The other way round: the candidate has as much as is allowed, or more.
        if (pc < pb) return;
        const better = { ratio: 1, allowance: pc - pb };
        expect(largest(meansOfCauses(promotionOf(nc, nb, better, J), causes))).toBeLessThanOrEqual(ALLOWED);
      }),
    );
  });

  it('would not be if the events alone were divided by the dispersion, and not the allowance: bad releases would be promoted', () => {
    const [nc, nb, J, margin] = [50, 50, 10, 0.01];
    const causes = [
      { rate: (nc * 0.011) / J, candidate: J, stable: 0 },
      { rate: (nb * 0.001) / J, candidate: 0, stable: J },
    ];
    const whole = promotionOf(nc, nb, { ratio: 1, allowance: margin }, J);
    expect(largest(meansOfCauses(whole, causes))).toBeLessThanOrEqual(ALLOWED);
    const eventsAlone: Factors = (xc, xb) => promotionOf(nc, nb, { ratio: 1, allowance: margin }, 1)(xc / J, xb / J);
    expect(largest(meansOfCauses(eventsAlone, causes))).toBeGreaterThan(1.2);
  });

  it('for events that there should be more of', () => {
    fc.assert(
      fc.property(requests, requests, share, share, delta, dispersion, (nc, nb, pb, more, d, by) => {
        const limit = { ratio: 1 / (1 + d), allowance: 0 };
        const least = limit.ratio * pb;
        const pc = least + more * (1 - least);
        const factors = errorsOf(nc, nb, limit, by, FEWER_EVENTS);
        expect(largest(meansOfBernoulli(factors, nc, pc, nb, pb))).toBeLessThanOrEqual(ALLOWED);
        const causes = [
          { rate: nc * pc * 3, candidate: 1, stable: 0 },
          { rate: nb * pb * 3, candidate: 0, stable: 1 },
        ];
        expect(largest(meansOfCauses(factors, causes))).toBeLessThanOrEqual(ALLOWED);
      }),
      { numRuns: 300 },
    );
  });

  it('for copies of requests, whatever a copy has to do with its original', () => {
    fc.assert(
      fc.property(requests, share, share, share, share, delta, dispersion, (pairs, a, b, c, d, worseBy, by) => {
        const sum = a + b + c + d || 1;
        const [both, candidateOnly, stableOnly] = [a / sum, b / sum, c / sum];
        const [pc, pb] = [both + candidateOnly, both + stableOnly];
        const limit = { ratio: 1 + worseBy, allowance: Math.max(0, pc - (1 + worseBy) * pb) };
        const factors = errorsOf(pairs, pairs, limit, by);
        const [none, ofCandidate, ofStable] = [factors(0, 0), factors(1, 0), factors(0, 1)];
        none.forEach((constant, index) => {
          const u = (ofCandidate[index] ?? 0) - constant;
          const v = (ofStable[index] ?? 0) - constant;
          const one = 1 + both * Math.expm1(u + v) + candidateOnly * Math.expm1(u) + stableOnly * Math.expm1(v);
          expect(constant + pairs * Math.log(one)).toBeLessThanOrEqual(1e-9);
        });
      }),
    );
  });

  it("for slow requests, however wrong the guess of stable's share is", () => {
    fc.assert(
      fc.property(requests, requests, share, share, small, dispersion, (nc, nb, pb, less, guess, by) => {
        const factors: Factors = (candidateEvents, stableEvents) =>
          slowFactors({ candidateTotal: nc, candidateEvents, stableTotal: nb, stableEvents }, guess, by);
        expect(largest(meansOfBernoulli(factors, nc, less * pb, nb, pb))).toBeLessThanOrEqual(ALLOWED);
      }),
      { numRuns: 300 },
    );
  });

  it('for slow requests in groups that are slow together', () => {
    fc.assert(
      fc.property(
        requests,
        requests,
        share,
        share,
        small,
        fc.integer({ min: 2, max: 5 }),
        (nc, nb, pb, less, guess, J) => {
          const groups: Factors = (candidate, stable) =>
            slowFactors(
              { candidateTotal: nc * J, candidateEvents: candidate * J, stableTotal: nb * J, stableEvents: stable * J },
              guess,
              J,
            );
          expect(largest(meansOfBernoulli(groups, nc, less * pb, nb, pb))).toBeLessThanOrEqual(ALLOWED);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('for copies that are slow when their originals are, more often than chance or just as often', () => {
    fc.assert(
      fc.property(requests, share, share, share, small, (pairs, pb, less, alike, guess) => {
        const pc = less * pb;
        const both = pc * pb + alike * (pc - pc * pb);
        const factors: Factors = (candidateEvents, stableEvents) =>
          slowFactors({ candidateTotal: pairs, candidateEvents, stableTotal: pairs, stableEvents }, guess, 1);
        const [none, ofCandidate, ofStable] = [factors(0, 0), factors(1, 0), factors(0, 1)];
        none.forEach((constant, index) => {
          const u = (ofCandidate[index] ?? 0) - constant;
          const v = (ofStable[index] ?? 0) - constant;
          const one = 1 + both * Math.expm1(u + v) + (pc - both) * Math.expm1(u) + (pb - both) * Math.expm1(v);
          expect(constant + pairs * Math.log(one)).toBeLessThanOrEqual(1e-9);
        });
      }),
    );
  });

  it('against a rate that is known from the past', () => {
    fc.assert(
      fc.property(requests, small, share, delta, allowance, (nc, rate, less, d, eps) => {
        const limit = { ratio: 1 + d, allowance: eps };
        const pc = less * Math.min(1, limit.ratio * rate + eps);
        const factors: Factors = (events) => eventFactorsAgainstPast(nc, events, rate, limit, 1);
        expect(largest(meansOfBernoulli(factors, nc, pc, 0, 0))).toBeLessThanOrEqual(ALLOWED);
      }),
    );
  });
});

describe('the mean of a factor against "worse" is at most 1', () => {
  it('for independent requests, any split, any rate of stable, any margin', () => {
    fc.assert(
      fc.property(requests, requests, share, share, allowance, dispersion, (nc, nb, u, more, margin, by) => {
        const pb = u * (1 - margin);
        const pc = pb + margin + more * (1 - pb - margin);
        const factors = promotionOf(nc, nb, { ratio: 1, allowance: margin }, by);
        expect(largest(meansOfBernoulli(factors, nc, pc, nb, pb))).toBeLessThanOrEqual(ALLOWED);
      }),
      { numRuns: 300 },
    );
  });
});

describe('factors of one second', () => {
  it('are those of its parts together, when both arms are split alike', () => {
    const counts = { candidateTotal: 10, candidateEvents: 3, stableTotal: 190, stableEvents: 2 };
    const part = { candidateTotal: 5, candidateEvents: 0, stableTotal: 95, stableEvents: 2 };
    const rest = { candidateTotal: 5, candidateEvents: 3, stableTotal: 95, stableEvents: 0 };
    const of = (one: ArmCounts) => eventFactors(one, { ratio: 1.5, allowance: 0.001 }, 2, MORE_EVENTS);
    of(counts).forEach((log, index) => expect(log).toBeCloseTo((of(part)[index] ?? 0) + (of(rest)[index] ?? 0), 12));
  });

  it('say nothing without requests in one of the arms', () => {
    const limit = { ratio: 1.5, allowance: 0.1 };
    const alone = { candidateTotal: 10, candidateEvents: 10, stableTotal: 0, stableEvents: 0 };
    expect(eventFactors(alone, limit, 1, MORE_EVENTS).every((log) => log === 0)).toBe(true);
    expect(slowFactors(alone, 0.5, 1).every((log) => log === 0)).toBe(true);
    expect(promote(openPromotion(), alone, limit, 1)).toEqual(openPromotion());
  });
});

describe('the bets', () => {
  it('are worth 1 in the mean after any number of fair factors, also when they are placed late', () => {
    // A fair coin: double or half of what is there, with a mean of 1.
    const won = Math.log(1.5);
    const lost = Math.log(0.5);
    for (const elapsed of [1, 3]) {
      let worlds = [{ bets: openBets(2), likely: 1 }];
      for (let second = 0; second < 9; second += 1)
        worlds = worlds.flatMap(({ bets, likely }) => [
          { bets: settle(bets, [won, lost], 20, elapsed), likely: likely / 2 },
          { bets: settle(bets, [lost, won], 20, elapsed), likely: likely / 2 },
        ]);
      const mean = worlds.reduce((sum, { bets, likely }) => sum + likely * evidenceOf(bets), 0);
      expect(mean).toBeCloseTo(1, 12);
    }
  });

  it('are worth exactly what they were while nothing happens, and all placed at the horizon', () => {
    let bets = openBets(7);
    for (let second = 0; second < 3_600; second += 1) bets = settle(bets, [0, 0, 0, 0, 0, 0, 0], 3_600);
    expect(evidenceOf(bets)).toBeCloseTo(1, 9);
    expect(bets.cash).toBe(0);
    expect(staked(1, 3_600)).toBe(0.5);
    expect(staked(3_600, 3_600)).toBe(1);
  });

  it('place what is due by the time that has passed, not by how often there was something to compare', () => {
    let often = openBets(1);
    for (let second = 0; second < 100; second += 1) often = settle(often, [0], 3_600);
    const seldom = settle(settle(openBets(1), [0], 3_600), [0], 3_600, 99);
    expect(seldom.cash).toBeCloseTo(often.cash, 12);
  });
});
