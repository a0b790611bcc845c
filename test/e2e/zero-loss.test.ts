import { expect, test } from 'vitest';
import { isClean } from '../../src/load/report.ts';
import { runZeroLoss } from './zero-loss.ts';

// The full size, ten of each strategy, is `node test/e2e/run-zero-loss.ts`.

test('given steady traffic of every kind, deploying by every strategy, alone and as a train, loses nothing', async () => {
  const { rows, report } = await runZeroLoss({ each: 2, rate: 200, log: (line) => console.log(line) });
  expect(rows.map(({ phase }) => phase)).toEqual(rows.map(() => 'succeeded'));
  expect(report.lostDetails).toEqual([]);
  expect(report.wrongDetails).toEqual([]);
  expect(isClean(report)).toBe(true);
  // It was there, and it was moved: every kind of traffic, and answers of every version of web.
  for (const operation of Object.values(report.operations)) expect(operation.requests).toBeGreaterThan(0);
  expect(report.operations.ws.requests).toBeGreaterThan(4);
  expect(report.operations.events.requests).toBeGreaterThan(4);
  const versions = Object.values(report.releases).map(({ name }) => name);
  expect(versions).toEqual(
    expect.arrayContaining(['web v0', 'web v1', 'web v2', 'web v3', 'api v4', 'api v5', 'api v6']),
  );
}, 180_000);
