import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import type { MetricSettings } from '../../src/core/analysis/settings.ts';
import type { Arm } from '../../src/core/slot.ts';
import type { MetricSource } from '../../src/core/spec/platform.ts';
import type { DurationMs } from '../../src/core/units/quantities.ts';
import type { MetricScope, MetricSourceDriver } from '../../src/drivers/metric/metric.ts';
import { metricSources } from '../../src/drivers/metric/registry.ts';
import { freePort } from '../../src/system/free-port.ts';
import { startFaultyServer, type Fault, type FaultyServer } from './faulty-server.ts';
import { DECLINED, startCountingInstance, type CountingInstance } from './metric-instance.ts';
import { metricContract } from './metric.contract.ts';
import { until } from './router-instance.ts';

const signal = AbortSignal.timeout(600_000);
const share: MetricSettings = { name: 'declined', kind: 'share', weight: 0.2, delta: 0.5 };
const rate: MetricSettings = { name: 'declined', kind: 'rate', weight: 0.2, delta: 0.5, better: 'more' };
const limit: MetricSettings = { name: 'declined', kind: 'limit', min: null, max: 10, times: 3 };

const scope: MetricScope = {
  environment: 'production',
  service: 'pay',
  deployment: 'dep_1',
  phase: 'stepping',
  arms: {
    stable: { slot: 'blue', release: 'rel_1', endpoints: [] },
    candidate: { slot: 'green', release: 'rel_2', endpoints: [] },
  },
};

function driverOf(url: string, changes: Partial<MetricSource> = {}, meaning = share): MetricSourceDriver {
  const source = {
    kind: 'prometheus',
    url,
    events: 'payments_total{result="declined",slot="{slot}"}',
    total: 'payments_total{slot="{slot}"}',
    everyMs: 200 as DurationMs,
    ...changes,
  } as MetricSource;
  const context = { now: Date.now, folder: tmpdir(), signal };
  const driver = metricSources({ metrics: [meaning], sources: { declined: source }, journeys: [] }, context).get(
    'declined',
  );
  if (driver === undefined) throw new Error('nobody asks Prometheus');
  return driver;
}

