import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { startLoad } from '../../src/load/load.ts';
import { isClean } from '../../src/load/report.ts';
import { processesOf } from './bad-input-sandbox.ts';
import { DeployedDemo } from './deployed-demo.ts';

const installed = await promisify(execFile)('haproxy', ['-v']).then(
  () => true,
  () => false,
);

const strategy = {
  kind: 'canary',
  steps: [10, 50],
  hold: '1s',
  watch: '1s',
  keepWarm: '500ms',
  limits: { minSuccess: '95%', maxP99: '9s', minRequests: 20 },
  deadlines: { starting: '60s' },
} as const;

async function journalOf(demo: DeployedDemo): Promise<string> {
  const lines: string[] = [];
  await demo.client.stream('events', { query: {} }, { onItem: ({ text }) => void lines.push(text) });
  return lines.join('\n');
}

// `skipIf` says which test was skipped; CI allows none.
test.skipIf(!installed)(
  'given HAProxy as router, a good release goes live and a bad one is taken back without a request lost, and down leaves no process',
  async () => {
    const demo = await DeployedDemo.start({ strategy, target: { router: 'haproxy' } });
    const { dir } = demo.project;
    try {
      const start = await demo.deploy(await demo.build('v0', ['web', 'api', 'worker']));
      const live = await demo.follow(start.id);
      expect(live.phase, live.summary).toBe('succeeded');
      expect(processesOf(dir, 'haproxy.cfg').length).toBeGreaterThan(0);

      const load = startLoad({ target: demo.project.url, rate: 150 });
      const good = await demo.deploy(await demo.build('v1', ['web']));
      const taken = await demo.follow(good.id);
      expect(taken.phase, taken.summary).toBe('succeeded');

      const bad = await demo.deploy(await demo.build('v2', ['web'], { failPercent: 40 }));
      const back = await demo.follow(bad.id);
      expect(back.phase, back.summary).toBe('reverted');
      expect(back.reason?.text).toMatch(/errors(?: above 5%)?: \d+ of \d+ \(.* %\) of the candidate/);

      const after = load.snapshot();
      const report = await load.stop();
      expect(report.lostDetails).toEqual([]);
      expect(report.wrongDetails).toEqual([]);
      expect(isClean(report)).toBe(true);
      expect(after.failedByRelease).toBeGreaterThan(0);
      for (const operation of Object.values(report.operations)) expect(operation.requests).toBeGreaterThan(0);

      // And one that dies is there again, and people can read that it was gone.
      for (const pid of processesOf(dir, 'haproxy.cfg')) process.kill(pid, 'SIGKILL');
      await expect.poll(() => journalOf(demo), { timeout: 15_000 }).toMatch(/restarted: HAProxy had died/);
      expect((await fetch(demo.project.url)).status).toBe(200);
      const versions = Object.values(report.releases).map(({ name }) => name);
      expect(versions).toEqual(expect.arrayContaining(['web v0', 'web v1', 'web v2']));
    } finally {
      await demo.stop();
    }
    expect(processesOf(dir, '')).toEqual([]);
  },
);
