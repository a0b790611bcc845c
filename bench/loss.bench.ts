import type { BenchContext, Figure } from './harness/bench.ts';
import { thisMachine } from './harness/circumstances.ts';
import { lossPage, rowOf } from './loss/report.ts';
import { startCaddy } from './loss/routers/caddy.ts';
import { startGateway } from './loss/routers/gateway.ts';
import { startHaproxy } from './loss/routers/haproxy.ts';
import { startHaproxyDriver } from './loss/routers/haproxy-driver.ts';
import { startNginx } from './loss/routers/nginx.ts';
import type { StartRouter } from './loss/routers/router.ts';
import { measureLoss, type LossOptions, type LossResult, type Manner } from './loss/run.ts';
import { requirePrograms } from './machine/programs.ts';

export const name = 'loss';
export const description =
  'Requests that deployments, replacements of the router and a kill of one of its processes lose, ours beside usual practice';

type Extent = Pick<LossOptions, 'requests' | 'rate' | 'deployments' | 'replacements'>;

const whole = { requests: 100_000, rate: 800, deployments: 10, replacements: 3 };
const fewer = { ...whole, requests: 30_000, deployments: 3, replacements: 1 };
const short = { requests: 5_000, rate: 300, deployments: 2, replacements: 1 };

/** Ours must lose nothing; the others are there to compare. */
const contenders: readonly { readonly start: StartRouter; readonly ours: boolean }[] = [
  { start: startGateway, ours: true },
  { start: startHaproxyDriver, ours: true },
  { start: startNginx, ours: false },
  { start: startHaproxy, ours: false },
  { start: startCaddy, ours: false },
];

export async function run({ signal, progress, quick, keep }: BenchContext): Promise<readonly Figure[]> {
  requirePrograms({ haproxy: 'haproxy', nginx: 'nginx', caddy: 'caddy' });
  const before = thisMachine();
  const extent = quick ? short : whole;
  const results: (LossResult & { readonly ours: boolean })[] = [];
  const measure = async (start: StartRouter, ours: boolean, manner: Manner, extent: Extent): Promise<void> => {
    results.push({ ...(await measureLoss(start, { ...extent, manner, signal, progress })), ours });
  };
  for (const { start, ours } of contenders) await measure(start, ours, 'plain', extent);
  // Usual practice at its best: instances that close their own streams in good order.
  if (!quick) for (const { start, ours } of contenders) if (!ours) await measure(start, ours, 'polite', fewer);
  const page = lossPage(
    results,
    `\`make bench-loss\`: ${extent.deployments} deployments, ${extent.replacements} replacements of the router and one \`kill -9\` at ${extent.rate} requests/s (with polite instances ${fewer.deployments}, ${fewer.replacements} and one), ` +
      `${new Date().toISOString().slice(0, 16)} UTC, on ${before.cpu}, ${before.cores} cores (load average ${before.load} before).`,
  );
  keep('loss.md', page);
  keep('loss-runs.json', `${JSON.stringify(results)}\n`);
  for (const line of page.split('\n')) progress(line);
  return results.flatMap((result): Figure[] => {
    const row = rowOf(result);
    const who = `${row.router}${row.manner === 'polite' ? ', polite instances' : ''}`;
    const goal = result.ours ? { goal: { atMost: 0 } } : {};
    return [
      { name: `lost, ${who}`, value: row.lost, unit: `of ${row.requests}`, ...goal },
      { name: `broken by the kill, ${who}`, value: row.byTheKill, unit: '' },
    ];
  });
}
