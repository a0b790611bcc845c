import { describe, expect, it } from 'vitest';
import { settingsOf } from '../core/analysis/settings.ts';
import type { Journey, MetricSource } from '../core/spec/platform.ts';
import type { MetricCount } from '../core/traffic.ts';
import type { MetricAnswer, MetricSourceDriver } from '../drivers/metric/metric.ts';
import { AnalystScene, armSecond, trafficSecond } from './testing/analyst-scene.ts';
import { judgeSettingsOf } from './analyst-settings.ts';

const share = { name: 'declined', kind: 'share', weight: 0.3, delta: 0.5 } as const;
const command = {
  kind: 'command',
  command: ['./count'],
  everyMs: 2_000,
  timeoutMs: 1_000,
} as unknown as MetricSource;
const steady = (second: number) => trafficSecond(second, armSecond(95), armSecond(5));
const silent = (second: number) => trafficSecond(second, armSecond(0), armSecond(0));

const counts = (metric: string, stable: MetricCount | null, candidate: MetricCount | null): MetricAnswer => ({
  sample: { metric, arms: { stable, candidate } },
  trouble: stable === null || candidate === null ? 'nobody answers: start it' : null,
});
const driver = (answer: () => Promise<MetricAnswer>, everyMs = 2_000): MetricSourceDriver & { asked: number } => {
  const made = {
    everyMs,
    asked: 0,
    ask: () => {
      made.asked += 1;
      return answer();
    },
  };
  return made;
};
const declaring = (source: MetricSource = command) => ({
  ...settingsOf('balanced'),
  metrics: [share],
  sources: { declined: source },
});

