import { parseArgs } from 'node:util';
import { answersRun } from './answers-run.ts';
import { runCorpus } from './corpus-run.ts';
import { reasonOf } from './difference.ts';

// node test/hostile/run-corpus.ts [--only PART] [--no-reference] [--json]
// Sends every case of the corpus through the gateway and through HAProxy, and shows what became of each.

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    'no-reference': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const reference = !values['no-reference'];
const requests = await runCorpus(values.only, reference, () => {
  if (!values.json) process.stderr.write('.');
});
const answers = await answersRun(values.only, reference, () => {
  if (!values.json) process.stderr.write('.');
});
if (!values.json) process.stderr.write('\n');

const failed = [
  ...requests.reports.flatMap(({ one, gateway }) => gateway.problems.map((problem) => `${one.name}: ${problem}`)),
  ...answers.reports.flatMap(({ one, gateway }) => gateway.problems.map((problem) => `${one.name}: ${problem}`)),
  ...requests.complaints,
  ...answers.complaints,
];

if (values.json) {
  const plain = {
    haproxy: requests.haproxy,
    requests: requests.reports.map(({ theme, one, gateway, haproxy, same }) => ({
      theme,
      name: one.name,
      why: one.why,
      source: one.source,
      sent: one.bytes,
      expected: one.expect,
      gateway,
      haproxy,
      same,
      reason: same || haproxy === null ? null : reasonOf(one, gateway, haproxy),
    })),
    answers: answers.reports.map(({ one, gateway, haproxy }) => ({ ...one, gateway, haproxy })),
    failed,
  };
  process.stdout.write(`${JSON.stringify(plain, null, 2)}\n`);
} else {
  const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |\n`;
  const { haproxy } = requests;
  process.stdout.write(
    row([
      'theme',
      'cases',
      'refused',
      'passed',
      'broken off',
      'held',
      'not as expected',
      'HAProxy otherwise',
      'of these malformed at the instance',
    ]),
  );
  process.stdout.write(row(['---', '--:', '--:', '--:', '--:', '--:', '--:', '--:', '--:']));
  const themes = [...new Set(requests.reports.map(({ theme }) => theme))];
  for (const theme of [...themes, null]) {
    const reports = requests.reports.filter((report) => theme === null || report.theme === theme);
    const count = (kind: string): number => reports.filter(({ gateway }) => gateway.kind === kind).length;
    process.stdout.write(
      row([
        theme ?? 'all',
        reports.length,
        count('refused'),
        count('passed'),
        count('broken-off'),
        count('held'),
        reports.filter(({ gateway }) => gateway.problems.length > 0).length,
        haproxy === null ? '-' : reports.filter(({ same }) => !same).length,
        haproxy === null ? '-' : reports.filter((report) => report.haproxy?.kind === 'malformed').length,
      ]),
    );
  }
  process.stdout.write(
    `\n${answers.reports.length} answers of a hostile instance: ${answers.reports.filter(({ gateway }) => gateway.problems.length > 0).length} not as expected by the gateway`,
  );
  process.stdout.write(
    haproxy === null
      ? '\n\nHAProxy is not installed: no reference\n'
      : `, ${answers.reports.filter(({ haproxy: theirs }) => (theirs?.problems.length ?? 0) > 0).length} by HAProxy\n\nreference: ${haproxy}\n`,
  );
  const byReason = new Map<string, string[]>();
  for (const { one, gateway, haproxy: theirs, same } of requests.reports) {
    if (same || theirs === null) continue;
    const reason = reasonOf(one, gateway, theirs) ?? 'NOT JUDGED';
    byReason.set(reason, [
      ...(byReason.get(reason) ?? []),
      `  ${one.name}\n      gateway: ${gateway.what}\n      haproxy: ${theirs.what}\n`,
    ]);
  }
  for (const [reason, cases] of byReason) process.stdout.write(`\n${reason} (${cases.length})\n${cases.join('')}`);
  for (const { one, haproxy: theirs } of answers.reports) {
    if (theirs !== null && theirs.problems.length > 0)
      process.stdout.write(`\nhaproxy, ${one.name}: ${theirs.problems[0] ?? ''}`);
  }
  process.stdout.write(`\n${failed.length === 0 ? 'the gateway did as expected in every case' : 'NOT AS EXPECTED'}\n`);
  for (const line of failed) process.stdout.write(`  ${line}\n`);
}
process.exitCode = failed.length === 0 ? 0 : 1;
