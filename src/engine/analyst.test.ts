import { describe, expect, it } from 'vitest';
import { replay } from '../core/analysis/replay.ts';
import { MirrorCounts } from '../core/mirror-counts.ts';
import { StoreUnavailableError } from '../errors.ts';
import { MemoryEvidenceStore } from '../store/memory-evidence-store.ts';
import { AnalystScene, armSecond, trafficSecond } from './testing/analyst-scene.ts';

const steady =
  (candidate = 5) =>
  (second: number) =>
    trafficSecond(second, armSecond(5), armSecond(candidate));

describe('a window', () => {
  it('is over when its time is, in the middle of a second, when the router can say what is counted of that', async () => {
    const scene = new AnalystScene({ startMs: 1_000_400, canSayCurrent: true, traffic: steady() });
    await scene.play(2_999);
    expect(scene.observed()).toBeLessThan(3_000);
    await scene.play(60);
    expect(scene.observed()).toBeGreaterThanOrEqual(3_000);
    expect(scene.trafficMs()).toBe(scene.observed());
    // What is told is what has passed, no more.
    expect(scene.told.at(-1)?.at).toBe(1_000_400 + scene.observed());
  });

  it('is over with the first whole second behind it when the router only knows whole seconds', async () => {
    const scene = new AnalystScene({ startMs: 1_000_400, traffic: steady() });
    await scene.play(3_800);
    expect(scene.observed()).toBeLessThan(3_000);
    await scene.play(200);
    expect(scene.observed()).toBe(3_600);
    expect(scene.told.at(-1)?.at).toBe(1_004_300);
  });

  it('never counts time twice: what was observed is never more than what has passed', async () => {
    for (const startMs of [1_000_000, 1_000_001, 1_000_250, 1_000_999]) {
      const scene = new AnalystScene({ startMs, canSayCurrent: true, traffic: steady() });
      await scene.play(20_000);
      expect(scene.observed()).toBeLessThanOrEqual((scene.told.at(-1)?.at ?? 0) - startMs);
      expect(scene.observed()).toBeGreaterThan(10_000);
    }
  });

  it('that lacks nothing but traffic is looked at with every second, not all the time', async () => {
    const scene = new AnalystScene({ startMs: 1_000_400, canSayCurrent: true, traffic: steady(0) });
    await scene.play(20_000);
    expect(scene.trafficMs()).toBe(0);
    expect(scene.told.length).toBeLessThanOrEqual(25);
  });

  it('has traffic while copies are compared', async () => {
    const mirror = { ...new MirrorCounts().read(), pairs: 5 };
    const scene = new AnalystScene({
      startMs: 1_000_000,
      traffic: (second) => ({ ...trafficSecond(second, armSecond(5), armSecond(0)), mirror }),
    });
    await scene.play(6_000);
    expect(scene.trafficMs()).toBeGreaterThanOrEqual(3_000);
  });
});

describe('the record of a leg', () => {
  it('has every closed second with where the deployment was, and gives the same verdict again', async () => {
    const traffic = (second: number) => trafficSecond(second, armSecond(95), armSecond(5, second >= 1_010 ? 2 : 0));
    const scene = new AnalystScene({ startMs: 1_000_400, holdMs: 60_000, traffic });
    await scene.play(30_000);
    const record = scene.store.read('dep_1', 0);
    expect(record).not.toBeNull();
    if (record === null) return;
    expect(record).toMatchObject({
      service: 'api',
      environment: 'production',
      stable: 'rel_api-v1',
      candidate: 'rel_api-v2',
    });
    expect(record.settings.analysis.word).toBe('balanced');
    expect(record.seconds.map(({ traffic: { second } }) => second)).toEqual(
      Array.from({ length: 30 }, (_, index) => 1_000 + index),
    );
    expect(record.seconds[3]).toMatchObject({ weight: 5, phase: 'stepping', step: 0 });
    // When it is replayed, then the same second has the verdict.
    const worse = scene.analyses().find(({ event }) => event.verdict === 'worse');
    const { seconds, worseAt } = replay(record);
    const again = seconds[worseAt ?? -1];
    expect(again?.evidence.worse).toBe(worse?.event.evidence.worse);
    expect(again?.seen.traffic.second).toBe(Math.floor((worse?.at ?? 0) / 1_000) - 1);
  });

  it('begins with what stable was like before', async () => {
    const scene = new AnalystScene({ startMs: 1_000_400, traffic: steady() });
    await scene.play(3_000);
    // The router of this scene knows five seconds from before.
    expect(scene.store.read('dep_1', 0)?.past).toMatchObject([{ minute: 16, observed: 5, errors: { total: 25 } }]);
  });

  it('has the settings that the release declares, defaults where it declares none', async () => {
    const scene = new AnalystScene({ startMs: 1_000_000, traffic: steady(), analysis: { word: 'careful', delta: 1 } });
    await scene.play(2_000);
    const analysis = scene.store.read('dep_1', 0)?.settings.analysis;
    expect(analysis).toMatchObject({ word: 'careful', alpha: 0.001, delta: 1, minErrors: 3 });
    expect(analysis).not.toHaveProperty('sources');
  });
});

