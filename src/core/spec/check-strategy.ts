import { checkAnalysis } from './check-analysis.ts';
import { formatDuration } from '../units/duration.ts';
import { formatPercent } from '../units/percent.ts';
import { mistake, type Mistake, type MistakePath } from './mistake.ts';
import { holdbackOf, isMirror, longestHold, type DeclaredStep } from './resolve-strategy.ts';
import type { DeclaredStrategy } from './schema-strategy.ts';

/** Checks what a strategy says against itself: weights that rise, a holdback that leaves them room, deadlines that fit, an analysis that can be made. */
export function checkStrategy(strategy: DeclaredStrategy, path: MistakePath): Mistake[] {
  return [
    ...checkWeights(strategy, path),
    ...checkHoldback(strategy, path),
    ...checkAnalysis(strategy.analysis, [...path, 'analysis']),
    ...checkDeadlines(strategy, path),
  ];
}

function checkWeights(strategy: DeclaredStrategy, path: MistakePath): Mistake[] {
  if (strategy.kind !== 'canary') return [];
  const mistakes: Mistake[] = [];
  const end = 100 - holdbackOf(strategy);
  let before = 0;
  for (const [index, step] of (strategy.steps ?? []).entries()) {
    if (isMirror(step)) {
      mistakes.push(...checkMirror(step, index, [...path, 'steps', index]));
      continue;
    }
    const weight = typeof step === 'number' ? step : step.weight;
    const at = [...path, 'steps', index, ...(typeof step === 'number' ? [] : ['weight'])];
    if (weight <= before) {
      const expected =
        before === 0 ? 'a weight of more than 0' : `a weight of more than the ${formatPercent(before)} before it`;
      mistakes.push(mistake({ path: at, expected, got: formatPercent(weight) }));
    } else if (weight >= end) {
      mistakes.push(
        mistake({
          path: at,
          expected: `a weight below ${formatPercent(end)}, because the switch to ${formatPercent(end)} follows the last step by itself`,
          got: formatPercent(weight),
        }),
      );
    }
    before = Math.max(before, weight);
  }
  return mistakes;
}

function checkMirror(step: Extract<DeclaredStep, { mirror: unknown }>, index: number, path: MistakePath): Mistake[] {
  if (index > 0)
    return [
      mistake({
        path: [...path, 'mirror'],
        expected: 'copies before the first weight only, because behind it users are on the candidate anyway',
        got: `copies as step ${index + 1}`,
      }),
    ];
  if (step.share !== 0) return [];
  return [mistake({ path: [...path, 'share'], expected: 'a share of more than 0', got: formatPercent(0) })];
}

function checkHoldback(strategy: DeclaredStrategy, path: MistakePath): Mistake[] {
  const holdback = holdbackOf(strategy);
  if (holdback < 100) return [];
  return [mistake({ path: [...path, 'holdback'], expected: 'a holdback below 100 %', got: formatPercent(holdback) })];
}

function checkDeadlines(strategy: DeclaredStrategy, path: MistakePath): Mistake[] {
  const mistakes: Mistake[] = [];
  const { stepping, retiring } = strategy.deadlines ?? {};
  const hold = longestHold(strategy);
  if (stepping !== undefined && stepping <= hold) {
    mistakes.push(
      mistake({
        path: [...path, 'deadlines', 'stepping'],
        expected: `more than the ${formatDuration(hold)} that a step holds`,
        got: formatDuration(stepping),
      }),
    );
  }
  const keepWarm = strategy.keepWarm ?? 600_000;
  if (retiring !== undefined && retiring <= keepWarm) {
    mistakes.push(
      mistake({
        path: [...path, 'deadlines', 'retiring'],
        expected: `more than the ${formatDuration(keepWarm)} of \`keepWarm\``,
        got: formatDuration(retiring),
      }),
    );
  }
  return mistakes;
}
