import type { Random } from './random.ts';
import type { Report } from './report.ts';
import type { Roughness } from './scenario.ts';
import type { Timeline } from './timeline.ts';
import type { Place } from './world.ts';
import type { Disk } from './disk.ts';

export interface TroubleParts {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly report: Report;
  readonly roughness: Roughness;
  readonly places: readonly Place[];
  readonly disk: Disk;
  readonly crash: (why: string) => void;
  /** Another control plane starts while the one that serves still acts. */
  readonly overlap: () => void;
  readonly moveClock: (byMs: number) => void;
}

/** Users' side of the world that changes with time. */
export interface Mood {
  trafficUntil: number;
  metricsUntil: number;
  incidentUntil: number;
}

/** Lets things go wrong at random times until the horizon, as often as the run's roughness says. */
export function startTroubles(parts: TroubleParts): Mood {
  const { timeline, random, report, roughness, places, disk } = parts;
  const mood: Mood = { trafficUntil: 0, metricsUntil: 0, incidentUntil: 0 };
  const often = (label: string, perMinute: number, happen: (chance: Random) => void): void => {
    if (perMinute === 0) return;
    const chance = random.fork(label);
    const next = (): void => {
      const waitMs = Math.round((-Math.log(1 - chance.next()) * 60_000) / perMinute);
      if (timeline.now + waitMs >= roughness.horizonMs) return;
      timeline.after(waitMs, () => {
        happen(chance);
        next();
      });
    };
    next();
  };
  const somewhere = (chance: Random): Place | null => chance.any(places);
  const ready = (chance: Random) =>
    chance.any(
      [...(somewhere(chance)?.machine.slots() ?? [])]
        .flatMap(({ instances }) => [...instances.values()])
        .filter(({ life }) => life === 'ready'),
    );
  const lasting = (chance: Random): number => chance.int(300, roughness.longestOutageMs);

  often('crash', roughness.crashRate, () => parts.crash('crash'));
  often('overlap', roughness.overlapRate, () => parts.overlap());
  often('outage', roughness.outageRate, (chance) => {
    const place = somewhere(chance);
    if (place === null) return;
    const forMs = lasting(chance);
    const which = chance.pick(['toMachine', 'toFront', 'toFront', 'toOthers'] as const);
    report.counts.outages += 1;
    report.trace('world', () => `${place.declared.name}: ${which} is down for ${forMs} ms`);
    place[which].goDown(forMs);
  });
  often('store', roughness.storeOutageRate, (chance) => {
    const forMs = lasting(chance);
    report.counts.outages += 1;
    report.trace('world', () => `the store cannot be written for ${forMs} ms`);
    disk.goDown(forMs);
  });
  often('clock', roughness.clockJumpRate, (chance) => {
    const byMs = chance.pick([-1, 1]) * chance.pick([500, 3_000, 30_000, 600_000]);
    report.counts.clockJumps += 1;
    report.trace('world', () => `the clock jumps by ${byMs} ms`);
    parts.moveClock(byMs);
  });
  often('death', roughness.deathRate, (chance) => {
    const instance = ready(chance);
    if (instance === null) return;
    report.counts.deaths += 1;
    instance.die();
  });
  often('unready', roughness.unreadyRate, (chance) => ready(chance)?.beUnready(chance.int(500, 15_000)));
  const moody = (label: keyof Mood, perMinute: number, what: string): void =>
    often(label, perMinute, (chance) => {
      const forMs = chance.int(2_000, 40_000);
      report.trace('world', () => `${what} for ${forMs} ms`);
      mood[label] = timeline.now + forMs;
    });
  moody('trafficUntil', roughness.trafficStopRate, 'no users');
  moody('metricsUntil', roughness.metricsGapRate, 'counts get lost');
  moody('incidentUntil', roughness.incidentRate, 'everything fails, whatever the release');
  return mood;
}
