import { canaryFigures, canaryPage } from './canary/report.ts';
import { runCanaries } from './canary/run.ts';
import type { BenchContext, Figure } from './harness/bench.ts';
import { thisMachine } from './harness/circumstances.ts';

export const name = 'canary';
export const description =
  'Real releases, good and bad, through the real thing at 100 requests/s: what is taken back, how soon, what users saw of it';

const whole = { each: 10, healthy: 100, lanes: 8, rate: 100, settleSeconds: 120 };
const short = { each: 1, healthy: 1, lanes: 4, rate: 100, settleSeconds: 20 };

export async function run({ signal, progress, quick, keep }: BenchContext): Promise<readonly Figure[]> {
  const machine = thisMachine();
  const only = quick ? /20 %|100 %|5x|hangs/ : /./;
  const options = quick ? short : whole;
  const outcomes = await runCanaries({ ...options, only, signal, progress });
  const page = canaryPage(
    outcomes,
    `\`make bench-canary\`: ${options.lanes} services side by side, ${options.rate} requests/s each over 50 routes and 20 tenants, every release (good ones too) fails 0.1 %; canary with nothing but defaults ` +
      `(5 → 25 → 50, a minute each at most, a minute watched). ${new Date().toISOString().slice(0, 16)} UTC, ${machine.cpu}, ${machine.cores} cores (load average ${machine.load} before).`,
  );
  keep('canary.md', page);
  keep('canary-runs.json', `${JSON.stringify(outcomes)}\n`);
  for (const line of page.split('\n')) progress(line);
  return canaryFigures(outcomes);
}
