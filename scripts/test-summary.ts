// What test runs add up to: scripts/run-tests.ts makes a summary of one run from Vitest's JSON report, and CI adds up the
// summaries of all:
//
//   node scripts/test-summary.ts [--allow-skips FILE] [--part NAME=STATUS]... SUMMARY.json...
//
// A --part is a step that is not made of tests (the demo, the checks): it counts as one, passed when its status is 0. The
// last line is always `N passed, N failed, N skipped`; the exit status is 1 when anything failed or nothing ran.
import { readFileSync } from 'node:fs';
import { basename, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { pathToFileURL } from 'node:url';

/** What one or several runs came to. Names are `file > suite test`. */
export interface Summary {
  passed: number;
  readonly failed: string[];
  readonly skipped: string[];
}

/** The part of Vitest's JSON report that is read here. */
export interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

export function emptySummary(): Summary {
  return { passed: 0, failed: [], skipped: [] };
}

/**
 * Adds one Vitest report to a summary. A file that could not even be loaded has no tests: it counts as one failure.
 *
 * @param root folder that file names are told relative to
 */
export function addReport(summary: Summary, report: VitestReport, root: string): void {
  for (const file of report.testResults) {
    const name = relative(root, file.name);
    const failedBefore = summary.failed.length;
    for (const { status, fullName } of file.assertionResults) {
      const title = `${name} > ${fullName.trim()}`;
      if (status === 'passed') summary.passed += 1;
      else if (status === 'failed') summary.failed.push(title);
      else summary.skipped.push(title);
    }
    if (file.status === 'failed' && summary.failed.length === failedBefore)
      summary.failed.push(`${name} > the file itself`);
  }
}

/**
 * Skipped tests that nobody allowed. An allow-list has one `file > suite test` a line, exactly as printed; `#` starts a
 * comment, which says why.
 */
export function forbiddenSkips(skipped: readonly string[], allowList: string): string[] {
  const allowed = new Set(
    allowList
      .split('\n')
      .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
      .filter((line) => line !== ''),
  );
  return skipped.filter((name) => !allowed.has(name));
}

/** The line that closes every run, for people and for CI. */
export function closingLine(summary: Summary): string {
  return `${summary.passed} passed, ${summary.failed.length} failed, ${summary.skipped.length} skipped`;
}

/** Names what was skipped and what failed, then closes. */
export function printSummary(summary: Summary): void {
  if (summary.skipped.length > 0)
    console.log(['', 'Skipped:', ...summary.skipped.map((name) => `  ${name}`)].join('\n'));
  if (summary.failed.length > 0) console.log(['', 'Failed:', ...summary.failed.map((name) => `  ${name}`)].join('\n'));
  console.log(`\n${closingLine(summary)}`);
}

/** A run in which nothing ran is no success. */
export function exitStatus(summary: Summary): 0 | 1 {
  return summary.failed.length > 0 || summary.passed === 0 ? 1 : 0;
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { 'allow-skips': { type: 'string' }, part: { type: 'string', multiple: true, default: [] } },
  });
  const summary = emptySummary();
  for (const path of positionals) {
    try {
      const { passed, failed, skipped } = JSON.parse(readFileSync(path, 'utf8')) as Summary;
      summary.passed += passed;
      summary.failed.push(...failed);
      summary.skipped.push(...skipped);
    } catch (error) {
      summary.failed.push(`${basename(path)}: the run left no summary (${(error as Error).message})`);
    }
  }
  for (const part of values.part) {
    const [name = '', status = ''] = part.split('=');
    if (status === '0') summary.passed += 1;
    else summary.failed.push(`${name} (status ${status})`);
  }
  const allowList = values['allow-skips'];
  if (allowList !== undefined) {
    for (const name of forbiddenSkips(summary.skipped, readFileSync(allowList, 'utf8')))
      summary.failed.push(`${name} (skipped, and not in ${allowList})`);
  }
  printSummary(summary);
  process.exitCode = exitStatus(summary);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) main();
