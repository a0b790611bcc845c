import { describe, expect, it } from 'vitest';
import type { DurationMs } from '../units/quantities.ts';
import type { GroupPlan } from '../rollout/plan.ts';
import { forecastRollout, type RolloutOutlook } from './forecast-rollout.ts';
import { outlookOf, type TrafficOutlook } from './forecast-traffic.ts';
import { settingsOf } from './settings.ts';
import { balanced, oneRoute, seeded, simulatedLeg } from './testing/simulated-leg.ts';
import type { TrafficMinute } from './traffic-minute.ts';

const FROM = 1_700_000_040;

const minutesOf = (requestsPerSecond: number, count: number, errorShare = 0.001): readonly TrafficMinute[] =>
  simulatedLeg({
    seed: 3,
    requestsPerSecond,
    errorShare,
    routes: oneRoute(0),
    phases: [],
    settings: balanced,
    pastMinutes: count,
    from: FROM,
    after: 0,
  }).past;

const trafficOf = (requestsPerSecond: number): TrafficOutlook => {
  const outlook = outlookOf(minutesOf(requestsPerSecond, 3));
  if (outlook === null) throw new RangeError('minutes were observed');
  return outlook;
};

const deadline = 300_000 as DurationMs;
const steps = [5, 25, 50].map((weight) => ({ weight, holdMs: 60_000, bakeMs: 20_000 }));
const group: GroupPlan = { legs: [0], steps, holdback: 5, watchMs: 300_000, mirror: null };
const deadlines = {
  preparingMs: deadline,
  migratingMs: deadline,
  startingMs: deadline,
  checkingMs: deadline,
  steppingMs: deadline,
  switchedMs: deadline,
  revertingMs: deadline,
  retiringMs: deadline,
  pausedMs: (10 * deadline) as DurationMs,
};

const outlook = (traffic: TrafficOutlook | null, more: Partial<RolloutOutlook> = {}): RolloutOutlook => ({
  plan: { approval: false, idle: 'pause', deadlines },
  group,
  leg: { stable: { slot: 'blue', release: 'rel_1' as never }, migrations: false, smoke: false, mirror: null },
  settings: balanced,
  traffic,
  ...more,
});

