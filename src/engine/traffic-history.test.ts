import { describe, expect, it } from 'vitest';
import type { TrafficSecond } from '../core/traffic.ts';
import type { Router } from '../drivers/router/router.ts';
import { MemoryEvidenceStore } from '../store/memory-evidence-store.ts';
import { EvidenceBook } from './evidence-book.ts';
import { armSecond, trafficSecond } from './testing/analyst-scene.ts';
import { TrafficHistory } from './traffic-history.ts';

const KEPT_SECONDS = 960;

/** A router that keeps 16 minutes, services that are live, and a clock that is moved by hand. */
function scene(services: readonly string[], traffic: (second: number) => TrafficSecond | null) {
  const startMs = 6_000_000;
  let now = startMs;
  let gone = false;
  let asked = 0;
  const timers = new Set<{ readonly at: number; readonly callback: () => void }>();
  const store = new MemoryEvidenceStore();
  const clock = {
    now: () => now,
    after: (delayMs: number, callback: () => void) => {
      const timer = { at: now + delayMs, callback };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
  };
  const router = {
    traffic: async (_service: string, after: number) => {
      asked += 1;
      if (gone) throw new Error('the router is gone');
      const last = Math.floor(now / 1_000) - 1;
      const from = Math.max(after + 1, last - KEPT_SECONDS + 1, startMs / 1_000);
      return Array.from({ length: Math.max(0, last - from + 1) }, (_, index) => from + index).flatMap(
        (second) => traffic(second) ?? [],
      );
    },
  } as unknown as Router;
  const evidence = new EvidenceBook(store, () => undefined);
  const open = () => {
    const made = new TrafficHistory({
      clock,
      evidence,
      live: () => services.map((service) => ({ environment: 'production', service })),
      router: () => router,
    });
    made.start();
    return made;
  };
  let history = open();
  return {
    store,
    get history() {
      return history;
    },
    get asked() {
      return asked;
    },
    play: async (forMs: number) => {
      for (const end = now + forMs; ;) {
        const next = [...timers].sort((a, b) => a.at - b.at)[0];
        if (next === undefined || next.at > end) {
          now = end;
          return;
        }
        timers.delete(next);
        now = Math.max(now, next.at);
        next.callback();
        for (let turn = 0; turn < 20 + 10 * services.length; turn += 1) await Promise.resolve();
      }
    },
    lose: (isGone: boolean) => void (gone = isGone),
    die: () => history.close(),
    restart: () => void (history = open()),
  };
}

const steady = (second: number) => trafficSecond(second, armSecond(10, second % 30 === 0 ? 1 : 0), armSecond(0));

describe('the history of traffic', () => {
  it('keeps every minute of every live service once it is over, at one question a minute each', async () => {
    const { store, play } = scene(['api', 'web'], steady);
    await play(10 * 60_000 + 9_000);
    for (const service of ['api', 'web']) {
      const minutes = store.minutes('production', service, 0);
      expect(minutes.map(({ minute }) => minute)).toEqual(Array.from({ length: 10 }, (_, index) => 100 + index));
      for (const minute of minutes) {
        expect(minute).toMatchObject({ observed: 60, errors: { seconds: 60, total: 600, events: 2 } });
        expect(minute).not.toHaveProperty('stable');
      }
    }
  });

  it('asks no more often than that', async () => {
    const played = scene(
      Array.from({ length: 50 }, (_, index) => `service-${index}`),
      steady,
    );
    await played.play(10 * 60_000);
    expect(played.asked).toBeLessThanOrEqual(11 * 50);
    expect(played.store.minutes('production', 'service-49', 0).length).toBeGreaterThanOrEqual(9);
  });

  it('fills the gap of a restart, as far as the router remembers', async () => {
    const { store, play, die, restart } = scene(['api'], steady);
    await play(3 * 60_000 + 9_000);
    die();
    await play(7 * 60_000);
    restart();
    await play(60_000);
    expect(store.minutes('production', 'api', 0).map(({ minute }) => minute)).toEqual(
      Array.from({ length: 11 }, (_, index) => 100 + index),
    );
    // Longer than the router remembers
    die();
    await play(40 * 60_000);
    restart();
    await play(2 * 60_000);
    const minutes = store.minutes('production', 'api', 0).map(({ minute }) => minute);
    expect(minutes.at(-1)).toBe(152);
    expect(minutes.length).toBeLessThan(53);
    expect(new Set(minutes).size).toBe(minutes.length);
  });

  it('goes on after a router that could not be asked', async () => {
    const { store, play, lose } = scene(['api'], steady);
    lose(true);
    await play(5 * 60_000);
    expect(store.minutes('production', 'api', 0)).toEqual([]);
    lose(false);
    await play(60_000);
    expect(store.minutes('production', 'api', 0)).toHaveLength(5);
  });

  it('keeps a minute of which seconds were lost, as far as it was observed', async () => {
    // The last ten seconds of the second minute are not observed.
    const { store, play } = scene(['api'], (second) => (second >= 6_110 && second < 6_120 ? null : steady(second)));
    await play(4 * 60_000 + 9_000);
    expect(store.minutes('production', 'api', 0).map(({ observed }) => observed)).toEqual([60, 50, 60, 60]);
  });

  it('tells both arms together, and stable alone: the candidate that failed is none of its past', async () => {
    const { store, play, history } = scene(['api'], (second) =>
      trafficSecond(second, armSecond(95), second < 6_100 ? armSecond(5, 5) : armSecond(0)),
    );
    await play(3 * 60_000 + 9_000);
    const minutes = store.minutes('production', 'api', 0);
    expect(minutes[0]).toMatchObject({ observed: 60, errors: { total: 6_000, events: 300 } });
    expect(minutes[1]).toMatchObject({ errors: { total: 5_900, events: 200 }, stable: { errors: { events: 0 } } });
    expect(minutes[2]).not.toHaveProperty('stable');
    const past = history.past('production', 'api', 6_180, []);
    expect(past.map(({ minute, errors }) => [minute, errors.total, errors.events])).toEqual([
      [100, 5_700, 0],
      [101, 5_700, 0],
      [102, 5_700, 0],
    ]);
  });

  it('knows the past of stable up to a second: whole minutes that are kept, then what the router says', async () => {
    const { play, history } = scene(['api'], steady);
    await play(3 * 60_000 + 9_000);
    // Until 40 s into the minute after the last that is kept
    const first = 6_000 + 3 * 60 + 40;
    const from = history.unknownFrom('production', 'api', first);
    expect(from).toBe(6_180);
    const seconds = Array.from({ length: 80 }, (_, index) => steady(from + index));
    const past = history.past('production', 'api', first, seconds);
    expect(past.map(({ minute, observed }) => [minute, observed])).toEqual([
      [100, 60],
      [101, 60],
      [102, 60],
      [103, 40],
    ]);
    // Of what nothing is kept, all that a router may have is asked for.
    expect(history.unknownFrom('production', 'web', first)).toBe(first - 3_600);
  });

  it('keeps eight days', async () => {
    const { store, play } = scene(['api'], steady);
    store.keepMinute('production', 'api', steadyMinute(100 - 9 * 1_440));
    store.keepMinute('production', 'api', steadyMinute(100 - 7 * 1_440));
    await play(70_000);
    expect(store.minutes('production', 'api', -20_000).map(({ minute }) => minute)).toEqual([100 - 7 * 1_440, 100]);
  });
});

const steadyMinute = (minute: number) => ({
  minute,
  observed: 60,
  errors: { seconds: 60, total: 600, events: 0, squares: 0 },
  clientErrors: 0,
  latency: [],
});
