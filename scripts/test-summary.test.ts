import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addReport, closingLine, emptySummary, exitStatus, forbiddenSkips } from './test-summary.ts';

const file = (name: string, status: string, tests: Record<string, string>) => ({
  name,
  status,
  assertionResults: Object.entries(tests).map(([fullName, outcome]) => ({ fullName, status: outcome })),
});

describe('a summary of a test run', () => {
  test('given tests that passed, failed and were skipped, each is counted and the last two are named', () => {
    const summary = emptySummary();
    addReport(
      summary,
      {
        testResults: [file('/r/a.test.ts', 'failed', { good: 'passed', bad: 'failed', later: 'todo', off: 'skipped' })],
      },
      '/r',
    );
    expect(summary.failed).toEqual(['a.test.ts > bad']);
    expect(summary.skipped).toEqual(['a.test.ts > later', 'a.test.ts > off']);
    expect(closingLine(summary)).toBe('1 passed, 1 failed, 2 skipped');
    expect(exitStatus(summary)).toBe(1);
  });

  test('given a file that could not be loaded, it counts as a failure', () => {
    const summary = emptySummary();
    addReport(
      summary,
      { testResults: [file('/r/a.test.ts', 'passed', { good: 'passed' }), file('/r/b.test.ts', 'failed', {})] },
      '/r',
    );
    expect(summary.failed).toEqual(['b.test.ts > the file itself']);
    expect(exitStatus(summary)).toBe(1);
  });

  test('given that nothing ran, it is not a success', () => {
    expect(exitStatus(emptySummary())).toBe(1);
  });

  test('given an allow-list, a skip that is not on it is forbidden, and comments are not names', () => {
    const list = '# why\na.test.ts > needs root # no root in CI\n';
    expect(forbiddenSkips(['a.test.ts > needs root', 'a.test.ts > other'], list)).toEqual(['a.test.ts > other']);
  });
});

describe('the sum over a CI job', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'veza-summary-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const sum = (...args: string[]): { lines: string[]; status: number | null } => {
    const { stdout, status } = spawnSync(process.execPath, [join(import.meta.dirname, 'test-summary.ts'), ...args], {
      encoding: 'utf8',
    });
    return { lines: stdout.trimEnd().split('\n'), status };
  };
  const summaryFile = (name: string, content: object): string => {
    const path = join(folder, name);
    writeFileSync(path, JSON.stringify(content));
    return path;
  };

  test('given two runs and a part that worked, the last line has the totals', () => {
    const one = summaryFile('one.json', { passed: 3, failed: [], skipped: [] });
    const two = summaryFile('two.json', { passed: 4, failed: [], skipped: [] });
    const { lines, status } = sum('--part', 'demo=0', one, two);
    expect(lines.at(-1)).toBe('8 passed, 0 failed, 0 skipped');
    expect(status).toBe(0);
  });

  test('given a part that failed or a run without a summary, the job fails and says which', () => {
    const one = summaryFile('one.json', { passed: 3, failed: [], skipped: [] });
    const { lines, status } = sum('--part', 'make demo=2', one, join(folder, 'missing.json'));
    expect(lines.at(-1)).toBe('3 passed, 2 failed, 0 skipped');
    expect(lines.join('\n')).toContain('make demo (status 2)');
    expect(lines.join('\n')).toContain('missing.json: the run left no summary');
    expect(status).toBe(1);
  });

  test('given a skip that is not on the allow-list, the job fails', () => {
    const list = join(folder, 'allowed.txt');
    writeFileSync(list, '');
    const one = summaryFile('one.json', { passed: 3, failed: [], skipped: ['a.test.ts > t'] });
    const { lines, status } = sum('--allow-skips', list, one);
    expect(lines.at(-1)).toBe('3 passed, 1 failed, 1 skipped');
    expect(status).toBe(1);
  });
});
