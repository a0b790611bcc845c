/** Moments of stable's events a second: enough for their variance, a few numbers for any time. */
export interface EventMoments {
  readonly seconds: number;
  readonly total: number;
  readonly events: number;
  /** Sum of events squared by total, over the seconds that had any total. */
  readonly squares: number;
}

export const noMoments: EventMoments = { seconds: 0, total: 0, events: 0, squares: 0 };

export function addSecond(moments: EventMoments, total: number, events: number): EventMoments {
  if (total <= 0) return moments;
  return {
    seconds: moments.seconds + 1,
    total: moments.total + total,
    events: moments.events + events,
    squares: moments.squares + (events * events) / total,
  };
}

export const addMoments = (a: EventMoments, b: EventMoments): EventMoments => ({
  seconds: a.seconds + b.seconds,
  total: a.total + b.total,
  events: a.events + b.events,
  squares: a.squares + b.squares,
});

/**
 * How much wider than Poisson the events a second are spread, at least 1: the Pearson statistic by its degrees of freedom,
 * which is variance by mean when the traffic is steady, and does not take a change of the traffic for a burst (McCullagh &
 * Nelder 1989, Generalized Linear Models, 4.5).
 */
export function dispersionOf({ seconds, total, events, squares }: EventMoments): number {
  if (seconds < 2 || events <= 0 || total <= 0) return 1;
  const share = events / total;
  return atLeastOne((squares / share - events) / (seconds - 1) / Math.max(1 - share, 1e-9));
}

/** Of the candidate: how much its share of events jumps from one second to the next. */
export interface EventJumps {
  readonly pairs: number;
  readonly total: number;
  readonly events: number;
  readonly squares: number;
  /** Of the second before; 0 before the first. */
  readonly lastTotal: number;
  readonly lastEvents: number;
}

export const noJumps: EventJumps = { pairs: 0, total: 0, events: 0, squares: 0, lastTotal: 0, lastEvents: 0 };

export function addJump(jumps: EventJumps, total: number, events: number): EventJumps {
  if (total <= 0) return jumps;
  const isFirst = jumps.lastTotal <= 0;
  const jump = isFirst ? 0 : events / total - jumps.lastEvents / jumps.lastTotal;
  return {
    pairs: jumps.pairs + (isFirst ? 0 : 1),
    total: jumps.total + total,
    events: jumps.events + events,
    squares: jumps.squares + (isFirst ? 0 : (jump * jump) / (1 / total + 1 / jumps.lastTotal)),
    lastTotal: total,
    lastEvents: events,
  };
}

/** Fewer seconds than this say nothing about bursts. */
const LEAST_PAIRS = 10;

/**
 * The same from the jumps, at least 1: a fault that begins, or grows, is one jump, not a burst (von Neumann 1941, Ann. Math. Statist. 12,
 * the ratio of the mean square successive difference to the variance).
 */
export function dispersionOfJumps({ pairs, total, events, squares }: EventJumps): number {
  if (pairs < LEAST_PAIRS || events <= 0) return 1;
  const share = events / total;
  return atLeastOne(squares / pairs / (share * Math.max(1 - share, 1e-9)));
}

/**
 * Bursts are as large as the arm they hit. Stable's are known; once the candidate has had more requests than that knowledge rests
 * on, its own count too, or a candidate with 95 % of the traffic would be weighed by the bursts of the 5 % that are left beside it.
 */
export function dispersionOfBoth(stable: EventMoments, candidate: EventJumps): number {
  const known = dispersionOf(stable);
  return candidate.total > stable.total ? Math.max(known, dispersionOfJumps(candidate)) : known;
}

/** Of counts that no router makes there may be no spread at all. */
const atLeastOne = (spread: number): number => (spread > 1 ? Math.min(spread, MOST_DISPERSED) : 1);

const MOST_DISPERSED = 1e9;
