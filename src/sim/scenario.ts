import type { Random } from './random.ts';

/** How rough the world is in one run. Probabilities are per call or append, rates per minute of simulated time. */
export interface Roughness {
  /** Until then (ms) things go wrong and people act; afterwards everything must come to its end. */
  readonly horizonMs: number;
  readonly crashPerAppend: number;
  readonly crashRate: number;
  /** Share of crashes that happen within 60 ms after an append, not at the append itself. */
  readonly crashSoon: number;
  readonly powerCut: number;
  /** A new control plane starts while the old one still acts. */
  readonly overlapRate: number;
  readonly graceful: number;
  readonly tornAppend: number;
  readonly callLost: number;
  readonly callSlow: number;
  readonly callTwice: number;
  readonly outageRate: number;
  readonly longestOutageMs: number;
  readonly storeOutageRate: number;
  readonly clockJumpRate: number;
  readonly deathRate: number;
  readonly unreadyRate: number;
  readonly trafficStopRate: number;
  readonly metricsGapRate: number;
  readonly incidentRate: number;
  readonly operationRate: number;
  /** Nothing but control planes that die, and come back at once: no deployment may be lost to that. */
  readonly crashesOnly: boolean;
  /** Share of releases that are bad in some way. */
  readonly badRelease: number;
}

/** Seeds differ in what goes wrong, so that each kind of trouble is also seen alone. */
export function roughnessOf(random: Random): Roughness {
  const calm = random.chance(0.05);
  const crashesOnly = !calm && random.chance(0.15);
  const some = (share: number, least: number, most: number): number => {
    const drawn = least + random.next() * (most - least);
    return random.chance(share) && !calm && !crashesOnly ? drawn : 0;
  };
  const heavy = random.chance(0.25) ? 3 : 1;
  return {
    horizonMs: random.int(50_000, 200_000),
    crashesOnly,
    crashPerAppend: crashesOnly ? random.pick([0.01, 0.05]) : some(0.5, 0.002, 0.03),
    crashRate: crashesOnly ? random.pick([0, 1]) : some(0.35, 0.2, 1.5),
    crashSoon: 0.5,
    powerCut: random.pick([0.1, 0.8]),
    overlapRate: crashesOnly ? random.pick([0, 0, 1]) : some(0.3, 0.2, 1.5),
    graceful: 0.15,
    tornAppend: some(0.3, 0.002, 0.03),
    callLost: some(0.4, 0.005, 0.06) * heavy,
    callSlow: some(0.4, 0.01, 0.1) * heavy,
    callTwice: some(0.4, 0.01, 0.1),
    outageRate: some(0.4, 0.2, 2),
    longestOutageMs: random.pick([2_000, 10_000, 45_000]),
    storeOutageRate: some(0.25, 0.2, 2),
    clockJumpRate: some(0.3, 0.5, 3),
    deathRate: some(0.4, 0.3, 3),
    unreadyRate: some(0.25, 0.3, 2),
    trafficStopRate: some(0.2, 0.2, 1),
    metricsGapRate: some(0.2, 0.2, 1),
    incidentRate: some(0.15, 0.1, 0.5),
    operationRate: some(0.4, 0.5, 4),
    badRelease: some(0.7, 0.2, 0.7),
  };
}
