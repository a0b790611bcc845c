import type { Figure } from '../harness/bench.ts';
import { shown } from '../harness/table.ts';
import type { Ablated } from './ablation.ts';
import { STEPS } from './ablation.ts';
import { meanOf, quantileOf } from './statistics.ts';
import type { Score, Summary } from './summary.ts';

export interface AblationSummary {
  readonly cell: string;
  readonly rollouts: number;
  readonly boundSeconds: number;
  /** One a step of the ablation; null when so many did not end. */
  readonly steps: readonly { readonly name: string; readonly median: number | null; readonly mean: number | null }[];
}

export function summariseAblation(cell: string, boundSeconds: number, runs: readonly Ablated[]): AblationSummary {
  const steps = STEPS.map((name, step) => {
    const values = runs.map((run) => run[step] ?? null);
    const known = values.filter((value) => value !== null);
    return { name, median: quantileOf(values, 0.5), mean: known.length < runs.length ? null : meanOf(known) };
  });
  return { cell, rollouts: runs.length, boundSeconds, steps };
}

const RATIO_GOAL = 2;
/** Of issue 5: at p = 20 %, w = 5 %, 100 requests/s. */
const FAILED_GOAL = { cell: 'w 5 %, p 20 %', atMost: 5 };

/** The figures that are kept, with their goals. */
export function figuresOf(summaries: readonly Summary[]): readonly Figure[] {
  return summaries.flatMap((summary): Figure[] => {
    const { cell, alpha, beta, ours, flagger, bound, beyondMargin, shown: promoted } = summary;
    const alarms: Figure = {
      name: `false alarms, ${cell}`,
      value: 100 * ours.falseAlarms.share,
      unit: '%',
      goal: { atMost: 100 * alpha },
      peer: { name: 'Flagger', value: 100 * flagger.falseAlarms.share },
    };
    const upper: Figure = {
      name: `false alarms, upper 95 % bound, ${cell}`,
      value: 100 * ours.falseAlarms.high,
      unit: '%',
    };
    if (summary.healthy) return [alarms, upper];
    const figures: Figure[] = [];
    if (ours.falseAlarms.count > 0 || flagger.falseAlarms.count > 0) figures.push(alarms, upper);
    if (ours.found !== null) figures.push({ name: `found, ${cell}`, value: 100 * ours.found.share, unit: '%' });
    if (ours.medianSeconds !== null)
      figures.push({
        name: `seconds until found, median, ${cell}`,
        value: ours.medianSeconds,
        unit: 's',
        ...beside(flagger.medianSeconds),
      });
    if (ours.p95Seconds !== null)
      figures.push({
        name: `seconds until found, p95, ${cell}`,
        value: ours.p95Seconds,
        unit: 's',
        ...beside(flagger.p95Seconds),
      });
    figures.push({
      name: `failed requests, median, ${cell}`,
      value: ours.medianFailed,
      unit: 'requests',
      ...(cell === FAILED_GOAL.cell ? { goal: { atMost: FAILED_GOAL.atMost } } : {}),
      ...beside(flagger.medianFailed),
    });
    if (beyondMargin)
      figures.push({
        name: `called "not worse", ${cell}`,
        value: 100 * promoted.share,
        unit: '%',
        goal: { atMost: 100 * beta },
      });
    if (bound !== null && bound.ratio !== null)
      figures.push({
        name: `median by the least that is possible, ${cell}${bound.guarded ? ' (guards bind)' : ''}`,
        value: bound.ratio,
        unit: 'times',
        ...(bound.guarded ? {} : { goal: { atMost: RATIO_GOAL } }),
      });
    return figures;
  });
}

const beside = (value: number | null): Pick<Figure, 'peer'> =>
  value === null ? {} : { peer: { name: 'Flagger', value } };