describe('a declared metric', () => {
  it('is asked in its own rhythm, and what it says is in the next closed second', async () => {
    const source = driver(async () => counts('declined', { events: 1, total: 100 }, { events: 2, total: 5 }));
    const scene = new AnalystScene({
      startMs: 1_000_000,
      holdMs: 60_000,
      traffic: steady,
      analysis: declaring(),
      sources: new Map([['declined', source]]),
    });
    await scene.play(20_000);
    expect(source.asked).toBe(10);
    const seconds = scene.store.read('dep_1', 0)?.seconds ?? [];
    const sampled = seconds.filter(({ traffic }) => traffic.samples !== undefined);
    expect(sampled.map(({ traffic }) => traffic.second)).toEqual([
      1_000,
      ...Array.from({ length: 9 }, (_, index) => 1_001 + 2 * index),
    ]);
    expect(sampled[0]?.traffic.samples).toEqual([
      { metric: 'declined', arms: { stable: { events: 1, total: 100 }, candidate: { events: 2, total: 5 } } },
    ]);
  });

  it('takes a release back by itself', async () => {
    const source = driver(async () => counts('declined', { events: 1, total: 95 }, { events: 3, total: 5 }));
    const scene = new AnalystScene({
      startMs: 1_000_000,
      holdMs: 60_000,
      traffic: steady,
      analysis: declaring(),
      sources: new Map([['declined', source]]),
    });
    await scene.play(30_000);
    const worse = scene.analyses().find(({ event }) => event.verdict === 'worse');
    expect(worse?.event.evidence.summary).toContain('declined');
  });

  it('that is slow, or does not answer at all, delays no verdict', async () => {
    const faulty = (second: number) => trafficSecond(second, armSecond(95), armSecond(5, second >= 1_005 ? 3 : 0));
    const verdictAt = async (sources: ReadonlyMap<string, MetricSourceDriver>): Promise<number | undefined> => {
      const scene = new AnalystScene({
        startMs: 1_000_000,
        holdMs: 60_000,
        traffic: faulty,
        analysis: declaring(),
        sources,
      });
      await scene.play(40_000);
      return scene.analyses().find(({ event }) => event.verdict === 'worse')?.at;
    };
    const hanging = driver(() => new Promise(() => {}));
    const without = await verdictAt(new Map());
    expect(without).toBeDefined();
    expect(await verdictAt(new Map([['declined', hanging]]))).toBe(without);
    // It is given up and asked again, one question at a time.
    expect(hanging.asked).toBe(4);
  });

  it('that cannot be asked is told, in words, until it can', async () => {
    let works = false;
    const source = driver(async () =>
      works ? counts('declined', { events: 0, total: 9 }, { events: 0, total: 1 }) : counts('declined', null, null),
    );
    const scene = new AnalystScene({
      startMs: 1_000_000,
      holdMs: 60_000,
      traffic: steady,
      analysis: declaring(),
      sources: new Map([['declined', source]]),
    });
    await scene.play(5_000);
    expect(scene.analyst.notes('dep_1', 0)).toEqual(['declined: nobody answers: start it']);
    expect(scene.analyst.allNotes()).toEqual(['api: declined: nobody answers: start it']);
    // Once, not with every question.
    expect(scene.warnings).toEqual(['dep_1: api: declined: nobody answers: start it']);
    works = true;
    await scene.play(3_000);
    expect(scene.analyst.notes('dep_1', 0)).toEqual([]);
  });

  it('that throws is in trouble, no more', async () => {
    const source = driver(() => Promise.reject(new Error('out of cheese')));
    const scene = new AnalystScene({
      startMs: 1_000_000,
      holdMs: 60_000,
      traffic: steady,
      analysis: declaring(),
      sources: new Map([['declined', source]]),
    });
    await scene.play(5_000);
    expect(scene.analyst.notes('dep_1', 0)).toEqual(['declined: out of cheese']);
    expect(source.asked).toBe(3);
  });

  it('that does not answer for a minute with traffic pauses the deployment, until it answers', async () => {
    let works = false;
    const source = driver(async () =>
      works ? counts('declined', { events: 0, total: 9 }, { events: 0, total: 1 }) : counts('declined', null, null),
    );
    const options = {
      startMs: 1_000_000,
      holdMs: 600_000,
      traffic: steady,
      analysis: declaring(),
      sources: new Map([['declined', source]]),
    };
    const scene = new AnalystScene(options);
    await scene.play(58_000);
    expect(scene.conditions()).toEqual([]);
    await scene.play(4_000);
    expect(scene.conditions()).toMatchObject([{ holds: true }]);
    expect(scene.conditions()[0]?.reason).toContain('declined');
    // A control plane that is started anew does not forget it.
    scene.state = { ...scene.state, holds: [{ reason: 'metrics-missing', since: 1_060_000, text: 'declined' }] };
    scene.restart();
    await scene.play(10_000);
    expect(scene.conditions()).toHaveLength(1);
    works = true;
    await scene.play(4_000);
    expect(scene.conditions().slice(1)).toMatchObject([{ holds: false }]);
  });

  it('that does not answer while there is no traffic pauses nothing', async () => {
    const scene = new AnalystScene({
      startMs: 1_000_000,
      holdMs: 600_000,
      traffic: silent,
      analysis: declaring(),
      sources: new Map([['declined', driver(async () => counts('declined', null, null))]]),
    });
    await scene.play(120_000);
    expect(scene.conditions()).toEqual([]);
  });

  it('is not asked any more once the release is taken back', async () => {
    const source = driver(async () => counts('declined', { events: 0, total: 9 }, { events: 0, total: 1 }));
    const scene = new AnalystScene({
      startMs: 1_000_000,
      holdMs: 60_000,
      traffic: steady,
      analysis: declaring(),
      sources: new Map([['declined', source]]),
    });
    await scene.play(5_000);
    const { asked } = source;
    scene.state = { ...scene.state, phase: 'reverting', stage: 'routing' };
    scene.analyst.changed(scene.state);
    await scene.play(10_000);
    expect(source.asked).toBe(asked);
  });

  it('of client errors comes with every second, from the router, without being asked for', async () => {
    const scene = new AnalystScene({
      startMs: 1_000_000,
      holdMs: 60_000,
      traffic: (second) => trafficSecond(second, armSecond(95), { ...armSecond(5), clientErrors: 4 }),
      analysis: declaring({ kind: 'client-errors' }),
    });
    await scene.play(20_000);
    const seconds = scene.store.read('dep_1', 0)?.seconds ?? [];
    expect(seconds[3]?.traffic.samples).toEqual([
      { metric: 'declined', arms: { stable: { events: 0, total: 95 }, candidate: { events: 4, total: 5 } } },
    ]);
    expect(scene.analyses().some(({ event }) => event.verdict === 'worse')).toBe(true);
  });
});

