import { wilson } from '../../src/core/analysis/limits.ts';
import type { Figure } from '../harness/bench.ts';
import { isHealthy } from './run.ts';
import type { Outcome } from './lane.ts';

const median = (values: readonly number[]): number => quantile(values, 0.5);

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

function byKind(outcomes: readonly Outcome[]): ReadonlyMap<string, readonly Outcome[]> {
  const kinds = new Map<string, Outcome[]>();
  for (const outcome of outcomes) kinds.set(outcome.kind, [...(kinds.get(outcome.kind) ?? []), outcome]);
  return kinds;
}

const range = (values: readonly number[], digits: number): string =>
  `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)} – ${Math.max(...values).toFixed(digits)})`;

/** The page for people. @param circumstances one line: how, when, on what */
export function canaryPage(outcomes: readonly Outcome[], circumstances: string): string {
  const rows = [...byKind(outcomes)].map(([kind, all]) => {
    const back = all.filter(({ takenBack }) => takenBack);
    const of = isHealthy({ kind } as Outcome) ? all : back;
    if (of.length === 0) return `| ${kind} | ${back.length} of ${all.length} |  |  |  |  |`;
    return `| ${kind} | ${back.length} of ${all.length} | ${range(
      of.map(({ seconds }) => seconds),
      1,
    )} | ${range(
      of.map(({ requests }) => requests),
      0,
    )} | ${range(
      of.map(({ failed }) => failed),
      0,
    )} | ${range(
      of.map(({ unanswered }) => unanswered),
      0,
    )} |`;
  });
  const reasons = [...byKind(outcomes)].map(([kind, all]) => `- ${kind}: ${all[0]?.reason ?? ''}`);
  return [
    '# Real releases, good and bad',
    '',
    circumstances,
    '',
    'Median (least – most). Seconds from the first user on it to stable at 100 % (to the commit, for those that went through); requests that it answered, failed ones',
    'among them; `unanswered` by it: the router answered, or nobody.',
    '',
    '| release | taken back | seconds | requests | failed | unanswered |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
    'Why, the first of each:',
    '',
    ...reasons.filter((reason) => !reason.endsWith(': ')),
    '',
  ].join('\n');
}

export function canaryFigures(outcomes: readonly Outcome[]): readonly Figure[] {
  return [...byKind(outcomes)].flatMap(([kind, all]): Figure[] => {
    const back = all.filter(({ takenBack }) => takenBack);
    if (isHealthy({ kind } as Outcome)) {
      const [, high] = wilson(back.length, all.length);
      return [
        { name: 'healthy releases taken back', value: back.length, unit: `of ${all.length}` },
        { name: 'healthy releases taken back, at most (99.9 %)', value: 100 * high, unit: '%' },
      ];
    }
    return [
      { name: `${kind}: taken back`, value: back.length, unit: `of ${all.length}`, goal: { atLeast: all.length } },
      { name: `${kind}: first user to stable 100 %, median`, value: median(back.map((one) => one.seconds)), unit: 's' },
      { name: `${kind}: failed requests, median`, value: median(back.map((one) => one.failed)), unit: '' },
    ];
  });
}
