import { addMoments, dispersionOf, noMoments } from './dispersion.ts';
import type { ExpectedTraffic } from './forecast.ts';
import { mergeLatencies } from './histogram.ts';
import type { TrafficMinute } from './traffic-minute.ts';

/** What a service's traffic has been like, in a typical and in a quiet hour. */
export interface TrafficOutlook {
  /** Minutes that were observed. */
  readonly minutes: number;
  /** UTC minutes: the first, and the one behind the last. */
  readonly from: number;
  readonly to: number;
  readonly typical: ExpectedTraffic;
  readonly quiet: ExpectedTraffic;
}

const HOUR = 60;
/** An hour that was observed for less says little; when there is none that was, minutes are what there is. */
const LEAST_SECONDS = 900;
/** The quiet hour: one in twenty has less. */
const QUIET = 0.05;

interface Stretch {
  readonly seconds: number;
  readonly requests: number;
  readonly minutes: readonly TrafficMinute[];
}

/**
 * Looks back at the minutes of a service. Hours are compared, so that a quiet minute is none; errors and latency are those of all of it,
 * because rare errors need much traffic to be seen.
 *
 * @param minutes oldest first
 * @returns null when nothing was observed
 */
export function outlookOf(minutes: readonly TrafficMinute[]): TrafficOutlook | null {
  const observed = minutes.filter((one) => one.observed > 0);
  const [first, last] = [observed[0], observed.at(-1)];
  if (first === undefined || last === undefined) return null;
  const hours = stretches(observed, HOUR).filter(({ seconds }) => seconds >= LEAST_SECONDS);
  const compared = hours.length > 0 ? hours : stretches(observed, 1);
  const ranked = [...compared].sort((a, b) => rate(a) - rate(b));
  const typical = ranked[Math.floor((ranked.length - 1) / 2)] ?? ranked[0];
  const quiet = ranked[Math.floor((ranked.length - 1) * QUIET)] ?? ranked[0];
  if (typical === undefined || quiet === undefined) return null;
  const all = observed.reduce((sum, { errors }) => addMoments(sum, errors), noMoments);
  const shared = {
    errorShare: all.total === 0 ? 0 : all.events / all.total,
    dispersion: middle(compared.map(dispersion)),
    latency: mergeLatencies(observed.map(({ latency }) => latency)),
  };
  return {
    minutes: observed.length,
    from: first.minute,
    to: last.minute + 1,
    typical: { requestsPerSecond: rate(typical), ...shared },
    quiet: { requestsPerSecond: rate(quiet), ...shared },
  };
}

function stretches(minutes: readonly TrafficMinute[], length: number): readonly Stretch[] {
  const byStretch = new Map<number, TrafficMinute[]>();
  for (const minute of minutes) {
    const key = Math.floor(minute.minute / length);
    const known = byStretch.get(key);
    if (known === undefined) byStretch.set(key, [minute]);
    else known.push(minute);
  }
  return [...byStretch.values()].map((its) => ({
    seconds: its.reduce((sum, { observed }) => sum + observed, 0),
    requests: its.reduce((sum, { errors }) => sum + errors.total, 0),
    minutes: its,
  }));
}

const rate = ({ requests, seconds }: Stretch): number => requests / seconds;

const dispersion = ({ minutes }: Stretch): number =>
  dispersionOf(minutes.reduce((sum, { errors }) => addMoments(sum, errors), noMoments));

const middle = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 1;