describe('journeys', () => {
  const journeys = [{ name: 'buy', everyMs: 2_000, timeoutMs: 1_000, steps: [] }] as unknown as readonly Journey[];
  const analysis = { ...settingsOf('balanced'), sources: {}, journeys };
  const scene = (failedOfTen: number) =>
    new AnalystScene({
      startMs: 1_000_000,
      holdMs: 30_000,
      traffic: silent,
      analysis,
      sources: new Map([
        [
          'journeys',
          driver(async () => counts('journeys', { events: 0, total: 10 }, { events: failedOfTen, total: 10 })),
        ],
      ]),
    });

  it('are a metric of their own, with room for it', () => {
    const limits = {} as never;
    const own = judgeSettingsOf({ limits, analysis }).analysis.metrics;
    expect(own).toMatchObject([{ name: 'journeys', kind: 'share' }]);
    const crowded = judgeSettingsOf({
      limits,
      analysis: { ...analysis, metrics: [{ ...share, weight: 0.9 }] },
    }).analysis.metrics;
    const sum = crowded.reduce((total, metric) => total + (metric.kind === 'limit' ? 0 : metric.weight), 0);
    expect(sum).toBeLessThanOrEqual(0.9 + 1e-9);
    // Who says how much they count is taken at his word.
    const said = { name: 'journeys', kind: 'share', weight: 0.5, delta: 0.2 } as const;
    expect(judgeSettingsOf({ limits, analysis: { ...analysis, metrics: [said] } }).analysis.metrics).toEqual([said]);
  });

  it("make a step's time pass for a service that nobody uses", async () => {
    const good = scene(0);
    await good.play(36_000);
    expect(good.analyses().every(({ event }) => event.verdict !== 'worse')).toBe(true);
    expect(good.trafficMs()).toBeGreaterThanOrEqual(30_000);
  });

  it('that are run less often than they are looked at make time pass in between, too', async () => {
    let asked = 0;
    const rare = {
      ...driver(async () => {
        asked += 1;
        const count = { events: 0, total: asked % 10 === 1 ? 1 : 0 };
        return counts('journeys', count, count);
      }, 1_000),
      rhythmMs: 10_000,
    };
    const quiet = new AnalystScene({
      startMs: 1_000_000,
      holdMs: 30_000,
      traffic: silent,
      analysis,
      sources: new Map([['journeys', rare]]),
    });
    await quiet.play(36_000);
    expect(quiet.trafficMs()).toBeGreaterThanOrEqual(30_000);
  });

  it('take back a release that fails them, though nobody uses it', async () => {
    const bad = scene(6);
    await bad.play(30_000);
    const worse = bad.analyses().find(({ event }) => event.verdict === 'worse');
    expect(worse?.event.evidence.summary).toContain('journeys');
  });

  it('that do not run make no time pass', async () => {
    const still = new AnalystScene({
      startMs: 1_000_000,
      holdMs: 30_000,
      traffic: silent,
      analysis,
      sources: new Map([['journeys', driver(async () => counts('journeys', null, null))]]),
    });
    await still.play(36_000);
    expect(still.trafficMs()).toBe(0);
  });
});
