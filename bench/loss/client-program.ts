// The load client as a process of its own, so that nothing that the benchmark does delays it: node client-program.ts OPTIONS
// `snapshot` on its input is answered with the counts so far, `stop` with the report; one line of JSON each.
import { createInterface } from 'node:readline';
import { startLoad } from '../../src/load/load.ts';
import type { LoadOptions } from '../../src/load/options.ts';

const run = startLoad(JSON.parse(process.argv[2] ?? '{}') as LoadOptions);
const input = createInterface({ input: process.stdin });
const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
input.on('line', (line) => {
  if (line === 'snapshot') say(run.snapshot());
  if (line === 'stop') void run.stop().then(say, (error: unknown) => say({ error: String(error) }));
});
// Whoever started it has gone.
input.on('close', () => process.exit(0));