describe('a control plane that dies', () => {
  // Slightly worse: the evidence takes its time.
  const traffic = (second: number) =>
    trafficSecond(second, armSecond(95, second % 23 === 0 ? 1 : 0), armSecond(5, second % 9 === 0 ? 1 : 0));
  const play = async (deathAt: number | null, forgets = false) => {
    const scene = new AnalystScene({ startMs: 1_000_400, holdMs: 600_000, traffic });
    if (deathAt === null) await scene.play(240_000);
    else {
      await scene.play(deathAt);
      scene.die();
      await scene.play(17_300);
      scene.restart(forgets ? new MemoryEvidenceStore() : scene.store);
      await scene.play(240_000 - deathAt - 17_300);
    }
    return { scene, worse: scene.analyses().find(({ event }) => event.verdict === 'worse') };
  };

  it('leaves the next one where it was: the same evidence, the same verdict, at the same second', async () => {
    const through = await play(null);
    expect(through.worse).toBeDefined();
    for (const deathAt of [1_100, 25_000, 40_700]) {
      const broken = await play(deathAt);
      // What came out while nobody looked is told as soon as somebody does.
      const isDead = (at: number): boolean => at > 1_000_400 + deathAt && at < 1_000_400 + deathAt + 17_300;
      if (!isDead(through.worse?.at ?? 0)) expect(broken.worse?.at).toBe(through.worse?.at);
      else expect(broken.worse?.at).toBeLessThanOrEqual(1_000_400 + deathAt + 17_300 + 500);
      expect(broken.worse?.event.evidence).toEqual(through.worse?.event.evidence);
      expect(broken.scene.store.read('dep_1', 0)).toEqual(through.scene.store.read('dep_1', 0));
    }
  });

  it('is not asked what it meant to judge by: the settings in the record are those of the whole rollout', async () => {
    const store = new MemoryEvidenceStore();
    const first = new AnalystScene({
      startMs: 1_000_000,
      holdMs: 60_000,
      traffic,
      store,
      analysis: { word: 'careful' },
    });
    await first.play(5_000);
    first.die();
    const second = new AnalystScene({ startMs: 1_005_000, holdMs: 60_000, traffic, store, analysis: { word: 'fast' } });
    await second.play(30_000);
    expect(second.analyses().at(-1)?.event.evidence.threshold).toBe(1_000);
  });

  it('counts no time for the window in which nobody looked', async () => {
    const { scene } = await play(20_000);
    expect(scene.observed()).toBeLessThanOrEqual(240_000 - 17_300);
    expect(scene.observed()).toBeGreaterThan(240_000 - 17_300 - 10_000);
  });

  it('leaves missing counts missing until there are some', async () => {
    const scene = new AnalystScene({
      startMs: 1_000_000,
      holdMs: 60_000,
      traffic: steady(),
      state: { holds: [{ reason: 'metrics-missing', since: 999_000, text: 'no counts' }] },
    });
    scene.routerIsGone = true;
    await scene.play(5_000);
    expect(scene.conditions()).toEqual([]);
    scene.routerIsGone = false;
    await scene.play(2_000);
    expect(scene.conditions()).toMatchObject([{ holds: false }]);
  });
});

describe('a store that cannot be written', () => {
  class Failing extends MemoryEvidenceStore {
    fails = false;
    override begin(...head: Parameters<MemoryEvidenceStore['begin']>): void {
      this.#check();
      super.begin(...head);
    }
    override append(...seconds: Parameters<MemoryEvidenceStore['append']>): void {
      this.#check();
      super.append(...seconds);
    }
    override read(...which: Parameters<MemoryEvidenceStore['read']>) {
      this.#check();
      return super.read(...which);
    }
    #check(): void {
      if (this.fails) throw new StoreUnavailableError('evidence.db', 'the disk is full', 'Free some space.');
    }
  }
  const failsLate = (second: number) => trafficSecond(second, armSecond(95), armSecond(5, second >= 1_012 ? 3 : 0));

  it('stops no verdict, is told, and gets everything once it can be written again', async () => {
    const store = new Failing();
    const scene = new AnalystScene({ startMs: 1_000_000, holdMs: 60_000, traffic: failsLate, store });
    await scene.play(5_000);
    store.fails = true;
    await scene.play(15_000);
    expect(scene.analyses().some(({ event }) => event.verdict === 'worse')).toBe(true);
    expect(scene.troubles.at(-1)).toContain('the disk is full');
    store.fails = false;
    await scene.play(5_000);
    expect(scene.troubles.at(-1)).toBeNull();
    expect(scene.store.read('dep_1', 0)?.seconds.map(({ traffic }) => traffic.second)).toEqual(
      Array.from({ length: 24 }, (_, index) => 1_000 + index),
    );
  });

  it('leaves no hole in a record that could not be read', async () => {
    const store = new Failing();
    const scene = new AnalystScene({ startMs: 1_000_000, holdMs: 60_000, traffic: failsLate, store });
    await scene.play(5_000);
    scene.die();
    store.fails = true;
    scene.restart();
    await scene.play(5_000);
    store.fails = false;
    await scene.play(10_000);
    const seconds = store.read('dep_1', 0)?.seconds.map(({ traffic }) => traffic.second) ?? [];
    expect(seconds).toEqual(Array.from({ length: seconds.length }, (_, index) => 1_000 + index));
    expect(scene.analyses().some(({ event }) => event.verdict === 'worse')).toBe(true);
  });
});
