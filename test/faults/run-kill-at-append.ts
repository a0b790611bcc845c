// node test/faults/run-kill-at-append.ts blue-green|canary|train [--from N] [--to N] [--json FILE]
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { killAtEveryAppend, type Subject } from './kill-at-append.ts';

const { values, positionals } = parseArgs({
  options: { from: { type: 'string' }, to: { type: 'string' }, json: { type: 'string' } },
  allowPositionals: true,
});
const report = await killAtEveryAppend({
  subject: (positionals[0] ?? 'blue-green') as Subject,
  rate: 25,
  ...(values.from === undefined ? {} : { from: Number(values.from) }),
  ...(values.to === undefined ? {} : { to: Number(values.to) }),
  log: (line) => console.log(line),
});
const wrongEnds = report.runs.filter(({ faults }) => faults.length > 0).length;
const lost = report.loads.reduce((sum, load) => sum + load.lost, 0);
const wrong = report.loads.reduce((sum, load) => sum + load.wrong, 0);
console.log(
  `${report.subject}: ${report.appends} appends, ${report.runs.length} runs, ${wrongEnds} wrong ends, ` +
    `${lost} lost, ${wrong} wrong, ${report.seconds.toFixed(0)} s`,
);
for (const load of report.loads) for (const detail of [...load.lostDetails, ...load.wrongDetails]) console.log(detail);
if (values.json !== undefined) await writeFile(values.json, JSON.stringify(report, null, 2));
process.exitCode = wrongEnds === 0 && report.clean ? 0 : 1;
