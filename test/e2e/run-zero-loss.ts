// 30 deployments in a row under traffic: node test/e2e/run-zero-loss.ts [--each 10] [--rate 200] [--json FILE]
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { formatReport, isClean } from '../../src/load/report.ts';
import { runZeroLoss } from './zero-loss.ts';

const { values } = parseArgs({
  options: {
    each: { type: 'string', default: '10' },
    rate: { type: 'string', default: '200' },
    json: { type: 'string' },
  },
});
const { rows, report } = await runZeroLoss({
  each: Number(values.each),
  rate: Number(values.rate),
  log: (line) => console.log(line),
});
console.log(formatReport(report));
const good = rows.filter(({ phase }) => phase === 'succeeded').length;
console.log(`${good} of ${rows.length} deployments live; ${report.lost} lost, ${report.wrong} wrong`);
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ rows, report }, null, 2)}\n`);
process.exitCode = good === rows.length && isClean(report) ? 0 : 1;
