// Every kind of bad release, in full: node test/e2e/run-bad-releases.ts [--only REGEXP] [--crash-after 20] [--json FILE]
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { formatReport } from '../../src/load/report.ts';
import { runBadReleases } from './bad-releases.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    'crash-after': { type: 'string', default: '20' },
    rate: { type: 'string', default: '200' },
    json: { type: 'string' },
  },
});
const { rows, report } = await runBadReleases({
  brief: false,
  crashAfterSeconds: Number(values['crash-after']),
  rate: Number(values.rate),
  ...(values.only === undefined ? {} : { only: new RegExp(values.only) }),
  log: (line) => console.log(line),
});
console.log(formatReport(report));
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ rows, report }, null, 2)}\n`);
const asExpected = rows.every(({ phase, release }) => phase === (release.ends === 'live' ? 'succeeded' : 'reverted'));
process.exitCode = asExpected ? 0 : 1;
