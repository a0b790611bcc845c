import { settingsOf } from '../../src/core/analysis/settings.ts';
import { boundOf, type Bound } from './bound.ts';
import type { Cell } from './cells.ts';
import type { Ending, Outcome } from './simulate.ts';
import { interval95, meanOf, quantileOf } from './statistics.ts';

/** Roll-backs, as shares from 0 to 1: in a healthy cell every one is a false alarm, in a faulty one those before the fault are. */
interface Share {
  readonly count: number;
  readonly of: number;
  readonly share: number;
  readonly low: number;
  readonly high: number;
}

/** How one of the three did in a cell. */
export interface Score {
  readonly falseAlarms: Share;
  /** Faulty candidates that were taken back after the fault began, of those that were still there; null in a healthy cell. */
  readonly found: Share | null;
  /** From the beginning of the fault, over all that were still there then; null when so many were not found. */
  readonly medianSeconds: number | null;
  readonly p95Seconds: number | null;
  /** Of those that were found; with the others an average says nothing. */
  readonly meanSeconds: number | null;
  /** Requests of the candidate that failed until it was taken back, or until the end. */
  readonly medianFailed: number;
  readonly p95Failed: number;
}

export interface Summary {
  readonly cell: string;
  readonly group: Cell['group'];
  readonly healthy: boolean;
  readonly word: Cell['word'];
  readonly alpha: number;
  readonly beta: number;
  readonly rollouts: number;
  readonly seconds: number;
  readonly ours: Score;
  readonly flagger: Score;
  readonly argo: Score;
  /** How often which rule took a release back. */
  readonly rules: Readonly<Record<string, number>>;
  /** Called "not worse" before anything else, and after how many seconds in the median of all. */
  readonly shown: Share;
  readonly medianShown: number | null;
  /** Calling it "not worse" is an error. */
  readonly beyondMargin: boolean;
  readonly bound: BoundSummary | null;
}

interface BoundSummary extends Bound {
  /** The least seconds if stable's own rate were the most that is allowed. */
  readonly withoutDelta: number;
  /** Median seconds by the bound. */
  readonly ratio: number | null;
  /** The bound asks for less than one second or less than the errors that the judge wants at least: the guards bind. */
  readonly guarded: boolean;
  /** Median seconds by what is left: the bound, one second, and the time of so many errors, whichever is longest. */
  readonly ratioWithGuards: number | null;
}

export function summarise(cell: Cell, outcomes: readonly Outcome[]): Summary {
  const { alpha, beta, delta, minErrors } = settingsOf(cell.word);
  const ours = score(cell, outcomes, ({ ours }) => ours);
  const rules: Record<string, number> = {};
  for (const { rule } of outcomes) if (rule !== null) rules[rule] = (rules[rule] ?? 0) + 1;
  return {
    cell: cell.name,
    group: cell.group,
    healthy: cell.healthy,
    word: cell.word,
    alpha,
    beta,
    rollouts: outcomes.length,
    seconds: cell.seconds,
    ours,
    flagger: score(cell, outcomes, ({ flagger }) => flagger),
    argo: score(cell, outcomes, ({ argo }) => argo),
    rules,
    shown: shareOf(outcomes.filter(({ shownAt }) => shownAt !== null).length, outcomes.length),
    medianShown: quantileOf(
      outcomes.map(({ shownAt }) => shownAt),
      0.5,
    ),
    beyondMargin: cell.beyondMargin,
    bound: boundSummary(cell, alpha, 1 + delta, minErrors, ours.medianSeconds),
  };
}

function score(cell: Cell, outcomes: readonly Outcome[], of: (outcome: Outcome) => Ending): Score {
  const isFalse = (outcome: Outcome): boolean => {
    const { at } = of(outcome);
    return at !== null && (cell.healthy || at <= outcome.faultAt);
  };
  const alarms = outcomes.filter(isFalse).length;
  const exposed = cell.healthy ? [] : outcomes.filter((outcome) => !isFalse(outcome));
  const delays = exposed.map((outcome) => {
    const { at } = of(outcome);
    return at === null ? null : at - outcome.faultAt;
  });
  const known = delays.filter((delay) => delay !== null);
  const failed = outcomes.map((outcome) => of(outcome).failed);
  return {
    falseAlarms: shareOf(alarms, outcomes.length),
    found: cell.healthy ? null : shareOf(known.length, exposed.length),
    medianSeconds: quantileOf(delays, 0.5),
    p95Seconds: quantileOf(delays, 0.95),
    meanSeconds: known.length === 0 ? null : meanOf(known),
    medianFailed: quantileOf(failed, 0.5) ?? 0,
    p95Failed: quantileOf(failed, 0.95) ?? 0,
  };
}

function shareOf(count: number, of: number): Share {
  const [low, high] = interval95(count, of);
  return { count, of, share: of === 0 ? 0 : count / of, low, high };
}

function boundSummary(
  { constant }: Cell,
  alpha: number,
  ratio: number,
  minErrors: number,
  median: number | null,
): BoundSummary | null {
  if (constant === null) return null;
  const bound = boundOf(constant, alpha, ratio);
  const guards = Math.max(1, minErrors / (constant.rate * constant.weight * constant.p));
  return {
    ...bound,
    withoutDelta: boundOf(constant, alpha, 1).seconds,
    ratio: median === null ? null : median / bound.seconds,
    guarded: bound.seconds < guards,
    ratioWithGuards: median === null ? null : median / Math.max(bound.seconds, guards),
  };
}
