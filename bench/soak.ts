// A long run of the gateway: node bench/soak.ts [--minutes 30] [--every 60] [--rate 200] [--share 0.7 | --share 0]
// Steady traffic of every kind, a deployment a minute; ends with status 1 when anything is lost or memory grows.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { formatReport, isClean } from '../src/load/report.ts';
import { commitOf, thisMachine } from './harness/circumstances.ts';
import { runSoak } from './soak/run.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    every: { type: 'string', default: '60' },
    rate: { type: 'string', default: '200' },
    share: { type: 'string', default: '0.7' },
  },
});
const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => interrupted.abort(new Error('interrupted')));

const machine = thisMachine();
const date = new Date().toISOString();
const options = {
  minutes: Number(values.minutes),
  deployEverySeconds: Number(values.every),
  rate: Number(values.rate),
  share: Number(values.share) === 0 ? null : Number(values.share),
};
const result = await runSoak({
  ...options,
  signal: interrupted.signal,
  progress: (line) => console.error(`  ${line}`),
});
const { deployments, report, bulk, memory, samples } = result;
const MiB = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
console.log(formatReport(report));
if (bulk !== null)
  console.log(
    `beside them ${bulk.loop.done} plain requests at ${bulk.loop.rate}/s, ${bulk.lost} lost, ${bulk.loop.unsent} never sent`,
  );
console.log(
  `${deployments} deployments; memory ${MiB(memory.median)} (${MiB(memory.least)} to ${MiB(memory.most)}), ` +
    `grew ${MiB(memory.growth)}, at most ${MiB(memory.bound)} is flat: ${memory.flat ? 'flat' : 'GROWS'}`,
);
const { seconds: _, ...kept } = report;
const results = join(import.meta.dirname, 'results');
mkdirSync(results, { recursive: true });
writeFileSync(
  join(results, 'soak.json'),
  `${JSON.stringify({ name: 'soak', ...options, date, machine, commit: commitOf(results), deployments, report: kept, bulk, memory, samples: samples.map(({ at, rss }) => [Math.round(at), rss]) })}\n`,
);
process.exitCode = isClean(report) && (bulk?.lost ?? 0) === 0 && memory.flat ? 0 : 1;
