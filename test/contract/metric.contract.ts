import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Arm } from '../../src/core/slot.ts';
import type { MetricAnswer, MetricScope, MetricSourceDriver } from '../../src/drivers/metric/metric.ts';
import { until } from './router-instance.ts';

const ARMS = ['stable', 'candidate'] as const;

/** A metric of kind `share`, where nothing has happened yet, and how to make something happen. */
export interface MetricUnderTest {
  readonly driver: MetricSourceDriver;
  readonly scope: MetricScope;
  /** Those that it can tell something of. */
  readonly arms: readonly Arm[];
  /** Its first answer only sets a zero. */
  readonly startsAtZero: boolean;
  /** It counts its own questions besides what happens, so that totals grow by themselves. */
  readonly asksByItself: boolean;
  /** What is made to happen at once: events out of a total. */
  readonly unit: { readonly events: number; readonly total: number };
  /** Lets one unit happen to an arm; resolved when the source can know. */
  happen(arm: Arm): Promise<void>;
  /** Spoils the source; null heals it. Which arms it concerns, and what must be said of them: that they are null, or an event. */
  readonly faults: Readonly<
    Record<string, { readonly arms: readonly Arm[]; readonly said: RegExp; readonly is: 'null' | 'event' }>
  >;
  spoil(fault: string | null): Promise<void>;
  end(): Promise<void>;
}

/** Longest that a question may take, in milliseconds: limits of a second at most are declared, and a machine may be busy. */
const LONGEST_MS = 10_000;

/** What every source of metrics does. */
export function metricContract(name: string, faults: readonly string[], start: () => Promise<MetricUnderTest>): void {
  describe(`metrics of ${name}`, () => {
    let subject: MetricUnderTest;
    let heard: Record<Arm, { events: number; total: number; answers: number }>;

    beforeEach(async () => {
      subject = await start();
      heard = { stable: { events: 0, total: 0, answers: 0 }, candidate: { events: 0, total: 0, answers: 0 } };
    });
    afterEach(() => subject.end());

    async function ask(): Promise<MetricAnswer> {
      const answer = await subject.driver.ask(subject.scope, AbortSignal.timeout(LONGEST_MS));
      for (const arm of ARMS) {
        const count = answer.sample.arms[arm];
        if (count === null) continue;
        heard[arm].answers += 1;
        heard[arm].events += count.events;
        heard[arm].total += count.total ?? 0;
      }
      return answer;
    }

    /** Asks until it has a zero for every arm. */
    async function begin(): Promise<void> {
      await until(async () => {
        const { sample } = await ask();
        return subject.arms.every((arm) => sample.arms[arm] !== null);
      }, 'all arms are counted');
      for (const arm of ARMS) heard[arm] = { events: 0, total: 0, answers: 0 };
    }

    async function heardAll(): Promise<void> {
      await until(
        async () => {
          await ask();
          return subject.arms.every((arm) => heard[arm].events >= expected[arm].events);
        },
        `${JSON.stringify(expected)} is counted`,
      );
      // Twice more: nothing is counted again.
      await ask();
      await ask();
      for (const arm of subject.arms) {
        expect(heard[arm].events).toBe(expected[arm].events);
        if (subject.asksByItself) expect(heard[arm].total).toBeGreaterThanOrEqual(expected[arm].total);
        else expect(heard[arm].total).toBe(expected[arm].total);
      }
    }

    let expected: Record<Arm, { events: number; total: number }>;
    beforeEach(() => {
      expected = { stable: { events: 0, total: 0 }, candidate: { events: 0, total: 0 } };
    });
    async function happen(arm: Arm): Promise<void> {
      await subject.happen(arm);
      expected[arm].events += subject.unit.events;
      expected[arm].total += subject.unit.total;
    }

    it('say their name, and begin with a zero when they count from then on', async () => {
      for (const arm of subject.arms) await subject.happen(arm);
      const { sample } = await ask();
      expect(sample.metric).toBe('declined');
      if (subject.startsAtZero) expect(sample.arms).toEqual({ stable: null, candidate: null });
      expect(subject.driver.everyMs).toBeGreaterThan(0);
    });

    it('count what happens, once, for the arm that it happens to', async () => {
      await begin();
      for (const arm of subject.arms) await happen(arm);
      await heardAll();
      await happen('candidate');
      await heardAll();
    });

    it('say nothing of an arm that they cannot tell anything of', async () => {
      await begin();
      await happen('candidate');
      await heardAll();
      for (const arm of ARMS) expect(heard[arm].answers > 0).toBe(subject.arms.includes(arm));
    });

    it.each(faults)(
      'end in time when the source is %s, say what is wrong, and go on once it is healed',
      async (fault) => {
        await begin();
        const { arms, said, is } = subject.faults[fault] ?? { arms: [], said: /$^/, is: 'null' };
        await subject.spoil(fault);
        const told: string[] = [];
        const failed = (): boolean =>
          told.some((text) => said.test(text)) && arms.every((arm) => is === 'null' || heard[arm].events > 0);
        await until(
          async () => {
            const begun = performance.now();
            const { sample, trouble } = await ask();
            expect(performance.now() - begun).toBeLessThan(LONGEST_MS);
            told.push(trouble ?? '', ...(subject.driver.failures?.() ?? []).map(({ found }) => found));
            if (is === 'null' && trouble !== null) for (const arm of arms) expect(sample.arms[arm]).toBeNull();
            return failed();
          },
          `something like ${said} is said`,
          20_000,
        );
        for (const text of told) expect(text).not.toMatch(/[\n\r\0]/);

        if (!subject.asksByItself) {
          // What happens in a time of which nothing was said is said of no other time either.
          for (const arm of arms) await subject.happen(arm);
          await ask();
          for (const arm of arms) heard[arm] = { events: 0, total: 0, answers: 0 };
          await subject.spoil(null);
          await until(async () => {
            await ask();
            return arms.every((arm) => heard[arm].answers > 0);
          }, 'the arms are counted again');
          for (const arm of arms) expect(heard[arm]).toMatchObject({ events: 0, total: 0 });
          await begin();
          for (const arm of subject.arms) await happen(arm);
          await heardAll();
        } else {
          await subject.spoil(null);
          // What had begun while it was spoiled may still end.
          let before = -1;
          await until(async () => {
            const { sample } = await ask();
            const candidate = sample.arms.candidate ?? { events: 1, total: 0 };
            before = candidate.events;
            return before === 0 && (candidate.total ?? 0) > 0;
          }, 'runs pass again');
        }
      },
    );

    it('end at once when nobody wants to know any more', async () => {
      await begin();
      await subject.spoil('silent');
      const abort = new AbortController();
      const answer = subject.driver.ask(subject.scope, abort.signal).catch((error: unknown) => error);
      abort.abort(new Error('nobody wants to know'));
      const begun = performance.now();
      const outcome = await answer;
      expect(performance.now() - begun).toBeLessThan(500);
      // Only what runs journeys waits for nothing: it has answered by then, and says so the next time.
      if (subject.driver.failures === undefined) expect(outcome).toEqual(new Error('nobody wants to know'));
      await expect(subject.driver.ask(subject.scope, abort.signal)).rejects.toThrow('nobody wants to know');
    });
  });
}
