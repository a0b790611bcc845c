import { beforeAll, describe, expect, test } from 'vitest';
import type { LoadReport } from '../../src/load/report.ts';
import { badReleases, runBadReleases, type BadReleaseRow } from './bad-releases.ts';

// With steps and windows as in production it is `node test/e2e/run-bad-releases.ts`; its figures are in docs/verified.md.

const crashAfterSeconds = 5;
/** From the first request on a release to stable at 100 %: seconds close two seconds late, and three bad answers are needed. */
const mostExposedSeconds = 15;

let rows: readonly BadReleaseRow[];
let report: LoadReport;

beforeAll(async () => {
  ({ rows, report } = await runBadReleases({
    brief: true,
    crashAfterSeconds,
    rate: 100,
    log: (line) => console.log(line),
  }));
}, 300_000);

describe('a platform with users on it', () => {
  test.each(badReleases(crashAfterSeconds).map((release) => [release.name, release] as const))(
    'given a release that %s, ends by itself with stable at 100 %% and says why',
    (name, release) => {
      const row = rows.find((one) => one.release.name === name);
      expect(row).toMatchObject({
        phase: release.ends === 'live' ? 'succeeded' : 'reverted',
        wrong: 0,
        afterwards: 0,
        leftRunning: 0,
      });
      if (release.says !== null) expect(row?.reason).toMatch(release.says);
      else expect(row?.reason).toBeNull();
      if (!release.loses) expect(row?.lost).toBe(0);
      expect(row?.exposedSeconds ?? 0).toBeLessThan(mostExposedSeconds);
    },
  );

  test('keeps every message that was acknowledged meanwhile', () => {
    expect(report.acknowledged).toMatchObject({ missing: 0, complete: true });
    expect(report.wrongDetails).toEqual([]);
  });
});
