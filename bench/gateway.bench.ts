import { thisMachine } from './harness/circumstances.ts';
import type { BenchContext, Figure } from './harness/bench.ts';
import { runGatewayBench, type Extent } from './gateway/run.ts';
import { figuresOf, pageOf } from './gateway/report.ts';

export const name = 'gateway';
export const description = 'The gateway beside HAProxy, nginx and Caddy, one core each, load and instance on another';

const whole: Extent = {
  rounds: 3,
  saturationSeconds: 3,
  latencyRounds: 9,
  latencySeconds: 1,
  webSockets: [1_000, 9_900],
};
const short: Extent = { rounds: 1, saturationSeconds: 1, latencyRounds: 1, latencySeconds: 1, webSockets: [500] };

export async function run(context: BenchContext): Promise<readonly Figure[]> {
  const before = thisMachine();
  const extent = context.quick ? short : whole;
  const result = await runGatewayBench(context, extent);
  const page = pageOf(
    result,
    `\`make bench-gateway\`, ${extent.rounds} rounds, ${extent.latencyRounds} of latency, ${new Date().toISOString().slice(0, 16)} UTC, on ${before.cpu}, ${before.cores} cores ` +
      `(load average ${before.load} before), ${before.system}, Node ${before.node}.`,
  );
  context.keep('gateway.md', page);
  context.keep('gateway-samples.json', `${JSON.stringify(result)}\n`);
  for (const line of page.split('\n')) context.progress(line);
  return figuresOf(result);
}