describe('the forecast of a rollout', () => {
  it('has its stages, in full and if all is well', () => {
    const { stages, holdsMs, wellMs, warnings } = forecastRollout(outlook(trafficOf(400)));
    expect(stages.map(({ name, weight }) => [name, weight])).toEqual([
      ['step', 5],
      ['step', 25],
      ['step', 50],
      ['watch', 95],
    ]);
    expect(holdsMs).toBe(480_000);
    expect(wellMs).toBeLessThan(holdsMs);
    // No step is shorter than its bake time.
    expect(wellMs).toBeGreaterThanOrEqual(3 * 20_000 + 300_000);
    expect(warnings).toEqual([]);
  });

  it('says nothing of what it does not know without history', () => {
    const { stages, faults, wellMs, warnings, holdsMs } = forecastRollout(outlook(null));
    expect(wellMs).toBeNull();
    expect(warnings).toEqual([]);
    expect(holdsMs).toBe(480_000);
    for (const { smallest } of stages) expect(smallest).toEqual({ typical: null, quiet: null });
    for (const { seconds } of faults) expect(seconds).toEqual({ typical: null, quiet: null });
  });

  it('counts copies before users as time alone', () => {
    const mirror = { share: 100, shapes: false };
    const { stages, holdsMs } = forecastRollout(
      outlook(trafficOf(100), {
        group: { ...group, mirror: { holdMs: 30_000 } },
        leg: { ...outlook(null).leg, mirror },
      }),
    );
    expect(stages[0]).toMatchObject({ name: 'mirroring', weight: 100, holdMs: 30_000, smallest: { typical: null } });
    expect(holdsMs).toBe(510_000);
  });

  it('has no stages to wait for when there is nothing to compare with', () => {
    const { stages, faults, atMostMs } = forecastRollout(
      outlook(trafficOf(100), { leg: { ...outlook(null).leg, stable: null } }),
    );
    expect(stages.map(({ name, weight }) => [name, weight])).toEqual([['watch', 100]]);
    expect(faults.every(({ seconds }) => seconds.typical === null)).toBe(true);
    expect(atMostMs).toBe(3 * 300_000);
  });

  it('adds up the deadlines, and the time that a person may take', () => {
    const leg = { ...outlook(null).leg, smoke: true, migrations: true };
    const plain = forecastRollout(outlook(null, { leg })).atMostMs;
    expect(plain).toBe(5 * 300_000 + 3 * 360_000 + 2 * 300_000 + 60_000);
    const plan = { ...outlook(null).plan, approval: true };
    expect(forecastRollout(outlook(null, { leg, plan })).atMostMs).toBe(plain + 9 * 300_000);
  });

  it('warns when steps starve, and names ways that would do', () => {
    const { warnings, stages, wellMs, holdsMs } = forecastRollout(outlook(trafficOf(1)));
    const codes = warnings.map(({ code }) => code);
    expect(codes).toContain('starves');
    expect(codes).toContain('slow-to-see');
    for (const { instead } of warnings) expect(instead.join()).toContain('journeys');
    // A step waits for seconds with a request.
    expect(wellMs).toBeGreaterThan(holdsMs);
    expect(stages[0]?.wellMs).toBeGreaterThan(5 * 60_000);
  });

  it('proposes a weight that would not starve, and none where none would do', () => {
    const proposed = (requestsPerSecond: number): string =>
      forecastRollout(outlook(trafficOf(requestsPerSecond)))
        .warnings.find(({ code }) => code === 'starves')
        ?.instead.join() ?? '';
    const weight = Number(/weight of (\d+) %/.exec(proposed(2))?.[1]);
    const instead = { ...group, steps: [{ weight, holdMs: 60_000 }] };
    const codes = forecastRollout(outlook(trafficOf(2), { group: instead })).warnings.map(({ code }) => code);
    expect(codes).not.toContain('starves');
    expect(proposed(0.05)).not.toContain('weight of');
  });

  it('does not wait for traffic where a step goes on without', () => {
    const plan = { ...outlook(null).plan, idle: 'proceed' as const };
    const { wellMs, holdsMs, warnings } = forecastRollout(outlook(trafficOf(1), { plan }));
    expect(wellMs).toBe(holdsMs);
    expect(warnings.map(({ code }) => code)).not.toContain('starves');
    expect(warnings.map(({ code }) => code)).toContain('blind-step');
  });

  it('keeps its word: the watch window that it names finds what it says', () => {
    const traffic = trafficOf(2);
    const plan = { ...outlook(null).plan, idle: 'proceed' as const };
    const warning = forecastRollout(outlook(traffic, { plan })).warnings.find(({ code }) => code === 'slow-to-see');
    const minutes = Number(/watch: '(\d+)m'/.exec(warning?.instead.join() ?? '')?.[1]);
    expect(minutes).toBeGreaterThan(5);
    const longer = forecastRollout(outlook(traffic, { plan, group: { ...group, watchMs: minutes * 60_000 } }));
    expect(longer.warnings.map(({ code }) => code)).not.toContain('slow-to-see');
    expect(longer.stages.at(-1)?.smallest.quiet).toBeLessThanOrEqual(0.0502);
  });

  it('says that a switch of everything at once has nothing beside it', () => {
    const all = { ...group, steps: [], holdback: 0 };
    const { warnings, stages } = forecastRollout(outlook(trafficOf(100), { group: all }));
    expect(warnings.map(({ code }) => code)).toContain('no-comparison');
    expect(stages.at(-1)?.smallest.typical).not.toBeNull();
  });

  it('sees more with a less careful word', () => {
    const traffic = trafficOf(50);
    const smallest = (word: 'careful' | 'balanced' | 'fast'): number =>
      forecastRollout(outlook(traffic, { settings: { ...balanced, analysis: settingsOf(word) } })).stages[0]?.smallest
        .typical ?? 1;
    expect(smallest('careful')).toBeGreaterThan(smallest('balanced'));
    expect(smallest('balanced')).toBeGreaterThan(smallest('fast'));
  });
});

describe('the outlook on traffic', () => {
  const shifted = (minutes: readonly TrafficMinute[], by: number): readonly TrafficMinute[] =>
    minutes.map((one) => ({ ...one, minute: one.minute + by }));

  it('is null of nothing', () => {
    expect(outlookOf([])).toBeNull();
    expect(outlookOf(minutesOf(5, 2).map((one) => ({ ...one, observed: 0 })))).toBeNull();
  });

  it('tells typical hours from quiet ones', () => {
    const [minute] = minutesOf(60, 1);
    const [calm] = minutesOf(4, 1);
    if (minute === undefined || calm === undefined) throw new RangeError('one minute each');
    const start = Math.ceil(minute.minute / 60) * 60;
    const random = seeded(1);
    const day = Array.from({ length: 24 }, (_, hour) =>
      Array.from({ length: 60 }, (_, index) => ({
        ...(hour >= 1 && hour < 4 ? calm : minute),
        minute: start + hour * 60 + index,
      })).filter(() => random() < 0.98),
    ).flat();
    const outlook = outlookOf(day);
    expect(outlook?.typical.requestsPerSecond).toBeCloseTo(minute.errors.total / 60, 6);
    expect(outlook?.quiet.requestsPerSecond).toBeCloseTo(calm.errors.total / 60, 6);
    expect(outlook?.minutes).toBe(day.length);
    expect(outlook?.typical.errorShare).toBe(outlook?.quiet.errorShare);
  });

  it('takes minutes where no hour was observed for long', () => {
    const minutes = shifted(minutesOf(20, 4), 0);
    expect(outlookOf(minutes)?.typical.requestsPerSecond).toBeCloseTo(20, -1);
  });

  it('knows how errors cluster', () => {
    expect(outlookOf(minutesOf(50, 5, 0.02))?.typical.dispersion).toBeLessThan(1.5);
  });
});