const row = (...cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
const head = (...cells: readonly string[]): readonly string[] => [
  row(...cells),
  `|${cells.map(() => '---').join('|')}|`,
];
const orNever = (value: number | null): string => (value === null ? 'never' : shown(value));
const percent = (share: number): string => `${shown(100 * share)} %`;

/** Median / p95 seconds, median / p95 failed requests, and the share that was found where that is not all. */
function told({ found, medianSeconds, p95Seconds, medianFailed, p95Failed }: Score): string {
  const share = found === null || found.count === found.of ? '' : ` (${percent(found.share)} found)`;
  return `${orNever(medianSeconds)} / ${orNever(p95Seconds)} s, ${shown(medianFailed)} / ${shown(p95Failed)}${share}`;
}

const alarmed = ({ falseAlarms: { share, low, high } }: Score): string =>
  `${percent(share)} (${shown(100 * low)} – ${shown(100 * high)})`;

/** For people. */
export function pageOf(
  summaries: readonly Summary[],
  ablations: readonly AblationSummary[],
  circumstances: string,
): string {
  const of = (...groups: readonly Summary['group'][]): readonly Summary[] =>
    summaries.filter(({ group }) => groups.includes(group));
  const healthy = summaries.filter((summary) => summary.healthy);
  const early = summaries.filter(
    ({ healthy, ours, flagger, argo }) =>
      !healthy && ours.falseAlarms.count + flagger.falseAlarms.count + argo.falseAlarms.count > 0,
  );
  return [
    '# Releases judged in simulation, beside models of Flagger and Argo Rollouts',
    '',
    circumstances,
    '',
    '## Faults',
    '',
    'Seconds from the beginning of the fault, median / p95, then failed requests of the candidate until it is taken back, median / p95. `never`: so many were not found before',
    'the rollout ended. 100 requests/s, stable fails 0.1 %, an hour at most, where nothing else is said.',
    '',
    ...head('cell', 'rollouts', 'ours', 'Flagger', 'Argo Rollouts'),
    ...of('grid', 'faulty', 'latency')
      .filter((summary) => !summary.healthy)
      .map(({ cell, rollouts, ours, flagger, argo }) => row(cell, rollouts, told(ours), told(flagger), told(argo))),
    '',
    '## False alarms',
    '',
    'Share of rollouts of a release that is not worse that were taken back, with a 95 % interval. Longer rollouts give more occasions; `alpha` is for all of one together.',
    '',
    ...head(
      'cell',
      'rollouts',
      'minutes',
      'alpha',
      'ours',
      'Flagger',
      'Argo Rollouts',
      'ours by rule',
      '"not worse" (median s)',
    ),
    ...healthy.map(({ cell, rollouts, seconds, alpha, ours, flagger, argo, rules, shown: promoted, medianShown }) =>
      row(
        cell,
        rollouts,
        seconds / 60,
        percent(alpha),
        alarmed(ours),
        alarmed(flagger),
        alarmed(argo),
        Object.entries(rules)
          .map(([rule, count]) => `${rule} ${count}`)
          .join(', '),
        `${percent(promoted.share)} (${orNever(medianShown)})`,
      ),
    ),
    '',
    ...(early.length === 0
      ? []
      : [
          'Before the fault began in the cells above:',
          '',
          ...head('cell', 'ours', 'Flagger', 'Argo Rollouts'),
          ...early.map(({ cell, ours, flagger, argo }) => row(cell, alarmed(ours), alarmed(flagger), alarmed(argo))),
          '',
        ]),
    '## Against what is possible',
    '',
    'The least is ln(1/alpha) by the information of a second (`bench/analysis/bound.ts`), for "worse than 1.5 times stable"; beside it for "worse than stable". *Guards* are a whole second and three errors; the last column is by the longest of the three.',
    '',
    ...head(
      'cell',
      'least s',
      'worse than stable',
      'least requests',
      'ours, median s',
      'ratio',
      'guards bind',
      'ratio with guards',
    ),
    ...summaries.flatMap(({ cell, ours, bound }) =>
      bound === null
        ? []
        : [
            row(
              cell,
              shown(bound.seconds),
              shown(bound.withoutDelta),
              shown(bound.requests),
              orNever(ours.medianSeconds),
              orNever(bound.ratio),
              bound.guarded ? 'yes' : '',
              orNever(bound.ratioWithGuards),
            ),
          ],
    ),
    '',
    '## What costs the rest',
    '',
    'Median (mean) seconds of tests on the same requests; each has one thing more than the one before it. The judge itself has the dispersion of its past besides.',
    '',
    ...head('cell', 'least (a mean)', ...STEPS, 'the judge'),
    ...ablations.map(({ cell, boundSeconds, steps }) => {
      const judge = summaries.find((summary) => summary.cell === cell)?.ours;
      return row(
        cell,
        shown(boundSeconds),
        ...steps.map(({ median, mean }) => `${orNever(median)} (${mean === null ? '–' : shown(mean)})`),
        `${orNever(judge?.medianSeconds ?? null)} (${judge?.meanSeconds === null || judge === undefined ? '–' : shown(judge.meanSeconds)})`,
      );
    }),
    '',
    '## Faults that were called "not worse"',
    '',
    'Before they were taken back, looked at every ten seconds; beta is the most that is allowed. Only faults beyond the margin of promotion (0.5 points for `balanced`).',
    '',
    ...head('cell', 'rollouts', 'beta', 'called "not worse"'),
    ...summaries
      .filter(({ beyondMargin }) => beyondMargin)
      .map(({ cell, rollouts, beta, shown: promoted }) =>
        row(
          cell,
          rollouts,
          percent(beta),
          `${percent(promoted.share)} (${shown(100 * promoted.low)} – ${shown(100 * promoted.high)})`,
        ),
      ),
    '',
  ].join('\n');
}
