// Runs Vitest over some of its projects and ends with one line that says what happened:
//
//   node scripts/run-tests.ts NAME PROJECT...      leaves node_modules/.cache/veza/NAME.summary.json
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addReport, emptySummary, exitStatus, printSummary, type VitestReport } from './test-summary.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [name = 'test', ...projects] = process.argv.slice(2);
const folder = join(root, 'node_modules/.cache/veza');
const path = join(folder, `${name}.vitest.json`);
const summaryPath = join(folder, `${name}.summary.json`);
mkdirSync(folder, { recursive: true });
// What an earlier run left must not speak for this one.
for (const old of [path, summaryPath]) rmSync(old, { force: true });

const { status, signal } = spawnSync(
  process.execPath,
  [
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    ...projects.flatMap((project) => ['--project', project]),
    `--reporter=${join(root, 'scripts/failed-names-reporter.ts')}`,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${path}`,
  ],
  // Each test of a router starts processes of its own: they need not compile the same code again.
  { cwd: root, stdio: 'inherit', env: { ...process.env, NODE_COMPILE_CACHE: join(folder, 'code') } },
);

const summary = emptySummary();
try {
  addReport(summary, JSON.parse(readFileSync(path, 'utf8')) as VitestReport, root);
} catch (error) {
  summary.failed.push(`vitest left no report: ${(error as Error).message}`);
}
// A rejection that no test waited for, a worker that died: Vitest knows, its report does not.
if (status !== 0 && summary.failed.length === 0)
  summary.failed.push(`vitest itself: ${signal ?? `status ${status}`}, though every test passed`);
writeFileSync(summaryPath, JSON.stringify(summary));
printSummary(summary);
process.exitCode = exitStatus(summary);
