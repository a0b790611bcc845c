import { STEPS } from './analysis/ablation.ts';
import { boundOf } from './analysis/bound.ts';
import { CELLS, type Cell } from './analysis/cells.ts';
import { Pool, type Task } from './analysis/pool.ts';
import { figuresOf, pageOf, summariseAblation, type AblationSummary } from './analysis/report.ts';
import { summarise, type Summary } from './analysis/summary.ts';
import type { BenchContext, Figure } from './harness/bench.ts';
import { thisMachine } from './harness/circumstances.ts';
import { settingsOf } from '../src/core/analysis/settings.ts';

export const name = 'analysis';
export const description =
  'Simulated rollouts through the judge: false alarms, seconds and failed requests until a fault is found, beside models of Flagger and Argo Rollouts';

/** Of a cell whose share is 1. */
const ROLLOUTS = { whole: 20_000, quick: 60 };
const ABLATIONS = { whole: 2_000, quick: 40 };
const CHUNK = 50;

export async function run({ signal, progress, quick, keep }: BenchContext): Promise<readonly Figure[]> {
  const before = thisMachine();
  const extent = quick ? 'quick' : 'whole';
  const all = rolloutsOf(extent);
  const pool = new Pool(signal);
  try {
    const summaries: Summary[] = [];
    for (const cell of CELLS) {
      const count = Math.max(20, Math.round(all * cell.share));
      const answers = await Promise.all(tasksOf('rollouts', cell, count).map(async (task) => pool.run(task)));
      const outcomes = answers.flatMap((answer) => (answer.kind === 'rollouts' ? answer.outcomes : []));
      const summary = summarise(cell, outcomes);
      summaries.push(summary);
      progress(lineOf(summary));
    }
    const ablations: AblationSummary[] = [];
    for (const cell of CELLS) {
      if (cell.constant === null || cell.group !== 'grid') continue;
      const { alpha, delta } = settingsOf(cell.word);
      const answers = await Promise.all(
        tasksOf('ablation', cell, ABLATIONS[extent]).map(async (task) => pool.run(task)),
      );
      const runs = answers.flatMap((answer) => (answer.kind === 'ablation' ? answer.ablated : []));
      ablations.push(summariseAblation(cell.name, boundOf(cell.constant, alpha, 1 + delta).seconds, runs));
    }
    progress(`ablation: ${STEPS.length} tests, ${ABLATIONS[extent]} rollouts a cell`);
    const page = pageOf(
      summaries,
      ablations,
      `\`make bench-analysis\`: ${all.toLocaleString('en-US')} rollouts a cell where nothing else is said, seeded; ${new Date().toISOString().slice(0, 16)} UTC, on ` +
        `${before.cpu}, ${before.cores} cores (load average ${before.load} before), Node ${before.node}.`,
    );
    keep('analysis.md', page);
    if (quick) for (const line of page.split('\n')) progress(line);
    return figuresOf(summaries);
  } finally {
    await pool.close();
  }
}

/** `VEZA_ROLLOUTS` sets another number, for a machine that has no time for all. */
function rolloutsOf(extent: keyof typeof ROLLOUTS): number {
  const asked = Number(process.env['VEZA_ROLLOUTS']);
  return Number.isInteger(asked) && asked > 0 ? asked : ROLLOUTS[extent];
}

function tasksOf(kind: Task['kind'], cell: Cell, count: number): readonly Task[] {
  return Array.from({ length: Math.ceil(count / CHUNK) }, (_, index) => ({
    kind,
    cell: cell.name,
    from: index * CHUNK,
    to: Math.min(count, (index + 1) * CHUNK),
  }));
}

function lineOf({ cell, healthy, rollouts, ours, flagger, argo, rules }: Summary): string {
  const by = JSON.stringify(rules);
  return healthy
    ? `${cell}, ${rollouts}: ${ours.falseAlarms.count} false alarms ${by}, Flagger ${flagger.falseAlarms.count}, Argo ${argo.falseAlarms.count}`
    : `${cell}, ${rollouts}: ${ours.medianSeconds} s, ${ours.medianFailed} failed ${by}, Flagger ${flagger.medianSeconds} s, ${flagger.medianFailed}, Argo ${argo.medianSeconds} s, ${argo.medianFailed}`;
}