/** A real Prometheus that scrapes two real instances, one of each slot, five times a second. */
describe('a real Prometheus', () => {
  let folder: string;
  let port: number;
  let prometheus: ReturnType<typeof spawn>;
  let log = '';
  let instances: Record<Arm, CountingInstance>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'veza-prometheus-'));
    instances = { stable: await startCountingInstance('s1'), candidate: await startCountingInstance('c1') };
    for (const instance of Object.values(instances)) instance.count(100, 1_000);
    const job = ([slot, instance]: readonly [string, CountingInstance]): string =>
      `      - targets: ["127.0.0.1:${instance.server.port}"]\n        labels: { slot: ${slot} }\n`;
    const targets = [job(['blue', instances.stable]), job(['green', instances.candidate])].join('');
    const config = `global: { scrape_interval: 200ms, scrape_timeout: 200ms }\nscrape_configs:\n  - job_name: pay\n    static_configs:\n${targets}`;
    await writeFile(join(folder, 'prometheus.yml'), config);
    port = await freePort('127.0.0.1', 0);
    prometheus = spawn(
      'prometheus',
      [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=warn',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    prometheus.stderr?.setEncoding('utf8').on('data', (text: string) => (log += text));
    await until(() => scraped('stable').then((sum) => sum === 1_000), `Prometheus has scraped: ${log}`, 30_000);
    await until(() => scraped('candidate').then((sum) => sum === 1_000), `Prometheus has scraped: ${log}`);
  });

  afterAll(async () => {
    const ended = once(prometheus, 'exit');
    prometheus.kill('SIGKILL');
    await ended;
    for (const { server } of Object.values(instances)) await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** The sum of an arm's payments that Prometheus knows of. */
  async function scraped(arm: Arm): Promise<number | null> {
    const query = `sum(payments_total{slot="${scope.arms[arm].slot}"})`;
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`);
      const { data } = (await answer.json()) as { data: { result: { value: [number, string] }[] } };
      return Number(data.result[0]?.value[1]);
    } catch {
      return null;
    }
  }

  async function count(arm: Arm, declined: number, payments: number): Promise<void> {
    const before = (await scraped(arm)) ?? 0;
    instances[arm].count(declined, payments);
    await until(async () => (await scraped(arm)) === before + payments, 'Prometheus has scraped that');
  }

  async function restart(arm: Arm, declined: number, payments: number): Promise<void> {
    instances[arm].restart();
    instances[arm].count(declined, payments);
    await until(async () => (await scraped(arm)) === payments, 'Prometheus has scraped what has started anew');
  }

  metricContract('Prometheus', ['gone', 'silent', 'slow', 'failing', 'garbage', 'endless', 'elsewhere'], async () => {
    const front = await startFaultyServer(async (question, response) => {
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query`, {
        method: question.method,
        headers: { 'content-type': question.headers['content-type'] ?? '' },
        body: question.body,
      });
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
    });
    const both: readonly Arm[] = ['stable', 'candidate'];
    const fault = (said: RegExp) => ({ arms: both, said, is: 'null' as const });
    return {
      driver: driverOf(front.url),
      scope,
      arms: both,
      startsAtZero: true,
      asksByItself: false,
      unit: { events: 3, total: 10 },
      happen: (arm) => count(arm, 3, 10),
      faults: {
        gone: fault(/^http:\S+\/api\/v1\/query: connection refused$/),
        silent: fault(/no answer within 1 s/),
        slow: fault(/no answer within 1 s/),
        failing: fault(/answered 500/),
        garbage: fault(/is no answer of a Prometheus/),
        endless: fault(/longer than 1 MB/),
        elsewhere: fault(/answered 307, and redirects are not followed/),
      },
      spoil: (how) => front.be(how as Fault | null),
      end: () => front.close(),
    };
  });

  const url = (): string => `http://127.0.0.1:${port}`;
  const candidateOf = async (driver: MetricSourceDriver) => (await driver.ask(scope, signal)).sample.arms.candidate;

  it('is told apart from a restart of what it scrapes', async () => {
    const driver = driverOf(url());
    await candidateOf(driver);
    await restart('candidate', 4, 9);
    expect(await candidateOf(driver)).toEqual({ events: 4, total: 9 });
    await count('candidate', 1, 2);
    expect(await candidateOf(driver)).toEqual({ events: 1, total: 2 });
  });

  it('gives no count when a sum falls, and says what to ask instead', async () => {
    const driver = driverOf(url(), { events: 'sum(payments_total{slot="{slot}"})', total: null }, rate);
    await count('candidate', 0, 50);
    await candidateOf(driver);
    await restart('candidate', 1, 5);
    const { sample, trouble } = await driver.ask(scope, signal);
    expect(sample.arms).toEqual({ stable: { events: 0, total: null }, candidate: null });
    expect(trouble).toMatch(/^candidate: a sum fell from \d+ to 5, .*without sum\(\)/);
    await count('candidate', 0, 2);
    expect(await candidateOf(driver)).toEqual({ events: 2, total: null });
  });

  it('has limits on values as they are: expressions, sums of series, scalars', async () => {
    await restart('candidate', 2, 8);
    const value = (events: string) => candidateOf(driverOf(url(), { events, total: null }, limit));
    expect(await value('payments_total{slot="{slot}"}')).toEqual({ events: 8, total: null });
    expect(await value('-sum(payments_total{slot="{slot}"}) / 16')).toEqual({ events: -0.5, total: null });
    expect(await value('scalar(sum(payments_total{slot="{slot}"}))')).toEqual({ events: 8, total: null });
    expect(await value('nothing_{slot} or vector(0)')).toEqual({ events: 0, total: null });
  });

  test.each([
    ['nothing_here', share, /nothing_here finds nothing: are its names right/],
    ['0/0', limit, /^NaN is no value/],
    ['1/0', limit, /^Infinity is no value/],
    ['vector(0/0)', share, /finds no counters: one stands at NaN/],
    ['vector(-1)', rate, /finds no counters: one stands at -1/],
    ['vector(1e308)', rate, /finds no counters: one stands at 1e\+308/],
    ['payments_total[1m]', limit, /payments_total\[1m\] is a matrix: it must give one number/],
    ['"text"', limit, /is a string/],
    ['sum(', share, /refuses sum\(: .*parse error/],
    ['a_{release}{release=`{arm}`}', limit, /a_rel_2\{release=`candidate`\} finds nothing/],
  ])('gives null for %s, and says why', async (events, meaning, said) => {
    const { sample, trouble } = await driverOf(url(), { events }, meaning).ask(scope, signal);
    expect(sample.arms).toEqual({ stable: null, candidate: null });
    expect(trouble).toMatch(said);
  });

  it('reads what is filled in as a value, whatever it is', async () => {
    const release = 'é"} or vector(7) #\\\n{}';
    const about = { ...scope, arms: { ...scope.arms, candidate: { ...scope.arms.candidate, release } } };
    const events =
      'label_replace(vector(3), "release", "{release}", "", "") and on(release) label_replace(vector(1), "release", \'{release}\', "", "")';
    const driver = driverOf(url(), { events, total: null }, limit);
    expect((await driver.ask(about, signal)).sample.arms.candidate).toEqual({ events: 3, total: null });
    const unsafe = driverOf(url(), { events: 'a_{release}', total: null }, limit);
    expect((await unsafe.ask(about, signal)).trouble).toMatch(/must stand between double quotes in a_\{release\}/);
  });

  it('does not count what is only first seen, nor again what was gone for a while', async () => {
    // Another sum than before, so that the restart is seen.
    await restart('candidate', 0, 9);
    await count('stable', 1, 1);
    const driver = driverOf(url());
    expect(await candidateOf(driver)).toBeNull();
    expect(await candidateOf(driver)).toEqual({ events: 0, total: 0 });
    instances.candidate.counters.set(DECLINED, 70);
    await until(async () => (await scraped('candidate')) === 79, 'Prometheus has scraped the new series');
    expect((await candidateOf(driver))?.events).toBe(0);
    await instances.candidate.server.be('failing');
    await until(async () => Number.isNaN(await scraped('candidate')), 'Prometheus has lost sight of the instance');
    expect(await candidateOf(driver)).toBeNull();
    await instances.candidate.server.be(null);
    await until(async () => (await scraped('candidate')) === 79, 'Prometheus sees it again');
    await candidateOf(driver);
    expect(await candidateOf(driver)).toEqual({ events: 0, total: 0 });
  });
});

