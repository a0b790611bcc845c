import { describe, expect, test } from 'vitest';
import { errorsOf, median, type OpenLoop } from './measure.ts';
import { figuresOf, loadWasLimit, pageOf } from './report.ts';
import { proxyNames } from './proxy.ts';
import type { GatewayRun, SaturationSample, Subject } from './samples.ts';

const loop: OpenLoop = {
  rate: 100,
  sent: 100,
  done: 100,
  failed: 0,
  refused: 0,
  badStatus: 0,
  unsent: 0,
  unanswered: 0,
  p50: 1,
  p99: 2,
  p999: 3,
  max: 4,
};
const cost = {
  seconds: 10,
  proxyCpu: 9.9,
  kernelShare: 0.5,
  proxyCoreBusy: 1,
  proxyShare: 0.99,
  loadCoreBusy: 0.5,
  rss: 2 ** 26,
};

const saturated = (subject: Subject, requestsPerSecond: number, round = 0): SaturationSample => ({
  workload: 'GET 100 B',
  subject,
  round,
  cost,
  requestsPerSecond,
  requests: requestsPerSecond * 10,
  errors: 0,
});

const run: GatewayRun = {
  versions: { veza: '1', haproxy: '2', nginx: '3', caddy: '4' },
  saturation: [
    ...[8_000, 9_000, 1_000].map((rate, round) => saturated('veza', rate, round)),
    saturated('haproxy', 10_000),
    saturated('nginx', 10_000),
    saturated('caddy', 8_000),
  ],
  latency: proxyNames.map((subject) => ({
    ...loop,
    workload: 'GET 100 B',
    point: '5000/s',
    subject,
    round: 0,
    cost,
    p99: subject === 'veza' ? 3_000 : 1_000,
  })),
  download: [],
  idle: [{ subject: 'veza', wanted: 1_000, opened: 1_000, rssBefore: 0, rssWith: 9_000_000 }],
};

describe('the figures', () => {
  test('given rounds of which one was disturbed, the median counts', () => {
    const ratios = figuresOf(run).filter(({ unit, goal }) => unit === 'times' && goal !== undefined);
    expect(ratios).toEqual([
      { name: 'requests/s, small GETs, to Caddy', value: 1, unit: 'times', goal: { atLeast: 1.5 } },
      { name: 'requests/s, small GETs, to HAProxy', value: 0.8, unit: 'times', goal: { atLeast: 0.8 } },
      { name: 'p99, small GETs at 5000/s, to HAProxy', value: 3, unit: 'times', goal: { atMost: 1.5 } },
    ]);
  });

  test('given idle WebSockets, memory is for each of them', () => {
    expect(figuresOf(run)).toContainEqual({
      name: 'memory per WebSocket, 1000 idle',
      value: 9,
      unit: 'kB',
      goal: { atMost: 10 },
    });
  });

  test('the page says where the load was the limit', () => {
    const limited = run.saturation.map((sample) => ({
      ...sample,
      cost: { ...cost, loadCoreBusy: 1, proxyShare: 0.6 },
    }));
    expect(limited.every(loadWasLimit)).toBe(true);
    expect(pageOf({ ...run, saturation: limited }, '')).toContain('`load`');
    expect(pageOf(run, '')).not.toContain('%, `load`');
  });
});

describe('the open loop', () => {
  test('given requests that were due and never sent, they count as errors', () => {
    expect(errorsOf({ ...loop, unsent: 5, unanswered: 2, badStatus: 1 })).toBe(8);
  });

  test.each([
    [[3, 1, 2], 2],
    [[4, 1, 2, 3], 2.5],
  ])('the median of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected);
  });
});
