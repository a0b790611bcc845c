import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scheduledOperations, type ScheduledOperation } from './options.ts';
import { MixCycle, Schedule } from './schedule.ts';

const dueTimes = (schedule: Schedule, nowMs: number) => [...schedule.takeDue(nowMs)].map(({ dueMs }) => dueMs);

describe('a schedule', () => {
  it('gives each request its time, whatever became of those before', () => {
    const schedule = new Schedule(1000, 200, 60_000);
    expect(dueTimes(schedule, 1000)).toEqual([1000]);
    expect(dueTimes(schedule, 1012)).toEqual([1005, 1010]);
    expect(dueTimes(schedule, 1012)).toEqual([]);
    expect(schedule.nextMs).toBe(1015);
  });

  it('gives what was missed during a stall all at once, each with the time at which it was due', () => {
    const schedule = new Schedule(0, 100, 60_000);
    dueTimes(schedule, 0);
    expect(dueTimes(schedule, 1000)).toEqual(Array.from({ length: 100 }, (_, index) => (index + 1) * 10));
  });

  it('gives rate × duration requests however the clock is looked at, in order and never early', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 50 }),
        (rate, seconds, waits) => {
          const schedule = new Schedule(0, rate, seconds * 1000);
          let now = 0;
          let previous = -1;
          let count = 0;
          for (const wait of [...waits, seconds * 1000]) {
            now += wait;
            for (const { dueMs } of schedule.takeDue(now)) {
              expect(dueMs).toBeGreaterThan(previous);
              expect(dueMs).toBeLessThanOrEqual(now);
              previous = dueMs;
              count += 1;
            }
          }
          expect(count).toBe(rate * seconds);
          expect(schedule.nextMs).toBeNull();
        },
      ),
    );
  });
});

describe('a mix', () => {
  it('has each kind as often as its weight says in every turn of the cycle, and none of weight 0', () => {
    const weight = fc.integer({ min: 0, max: 20 });
    fc.assert(
      fc.property(fc.record({ echo: weight, chain: weight, post: weight, read: weight }), (mix) => {
        const total = mix.echo + mix.chain + mix.post + mix.read;
        fc.pre(total > 0);
        const cycle = new MixCycle(mix);
        const counts: Record<ScheduledOperation, number> = { echo: 0, chain: 0, post: 0, read: 0 };
        for (let turn = 0; turn < 3 * total; turn += 1) counts[cycle.next()] += 1;
        for (const operation of scheduledOperations) expect(counts[operation]).toBe(3 * mix[operation]);
      }),
    );
  });

  it('spreads a kind evenly instead of in bursts', () => {
    const cycle = new MixCycle({ echo: 4, chain: 0, post: 2, read: 0 });
    expect(Array.from({ length: 6 }, () => cycle.next()).join(' ')).toBe('echo post echo echo post echo');
  });
});
