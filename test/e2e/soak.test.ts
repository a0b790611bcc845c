import { expect, test } from 'vitest';
import { runSoak } from '../../bench/soak/run.ts';

// The long one, half an hour at 70 % of what the gateway can do, is `node bench/soak.ts`.

test('given two minutes of traffic of every kind and a deployment every 15 s, nothing is lost and memory stays flat', async () => {
  const { deployments, report, memory } = await runSoak({
    minutes: 2,
    deployEverySeconds: 15,
    rate: 200,
    share: null,
    signal: AbortSignal.timeout(170_000),
    progress: (line) => console.log(line),
  });
  expect(report.lostDetails).toEqual([]);
  expect(report.wrongDetails).toEqual([]);
  expect(report).toMatchObject({ lost: 0, wrong: 0, skipped: 0, acknowledged: { complete: true, missing: 0 } });
  expect(deployments).toBe(7);
  expect(report.requests).toBeGreaterThan(20_000);
  expect(memory.growth, JSON.stringify(memory)).toBeLessThanOrEqual(memory.bound);
}, 180_000);
