import { tmpdir } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { judgeOf } from '../../src/core/analysis/judge.ts';
import { settingsOf, type MetricSettings } from '../../src/core/analysis/settings.ts';
import type { Arm } from '../../src/core/slot.ts';
import type { Analysis, HardLimits, Journey, MetricSource } from '../../src/core/spec/platform.ts';
import type { MetricSample } from '../../src/core/traffic.ts';
import type { DurationMs } from '../../src/core/units/quantities.ts';
import type { MetricScope, MetricSourceDriver } from '../../src/drivers/metric/metric.ts';
import { metricSources } from '../../src/drivers/metric/registry.ts';
import { judgeSettingsOf } from '../../src/engine/analyst-settings.ts';
import { startFaultyServer, type FaultyServer } from './faulty-server.ts';
import { startCountingInstance } from './metric-instance.ts';
import { until } from './router-instance.ts';

const signal = AbortSignal.timeout(600_000);
const limits = { minSuccessPercent: 99, maxP99Ms: 500, minRequests: 100 } as unknown as HardLimits;
const sources: FaultyServer[] = [];
afterEach(async () => {
  for (const server of sources.splice(0)) await server.close();
});

/** What is asked of real drivers, second by second of a made-up clock, judged as the engine has it judged. */
async function judged(
  declared: Partial<Pick<Analysis, 'metrics' | 'sources' | 'journeys'>>,
  endpoints: Readonly<Record<Arm, FaultyServer>>,
  seconds: number,
  each: (second: number) => Readonly<Record<Arm, number>>,
  isAnswered: (sample: MetricSample) => boolean,
): Promise<{ readonly worseAfter: number | null; readonly rule: string | null }> {
  let time = 1_000_000;
  const analysis: Analysis = {
    ...settingsOf('balanced'),
    horizonSeconds: 3_600,
    metrics: [],
    sources: {},
    journeys: [],
    ...declared,
  };
  const judge = judgeOf(judgeSettingsOf({ limits, analysis }));
  const abort = new AbortController();
  const [driver] = metricSources(analysis, { now: () => time, folder: tmpdir(), signal: abort.signal }).values();
  if (driver === undefined) throw new Error('nobody is asked');
  const asked: MetricSourceDriver = driver;
  const arm = (slot: 'blue' | 'green', server: FaultyServer) => ({
    slot,
    release: `rel_${slot}`,
    endpoints: [{ id: slot, host: '127.0.0.1', port: server.port }],
  });
  const scope: MetricScope = {
    environment: 'production',
    service: 'web',
    deployment: 'dep_1',
    phase: 'stepping',
    arms: { stable: arm('blue', endpoints.stable), candidate: arm('green', endpoints.candidate) },
  };
  await asked.ask(scope, signal);
  let state = judge.start([]);
  for (let second = 1; second <= seconds; second += 1) {
    const requests = each(second);
    const samples: MetricSample[] = [];
    await until(async () => {
      const { sample } = await asked.ask(scope, signal);
      if (isAnswered(sample)) samples.push(sample);
      return samples.length > 0;
    }, 'an answer');
    time += 1_000;
    const armSecond = (count: number) => ({
      requests: count,
      serverErrors: 0,
      gatewayErrors: 0,
      clientErrors: 0,
      latency: count === 0 ? [] : [[100, count] as const],
    });
    state = judge.observe(state, {
      service: 'web',
      second: time / 1_000,
      arms: { stable: armSecond(requests.stable), candidate: armSecond(requests.candidate) },
      samples,
    });
    if (judge.judge(state).verdict !== 'worse') continue;
    abort.abort();
    return { worseAfter: second, rule: judge.explain(state).rule ?? null };
  }
  abort.abort();
  return { worseAfter: null, rule: null };
}

describe('without a single user, journeys', () => {
  const visit: Journey = {
    name: 'visit',
    everyMs: 1_000 as DurationMs,
    timeoutMs: 5_000 as DurationMs,
    steps: [{ method: 'GET', path: '/', headers: {}, body: null, expectStatus: 200, expectBody: null }],
  };
  /** A release in which every so many-th visit fails. */
  const release = async (failsEvery: number): Promise<FaultyServer> => {
    let visits = 0;
    const server = await startFaultyServer((_, response) => {
      visits += 1;
      response.writeHead(visits % failsEvery === 0 ? 500 : 200).end();
    });
    sources.push(server);
    return server;
  };
  const run = async (stable: number, candidate: number) =>
    judged(
      { journeys: [visit] },
      { stable: await release(stable), candidate: await release(candidate) },
      120,
      () => ({ stable: 0, candidate: 0 }),
      ({ arms }) => (arms.stable?.total ?? 0) > 0,
    );

  it('find a release in which every run fails, after no more runs than docs/metrics.md says', async () => {
    expect(await run(Number.POSITIVE_INFINITY, 1)).toEqual({
      worseAfter: expect.toSatisfy((runs: number) => runs <= 15),
      rule: 'comparison',
    });
  });

  it('find a release in which a fifth fails, within about as many runs as docs/metrics.md says', async () => {
    expect((await run(Number.POSITIVE_INFINITY, 5)).worseAfter).toBeLessThanOrEqual(90);
  });

  it('blame nobody for what fails in both', async () => {
    expect((await run(2, 2)).worseAfter).toBeNull();
  });
});

describe('with users, a metric', () => {
  const declare = (metric: MetricSettings, source: Partial<MetricSource>) => ({
    metrics: [metric],
    sources: { [metric.name]: { everyMs: 1_000, timeoutMs: 1_000, total: null, ...source } as unknown as MetricSource },
  });

  it.each([
    ['is found when a release loses half of what there should be', 0.5, true],
    ['says nothing of a release that has as much', 1, false],
  ])('%s', async (_, share, isFound) => {
    const [stable, candidate] = [await startCountingInstance('s'), await startCountingInstance('c')];
    sources.push(stable.server, candidate.server);
    let [visits, ups] = [0, 0];
    const signUps: MetricSettings = { name: 'sign-ups', kind: 'rate', weight: 0.3, delta: 0.2, better: 'more' };
    const { worseAfter } = await judged(
      declare(signUps, { kind: 'exported', path: '/metrics', events: 'sign_ups_total' }),
      { stable: stable.server, candidate: candidate.server },
      200,
      () => {
        // A tenth of all visits in stable; 50 a second for the candidate, of which its share signs up.
        stable.counters.set('sign_ups_total', Number(stable.counters.get('sign_ups_total') ?? 0) + 20);
        visits += 50;
        ups = Math.floor((visits / 10) * share);
        candidate.counters.set('sign_ups_total', ups);
        return { stable: 200, candidate: 50 };
      },
      () => true,
    );
    expect(worseAfter !== null).toBe(isFound);
  });

  it('takes a release back that a webhook does not let pass three times in a row, and no sooner', async () => {
    let calls = 0;
    const receiver = await startFaultyServer((_, response) => {
      calls += 1;
      // The first answer is thrown away here; then: no, no, yes, no, no, no.
      response.writeHead(calls === 1 || calls === 4 ? 200 : 503).end();
    });
    sources.push(receiver);
    const gate: MetricSettings = { name: 'gate', kind: 'limit', min: null, max: 0, times: 3 };
    const verdict = await judged(
      declare(gate, { kind: 'webhook', url: receiver.url, metadata: {} }),
      { stable: receiver, candidate: receiver },
      20,
      () => ({ stable: 95, candidate: 5 }),
      () => true,
    );
    expect(verdict).toEqual({ worseAfter: 6, rule: 'metric-limit' });
  });
});
