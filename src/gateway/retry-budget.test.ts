import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RetryBudget } from './retry-budget.ts';

const spend = (budget: RetryBudget, now: number, most = 1_000): number => {
  let spent = 0;
  while (spent < most && budget.withdraw(now)) spent += 1;
  return spent;
};

describe('a budget of retries', () => {
  it('has a share of the requests, and what is there without any', () => {
    const budget = new RetryBudget(0.1, 0.5);
    expect(spend(budget, 0)).toBe(5);
    for (let i = 0; i < 100; i += 1) budget.deposit(0);
    expect(spend(budget, 0)).toBe(10);
  });

  it('forgets requests and retries of more than ten seconds ago', () => {
    const budget = new RetryBudget(0.5, 0);
    for (let i = 0; i < 10; i += 1) budget.deposit(500);
    expect(spend(budget, 500)).toBe(5);
    expect(spend(budget, 9_999)).toBe(0);
    for (let i = 0; i < 4; i += 1) budget.deposit(9_999);
    expect(spend(budget, 9_999)).toBe(2);
    // The first second is out of the window: only 4 requests and 2 retries are left.
    expect(spend(budget, 10_000)).toBe(0);
    for (let i = 0; i < 2; i += 1) budget.deposit(10_000);
    expect(spend(budget, 10_000)).toBe(1);
    expect(spend(budget, 1_000_000)).toBe(0);
  });

  it('counts on when the clock goes back', () => {
    const budget = new RetryBudget(1, 0);
    budget.deposit(20_000);
    budget.deposit(3_000);
    expect(spend(budget, 3_000)).toBe(2);
    expect(spend(budget, 20_000)).toBe(0);
  });

  it('is never overdrawn: retries of any ten seconds are at most the share of their requests and the floor', () => {
    const event = fc.record({ gapMs: fc.integer({ min: 0, max: 4_000 }), retry: fc.boolean() });
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 200 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(2),
        (events, ratio, floor) => {
          const budget = new RetryBudget(ratio, floor);
          const requests: number[] = [];
          const retries: number[] = [];
          let now = 0;
          for (const { gapMs, retry } of events) {
            now += gapMs;
            const second = Math.floor(now / 1000);
            const within = (seconds: number[]): number => seconds.filter((at) => at > second - 10).length;
            if (!retry) {
              budget.deposit(now);
              requests.push(second);
              continue;
            }
            const allowed = within(retries) + 1 <= ratio * within(requests) + floor * 10;
            expect(budget.withdraw(now)).toBe(allowed);
            if (allowed) retries.push(second);
          }
        },
      ),
    );
  });
});
