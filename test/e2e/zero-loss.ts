import type { DemoService } from './example-project.ts';
import { startLoad } from '../../src/load/load.ts';
import type { LoadReport } from '../../src/load/report.ts';
import { DeployedDemo, type DemoStrategy } from './deployed-demo.ts';

/** What is deployed in turn: mostly web, now and then another service, and trains. */
const turns: readonly (readonly DemoService[])[] = [
  ['web'],
  ['api', 'worker'],
  ['web'],
  ['api'],
  ['web'],
  ['worker'],
  ['web'],
  ['worker', 'api', 'web'],
  ['web'],
  ['web'],
];

// Nothing is bad here: what is measured is what a deployment costs users, so a busy machine must not look like a bad release.
const common = {
  watch: '1s',
  keepWarm: '500ms',
  limits: { minSuccess: '90%', maxP99: '9s', minRequests: 20 },
  deadlines: { starting: '60s' },
};
export const strategies: readonly DemoStrategy[] = [
  { kind: 'rolling', batch: '50%', hold: '1s', ...common },
  { kind: 'blue-green', ...common },
  { kind: 'canary', steps: [5, 25, 50], hold: '1s', ...common },
];

export interface ZeroLossOptions {
  /** Deployments of each strategy. */
  readonly each: number;
  readonly rate: number;
  readonly log: (line: string) => void;
}

export interface DeploymentRow {
  readonly strategy: string;
  readonly services: readonly string[];
  readonly phase: string;
  readonly reason: string | null;
  /** From the request of the deployment to its end, old slot stopped. */
  readonly seconds: number;
  readonly requests: number;
  readonly lost: number;
  readonly wrong: number;
}

export interface ZeroLossResult {
  readonly rows: readonly DeploymentRow[];
  readonly report: LoadReport;
}

/** Deploys the demo platform again and again under traffic of a client that knows every answer. */
export async function runZeroLoss({ each, rate, log }: ZeroLossOptions): Promise<ZeroLossResult> {
  const [first] = strategies;
  if (first === undefined) throw new RangeError('no strategies');
  const demo = await DeployedDemo.start({ strategy: first });
  try {
    const all = ['web', 'api', 'worker'] as const;
    const start = await demo.deploy(await demo.build('v0', all));
    const live = await demo.follow(start.id);
    if (live.phase !== 'succeeded') throw new Error(`the first deployment ended ${live.phase}: ${live.summary}`);
    const load = startLoad({ target: demo.project.url, rate });
    const rows: DeploymentRow[] = [];
    let number = 0;
    for (let turn = 0; turn < each; turn += 1) {
      for (const strategy of strategies) {
        number += 1;
        const services = turns[turn % turns.length] ?? ['web'];
        await demo.declare({ strategy });
        const releases = await demo.build(`v${number}`, services);
        const before = load.snapshot();
        const began = performance.now();
        const { id } = await demo.deploy(releases);
        const view = await demo.follow(id).catch(async (error: unknown) => {
          for (const { at, text } of await demo.events(id)) log(`   ${new Date(at).toISOString()} ${text}`);
          throw error;
        });
        const seconds = (performance.now() - began) / 1_000;
        const after = load.snapshot();
        const row: DeploymentRow = {
          strategy: strategy.kind,
          services,
          phase: view.phase,
          reason: view.reason?.text ?? null,
          seconds,
          requests: after.requests - before.requests,
          lost: after.lost - before.lost,
          wrong: after.wrong - before.wrong,
        };
        rows.push(row);
        if (row.phase !== 'succeeded')
          for (const { at, text } of await demo.events(id)) log(`   ${new Date(at).toISOString()} ${text}`);
        log(
          `${String(number).padStart(2)} ${row.strategy.padEnd(10)} ${row.services.join('+').padEnd(14)} ${row.phase} in ${row.seconds.toFixed(1)} s, ` +
            `${row.requests} requests, ${row.lost} lost, ${row.wrong} wrong${row.reason === null ? '' : ` (${row.reason})`}`,
        );
      }
    }
    return { rows, report: await load.stop() };
  } finally {
    await demo.stop();
  }
}