describe('what only looks like a Prometheus', () => {
  let server: FaultyServer;
  let answer: unknown;
  beforeEach(async () => {
    server = await startFaultyServer((_, response) => void response.end(JSON.stringify(answer)));
  });
  afterEach(() => server.close());

  const vector = (...values: unknown[]): unknown => ({
    status: 'success',
    data: { resultType: 'vector', result: values.map((value) => ({ metric: { instance: 'a' }, value })) },
  });

  test.each([
    ['an empty object', {}],
    ['a list', []],
    ['no data', { status: 'success' }],
    ['values that are numbers', vector([1, 2])],
    ['values that are no pairs', vector(['1'])],
    [
      'labels that are no texts',
      { status: 'success', data: { resultType: 'vector', result: [{ metric: { a: 1 }, value: [1, '1'] }] } },
    ],
    ['a number that is none', vector([1, 'many'])],
    ['nothing for a number', vector([1, ''])],
    [
      'a histogram',
      { status: 'success', data: { resultType: 'vector', result: [{ metric: {}, histogram: [1, {}] }] } },
    ],
  ])('does no harm with %s', async (_, body) => {
    answer = body;
    const { sample, trouble } = await driverOf(server.url, { total: null }, rate).ask(scope, signal);
    expect(sample.arms).toEqual({ stable: null, candidate: null });
    expect(trouble).not.toBeNull();
  });

  it('is asked by POST below the path of its address, as RFC 7617 says for users, about one moment', async () => {
    answer = vector([1_700_000_000.123, '5']);
    await driverOf(`${server.url.replace('//', '//me:secret@')}/prom/`).ask(scope, signal);
    expect(server.asked).toHaveLength(4);
    const forms = server.asked.map(({ method, path, headers, body }) => {
      expect([method, path, headers.authorization]).toEqual([
        'POST',
        '/prom/api/v1/query',
        `Basic ${btoa('me:secret')}`,
      ]);
      return new URLSearchParams(body);
    });
    const green = forms.filter((form) => form.get('query')?.includes('slot="green"') === true);
    expect(green.map((form) => form.get('time'))).toEqual([null, '1700000000.123']);
  });
});
