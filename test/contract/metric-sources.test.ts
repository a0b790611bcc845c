import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import type { MetricSettings } from '../../src/core/analysis/settings.ts';
import type { Arm } from '../../src/core/slot.ts';
import type { Analysis, Journey, MetricSource } from '../../src/core/spec/platform.ts';
import type { DurationMs } from '../../src/core/units/quantities.ts';
import type { MetricScope, MetricSourceDriver } from '../../src/drivers/metric/metric.ts';
import { metricSources } from '../../src/drivers/metric/registry.ts';
import { startFaultyServer, type Fault, type FaultyServer } from './faulty-server.ts';
import { DECLINED, startCountingInstance, type CountingInstance } from './metric-instance.ts';
import { metricContract } from './metric.contract.ts';
import { until } from './router-instance.ts';
import { isAlive } from '../../src/system/is-alive.ts';

type Endpoints = Readonly<
  Record<Arm, readonly { readonly id: string; readonly host: string; readonly port: number }[]>
>;

const ms = (value: number): DurationMs => value as DurationMs;
const signal = AbortSignal.timeout(600_000);
const share: MetricSettings = { name: 'declined', kind: 'share', weight: 0.2, delta: 0.5 };
const rate: MetricSettings = { name: 'declined', kind: 'rate', weight: 0.2, delta: 0.5, better: 'fewer' };
const limit: MetricSettings = { name: 'declined', kind: 'limit', min: null, max: 10, times: 3 };

function scopeOf({ stable, candidate }: Endpoints): MetricScope {
  return {
    environment: 'production',
    service: 'pay',
    deployment: 'dep_1',
    phase: 'stepping',
    arms: {
      stable: { slot: 'blue', release: 'rel_1', endpoints: stable },
      candidate: { slot: 'green', release: 'rel_2', endpoints: candidate },
    },
  };
}

function driverOf(
  source: MetricSource,
  meaning: MetricSettings = share,
  parts: { readonly folder?: string; readonly signal?: AbortSignal } = {},
): MetricSourceDriver {
  const context = { now: Date.now, folder: parts.folder ?? tmpdir(), signal: parts.signal ?? signal };
  const analysis = { metrics: [meaning], sources: { declined: source }, journeys: [] };
  const driver = metricSources(analysis, context).get('declined');
  if (driver === undefined) throw new Error(`nothing asks ${source.kind}`);
  return driver;
}

const exported: MetricSource = {
  kind: 'exported',
  path: '/metrics',
  events: DECLINED,
  total: 'payments_total',
  everyMs: ms(200),
};

const nullFaults = (arms: readonly Arm[], said: Readonly<Record<string, RegExp>>) =>
  Object.fromEntries(Object.entries(said).map(([fault, text]) => [fault, { arms, said: text, is: 'null' as const }]));
const eventFaults = (said: Readonly<Record<string, RegExp>>) =>
  Object.fromEntries(
    Object.entries(said).map(([fault, text]) => [
      fault,
      { arms: ['candidate' as const], said: text, is: 'event' as const },
    ]),
  );

metricContract('instances', ['gone', 'silent', 'slow', 'failing', 'garbage', 'endless', 'elsewhere'], async () => {
  const instances: Record<Arm, CountingInstance[]> = {
    stable: [await startCountingInstance('s1'), await startCountingInstance('s2')],
    candidate: [await startCountingInstance('c1'), await startCountingInstance('c2')],
  };
  const all = [...instances.stable, ...instances.candidate];
  // One event in all of them, as long before anybody asked.
  for (const instance of all) instance.count(1_000, 5_000);
  let next = 0;
  return {
    driver: driverOf(exported),
    scope: scopeOf({
      stable: instances.stable.map(({ endpoint }) => endpoint),
      candidate: instances.candidate.map(({ endpoint }) => endpoint),
    }),
    arms: ['stable', 'candidate'],
    startsAtZero: true,
    asksByItself: false,
    unit: { events: 3, total: 10 },
    async happen(arm) {
      instances[arm][(next += 1) % 2]?.count(3, 10);
    },
    faults: nullFaults(['candidate'], {
      gone: /^candidate: http:\S+\/metrics of c\d: connection refused \(and 1 more of 2 instances\)$/,
      silent: /of c\d: no answer within 1 s/,
      slow: /no answer within 1 s/,
      failing: /answered 500/,
      garbage: /line 1 is no Prometheus text/,
      endless: /longer than 1 MB/,
      elsewhere: /answered 307, and redirects are not followed/,
    }),
    async spoil(fault) {
      for (const { server } of instances.candidate) await server.be(fault as Fault | null);
    },
    async end() {
      for (const { server } of all) await server.close();
    },
  };
});

metricContract('a command', ['silent', 'failing', 'garbage', 'endless'], async () => {
  const folder = await mkdtemp(join(tmpdir(), 'veza-metric-'));
  const script = join(import.meta.dirname, 'fixtures', 'metric-command.mjs');
  return {
    driver: driverOf(
      { kind: 'command', command: [process.execPath, script], everyMs: ms(200), timeoutMs: ms(4_000) },
      share,
      { folder },
    ),
    scope: scopeOf({ stable: [], candidate: [] }),
    arms: ['stable', 'candidate'],
    startsAtZero: true,
    asksByItself: false,
    unit: { events: 3, total: 10 },
    async happen(arm) {
      const at = Date.now();
      await appendFile(join(folder, `${arm}.log`), `${(at / 1_000).toFixed(3)} 3 10\n`);
      // What happens in the millisecond of a question belongs to the next one.
      await until(() => Date.now() > at, 'the millisecond is over');
    },
    faults: nullFaults(['stable', 'candidate'], {
      silent: /metric-command\.mjs did not end within 4 s/,
      failing: /ended with status 3: no such table/,
      garbage: /must print \{"events": 3, "total": 100\}, and printed “<html> sign in first”/,
      endless: /printed more than 64 kB/,
    }),
    spoil: (fault) => writeFile(join(folder, 'mode'), fault ?? ''),
    end: () => rm(folder, { recursive: true, force: true }),
  };
});

metricContract('a webhook of Flagger', ['gone', 'silent', 'slow', 'failing', 'endless', 'elsewhere'], async () => {
  let refused = 0;
  const receiver = await startFaultyServer((question, response) => {
    const { name, namespace, phase, checksum, metadata } = JSON.parse(question.body) as Record<string, unknown>;
    // What Flagger's documentation says it sends: without that, no receiver that was written for it works.
    const isFlagger =
      question.method === 'POST' &&
      question.headers['content-type'] === 'application/json' &&
      name === 'pay' &&
      namespace === 'production' &&
      phase === 'Progressing' &&
      /^[0-9a-f]{10}$/.test(String(checksum)) &&
      JSON.stringify(metadata) === '{"cmd":"test rel_2 {test: 2}"}';
    if (!isFlagger) response.writeHead(400).end(question.body);
    else if (refused > 0) response.writeHead((refused -= 1) % 2 === 0 ? 403 : 500).end('the gate is closed');
    else response.writeHead(202).end();
  });
  return {
    driver: driverOf({
      kind: 'webhook',
      url: `${receiver.url}/gate/check`,
      metadata: { cmd: 'test {release} {test: 2}' },
      everyMs: ms(200),
      timeoutMs: ms(1_500),
    }),
    scope: scopeOf({ stable: [], candidate: [] }),
    arms: ['candidate'],
    startsAtZero: false,
    asksByItself: true,
    unit: { events: 1, total: 1 },
    async happen() {
      refused += 1;
    },
    faults: eventFaults({
      gone: /gate\/check did not let the candidate pass: connection refused/,
      silent: /no answer within 1\.5 s/,
      slow: /no answer within 1\.5 s/,
      failing: /answered 500: out of order/,
      endless: /longer than 1 MB/,
      elsewhere: /answered 307, and redirects are not followed/,
    }),
    spoil: (fault) => receiver.be(fault as Fault | null),
    end: () => receiver.close(),
  };
});

const journey = (steps: readonly Partial<Journey['steps'][number]>[], more: Partial<Journey> = {}): Journey => ({
  name: 'buy a thing',
  everyMs: ms(20),
  timeoutMs: ms(1_500),
  ...more,
  steps: steps.map((step) => ({
    method: 'GET',
    path: '/',
    headers: {},
    body: null,
    expectStatus: 200,
    expectBody: null,
    ...step,
  })),
});

function journeysOf(journeys: readonly Journey[], nobodyAsks: AbortSignal, now = Date.now): MetricSourceDriver {
  const analysis: Pick<Analysis, 'metrics' | 'sources' | 'journeys'> = { metrics: [], sources: {}, journeys };
  const driver = metricSources(analysis, { now, folder: tmpdir(), signal: nobodyAsks }).get('journeys');
  if (driver === undefined) throw new Error('nobody runs journeys');
  return driver;
}

metricContract('journeys', ['gone', 'silent', 'slow', 'failing', 'garbage', 'endless', 'elsewhere'], async () => {
  const failing: Record<Arm, number> = { stable: 0, candidate: 0 };
  const start = (arm: Arm): Promise<FaultyServer> =>
    startFaultyServer((_, response) => {
      if (failing[arm] === 0) return void response.end('welcome back');
      failing[arm] -= 1;
      response.writeHead(503).end('not today');
    });
  const servers = { stable: await start('stable'), candidate: await start('candidate') };
  const nobodyAsks = new AbortController();
  const driver = journeysOf([journey([{ path: '/buy', expectBody: 'welcome' }])], nobodyAsks.signal);
  return {
    // Under the name that the suite knows it by.
    driver: {
      everyMs: driver.everyMs,
      failures: () => driver.failures?.() ?? [],
      ask: async (scope, asked) => {
        const { sample, trouble } = await driver.ask(scope, asked);
        return { sample: { ...sample, metric: sample.metric === 'journeys' ? 'declined' : sample.metric }, trouble };
      },
    },
    scope: scopeOf({
      stable: [{ id: 's1', host: '127.0.0.1', port: servers.stable.port }],
      candidate: [{ id: 'c1', host: '127.0.0.1', port: servers.candidate.port }],
    }),
    arms: ['stable', 'candidate'],
    startsAtZero: false,
    asksByItself: true,
    unit: { events: 1, total: 1 },
    async happen(arm) {
      failing[arm] += 1;
    },
    faults: eventFaults({
      gone: /^connection refused$/,
      silent: /^the journey was not over within 1\.5 s$/,
      slow: /^the journey was not over within 1\.5 s$/,
      failing: /^status 500$/,
      garbage: /^a body without that text$/,
      endless: /longer than 1 MB/,
      elsewhere: /^status 307$/,
    }),
    spoil: (fault) => servers.candidate.be(fault as Fault | null),
    async end() {
      nobodyAsks.abort();
      await servers.stable.close();
      await servers.candidate.close();
    },
  };
});

describe('what instances export', () => {
  let instances: CountingInstance[];
  beforeEach(async () => {
    instances = [];
    for (const id of ['s1', 'c1', 'c2']) instances.push(await startCountingInstance(id));
  });
  afterEach(async () => {
    for (const { server } of instances) await server.close();
  });
  const [S, C1, C2] = [0, 1, 2];
  const of = (index: number): CountingInstance => {
    const instance = instances[index];
    if (instance === undefined) throw new Error(`no instance ${index}`);
    return instance;
  };
  const scope = (...candidates: number[]): MetricScope =>
    scopeOf({ stable: [of(S).endpoint], candidate: candidates.map((index) => of(index).endpoint) });
  const counted = async (driver: MetricSourceDriver, about: MetricScope) =>
    (await driver.ask(about, signal)).sample.arms.candidate;

  it('is read where an instance exports its metrics, when that is another port than its own', async () => {
    const driver = driverOf(exported);
    const about = scope(C1);
    const nobody = { id: of(C1).endpoint.id, host: '127.0.0.1', port: 1 };
    const candidate = { ...about.arms.candidate, endpoints: [nobody], metrics: [of(C1).endpoint] };
    const elsewhere = { ...about, arms: { ...about.arms, candidate } };
    await counted(driver, elsewhere);
    of(C1).count(1, 4);
    expect(await counted(driver, elsewhere)).toEqual({ events: 1, total: 4 });
  });

  it('goes on over a restart, which begins at zero', async () => {
    const driver = driverOf(exported);
    of(S).count(1, 2);
    of(C1).count(50, 100);
    await counted(driver, scope(C1));
    of(C1).restart();
    of(C1).count(2, 7);
    expect(await counted(driver, scope(C1))).toEqual({ events: 2, total: 7 });
  });

  it('is not counted of an instance from before it was seen', async () => {
    const driver = driverOf(exported);
    for (const index of [S, C1, C2]) of(index).count(1_000, 1_000);
    await counted(driver, scope(C1));
    of(C1).count(1, 2);
    of(C2).count(5, 5);
    expect(await counted(driver, scope(C1, C2))).toEqual({ events: 1, total: 2 });
    of(C2).count(1, 3);
    expect(await counted(driver, scope(C1, C2))).toEqual({ events: 1, total: 3 });
    // It leaves, and comes back with what it has counted meanwhile.
    await counted(driver, scope(C1));
    of(C2).count(90, 90);
    expect(await counted(driver, scope(C1, C2))).toEqual({ events: 0, total: 0 });
  });

  it('is not compared with the requests of instances that it says nothing of', async () => {
    const driver = driverOf({ ...exported, total: null }, rate);
    for (const index of [S, C1, C2]) of(index).count(10, 10);
    await counted(driver, scope(C1));
    of(C1).count(1, 1);
    expect(await counted(driver, scope(C1))).toEqual({ events: 1, total: null });
    expect(await counted(driver, scope(C1, C2))).toBeNull();
    of(C2).count(2, 2);
    expect(await counted(driver, scope(C1, C2))).toEqual({ events: 2, total: null });
    await of(C2).server.be('failing');
    expect(await counted(driver, scope(C1, C2))).toBeNull();
    await of(C2).server.be(null);
    expect(await counted(driver, scope(C1, C2))).toBeNull();
    expect(await counted(driver, scope(C1, C2))).toEqual({ events: 0, total: null });
  });

  it('counts from its first event on, where a counter appears with it', async () => {
    const driver = driverOf(exported);
    for (const index of [S, C1]) of(index).count(0, 10);
    const { sample, trouble } = await driver.ask(scope(C1), signal);
    expect(sample.arms).toEqual({ stable: null, candidate: null });
    expect(trouble).toMatch(/no instance exports payments_total as selected: is it right\?/);
    of(C1).count(1, 10);
    expect((await driver.ask(scope(C1), signal)).sample.arms).toEqual({
      stable: { events: 0, total: 0 },
      candidate: { events: 1, total: 10 },
    });
  });

  it('does no harm when it lies', async () => {
    const driver = driverOf(exported);
    of(S).count(1, 10);
    of(C1).count(1, 10);
    await counted(driver, scope(C1));
    for (const lie of ['NaN', '-5', '+Inf', '-Inf', '1e308', '9e99']) {
      of(C1).counters.set(DECLINED, lie);
      const { sample, trouble } = await driver.ask(scope(C1), signal);
      expect(sample.arms.candidate).toBeNull();
      expect(trouble).toMatch(/payments_total is no counter: it stands at/);
    }
    of(C1).counters.set(DECLINED, 1);
    await counted(driver, scope(C1));
    // Up and down again and again: as a process that restarts all the time; never more than it says.
    for (const value of [3, 1, 3, 1]) {
      of(C1).counters.set(DECLINED, value);
      of(C1).count(0, 5);
      const count = await counted(driver, scope(C1));
      expect(count?.events).toBeLessThanOrEqual(3);
      expect(count?.events).toBeGreaterThanOrEqual(0);
    }
    // Series that come and go do not count again.
    of(C1).counters.delete(DECLINED);
    await counted(driver, scope(C1));
    of(C1).counters.set(DECLINED, 1);
    expect((await counted(driver, scope(C1)))?.events).toBe(0);
  });

  it('has limits on the sum of its values, as they are', async () => {
    const driver = driverOf({ ...exported, events: 'queue_length', total: null }, limit);
    of(S).counters.set('queue_length', -1.5);
    of(C1).counters.set('queue_length', 4);
    of(C2).counters.set('queue_length{of="mail"}', 8);
    expect((await driver.ask(scope(C1, C2), signal)).sample.arms).toEqual({
      stable: { events: -1.5, total: null },
      candidate: { events: 12, total: null },
    });
    of(C2).counters.set('queue_length{of="mail"}', 'NaN');
    expect(await counted(driver, scope(C1, C2))).toBeNull();
  });

  it('is selected by the arm that is asked, whatever its release is called', async () => {
    const driver = driverOf({ ...exported, events: 'a{release="{release}",slot!="{slot}"}', total: null }, limit);
    const hostile = 'x",slot="\n\\';
    of(C1).counters.set(String.raw`a{release="x\",slot=\"\n\\",slot="blue"}`, 1);
    of(C1).counters.set(String.raw`a{release="x\",slot=\"\n\\",slot="green"}`, 2);
    of(C1).counters.set('a{release="x",slot="blue"}', 4);
    const about = scope(C1);
    const arms = { ...about.arms, candidate: { ...about.arms.candidate, release: hostile } };
    expect(await counted(driver, { ...about, arms })).toEqual({ events: 1, total: null });
  });

  test.each([
    [{ events: 'rate(a[5m])' }, /rate\(a\[5m\]\) selects nothing/],
    [{ total: '{a="b"}' }, /\{a="b"\} selects nothing/],
  ])('says so when nothing can be selected by %o', async (changes, said) => {
    const { sample, trouble } = await driverOf({ ...exported, ...changes }).ask(scope(C1), signal);
    expect(sample.arms).toEqual({ stable: null, candidate: null });
    expect(trouble).toMatch(said);
  });

  it('says so when there is nobody to ask', async () => {
    expect((await driverOf(exported).ask(scope(), signal)).trouble).toMatch(
      /^stable: no instance exports .*; candidate: no ready instance$/,
    );
  });

  it('asks many instances, in time', async () => {
    const driver = driverOf(exported);
    of(S).count(1, 2);
    of(C1).count(1, 2);
    const many = Array.from({ length: 100 }, (_, n) => ({ ...of(C1).endpoint, id: `c${n}` }));
    const about = scopeOf({ stable: [of(S).endpoint], candidate: many });
    await counted(driver, about);
    of(C1).count(1, 2);
    expect(await counted(driver, about)).toEqual({ events: 100, total: 200 });
  });
});

describe('a command', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'veza-metric-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const script = join(import.meta.dirname, 'fixtures', 'metric-command.mjs');
  const command = (words: readonly [string, ...string[]], timeoutMs = 5_000): MetricSource => ({
    kind: 'command',
    command: words,
    everyMs: ms(1_000),
    timeoutMs: ms(timeoutMs),
  });
  const readPids = async (): Promise<number[]> =>
    (await readFile(join(folder, 'pids'), 'utf8').catch(() => '')).split('\n').filter(Boolean).map(Number);
  const scope = scopeOf({
    stable: [],
    candidate: [
      { id: 'c1', host: '127.0.0.1', port: 4001 },
      { id: 'c2', host: '::1', port: 4002 },
    ],
  });

  it('knows whom it is asked about, and gets nothing else of the control plane', async () => {
    process.env['VEZA_TEST_SECRET'] = 'hunter2';
    const print = `require('fs').writeFileSync(process.env.VEZA_ARM + '.env', JSON.stringify([process.env, process.argv.slice(1)]));console.log('{"events":1}')`;
    const driver = driverOf(command([process.execPath, '-e', print, '$HOME; {arm}']), limit, { folder });
    expect((await driver.ask(scope, signal)).sample.arms.candidate).toEqual({ events: 1, total: null });
    delete process.env['VEZA_TEST_SECRET'];
    const [env, args] = JSON.parse(await readFile(join(folder, 'candidate.env'), 'utf8')) as [
      Record<string, string>,
      string[],
    ];
    expect(args).toEqual(['$HOME; {arm}']);
    expect(env).toMatchObject({
      VEZA_ARM: 'candidate',
      VEZA_SLOT: 'green',
      VEZA_RELEASE: 'rel_2',
      VEZA_SERVICE: 'pay',
      VEZA_ENVIRONMENT: 'production',
      VEZA_ENDPOINTS: '127.0.0.1:4001 [::1]:4002',
    });
    expect(env).not.toHaveProperty('VEZA_TEST_SECRET');
  });

  it('is killed with all that it has started, when it takes too long or nobody wants to know', async () => {
    await writeFile(join(folder, 'mode'), 'silent');
    const slow = driverOf(command([process.execPath, script], 4_000), limit, { folder });
    expect((await slow.ask(scope, signal)).trouble).toMatch(/did not end within 4 s/);
    expect((await readPids()).length).toBe(4);
    await until(async () => !(await readPids()).some(isAlive), 'all processes are gone');

    for (const how of ['asked', 'context'] as const) {
      await rm(join(folder, 'pids'));
      const abort = new AbortController();
      const driver = driverOf(command([process.execPath, script], 60_000), limit, {
        folder,
        signal: how === 'context' ? abort.signal : signal,
      });
      const answer = expect(driver.ask(scope, how === 'asked' ? abort.signal : signal)).rejects.toThrow('enough');
      await until(async () => (await readPids()).length === 4, 'both commands and their children run');
      abort.abort(new Error('enough'));
      await answer;
      await until(async () => !(await readPids()).some(isAlive), 'all processes are gone');
    }
  });

  it('ends with what it has left running, which may hold its output', async () => {
    const leave = `const left = require('child_process').spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)'], { stdio: 'inherit' });
left.unref();
require('fs').appendFileSync('pids', left.pid + '\\n');
console.log('{"events":2}')`;
    const driver = driverOf(command([process.execPath, '-e', leave], 30_000), limit, { folder });
    const begun = performance.now();
    expect((await driver.ask(scope, signal)).sample.arms.candidate).toEqual({ events: 2, total: null });
    expect(performance.now() - begun).toBeLessThan(20_000);
    const pids = await readPids();
    expect(pids).toHaveLength(2);
    await until(() => !pids.some(isAlive), 'what it has left is gone');
  });

  test.each([
    ['{"events": -1}', /-1 is no count/],
    ['{"events": 1e308}', /1e\+308 is no count/],
    ['{"events": 1, "total": 1e13}', /10000000000000 is no count/],
    ['{"events": "1"}', /must print/],
    ['{"events": NaN}', /must print/],
    ['{"total": 1}', /must print/],
    ['[]', /must print/],
    ['', /must print .* printed “”/],
  ])('does no harm when it prints %s', async (raw, said) => {
    await writeFile(join(folder, 'candidate.raw'), raw);
    await writeFile(join(folder, 'stable.raw'), '{"events": 0, "total": 5}');
    const driver = driverOf(command([process.execPath, script]), share, { folder });
    await driver.ask(scope, signal);
    const { sample, trouble } = await driver.ask(scope, signal);
    expect(sample.arms).toEqual({ stable: { events: 0, total: 5 }, candidate: null });
    expect(trouble).toMatch(said);
  });

  it('is not believed to have had more events than there could have been', async () => {
    for (const arm of ['stable', 'candidate']) await writeFile(join(folder, `${arm}.raw`), '{"events": 7, "total": 5}');
    const driver = driverOf(command([process.execPath, script]), share, { folder });
    await driver.ask(scope, signal);
    const { sample, trouble } = await driver.ask(scope, signal);
    expect(sample.arms.candidate).toEqual({ events: 5, total: 5 });
    expect(trouble).toMatch(/7 events are more than their total of 5: are `events` and `total` the right way round\?/);
  });

  it('that is not there is said', async () => {
    const driver = driverOf(command(['no-such-program-here']), limit, { folder });
    expect((await driver.ask(scope, signal)).trouble).toMatch(/^no-such-program-here could not be started: .*ENOENT/);
  });
});

describe('a webhook', () => {
  let receiver: FaultyServer;
  let status: number;
  beforeEach(async () => {
    receiver = await startFaultyServer((_, response) => void response.writeHead(status).end());
  });
  afterEach(() => receiver.close());
  const hook = (url: string): MetricSource => ({
    kind: 'webhook',
    url,
    metadata: {},
    everyMs: ms(1_000),
    timeoutMs: ms(1_000),
  });
  const scope = scopeOf({ stable: [], candidate: [] });

  test.each([
    [200, 0],
    [202, 0],
    [204, 0],
    [301, 1],
    [400, 1],
    [429, 1],
    [500, 1],
  ])('that answers %i has the value %i, and stable has none', async (answered, value) => {
    status = answered;
    const { sample } = await driverOf(hook(receiver.url), limit).ask(scope, signal);
    expect(sample.arms).toEqual({ stable: null, candidate: { events: value, total: null } });
  });

  it('is told the same checksum for the same release, and another for another', async () => {
    status = 200;
    const driver = driverOf(hook(receiver.url), limit);
    const other = { ...scope, arms: { ...scope.arms, candidate: { ...scope.arms.candidate, release: 'rel_3' } } };
    for (const about of [scope, scope, other]) await driver.ask(about, signal);
    const sums = receiver.asked.map(({ body }) => (JSON.parse(body) as { checksum: string }).checksum);
    expect(sums[0]).toBe(sums[1]);
    expect(sums[0]).not.toBe(sums[2]);
  });

  it('may have a user and a password in its address, which nobody is shown', async () => {
    status = 401;
    const url = receiver.url.replace('http://', 'http://user:p%40ss@');
    const { trouble } = await driverOf(hook(`${url}/{environment}?token=secret`), limit).ask(scope, signal);
    expect(receiver.asked[0]?.headers.authorization).toBe(`Basic ${btoa('user:p@ss')}`);
    expect(receiver.asked[0]?.path).toBe('/production?token=secret');
    expect(trouble).toBe(`candidate: ${receiver.url}/production did not let the candidate pass: answered 401`);
  });

  it('that has no address is said', async () => {
    expect((await driverOf(hook('gate'), limit).ask(scope, signal)).trouble).toMatch(/gate is no address/);
  });
});

describe('journeys', () => {
  let servers: FaultyServer[];
  let nobodyAsks: AbortController;
  let time: number;
  beforeEach(() => {
    servers = [];
    nobodyAsks = new AbortController();
    time = 1_000_000;
  });
  afterEach(async () => {
    nobodyAsks.abort();
    for (const server of servers) await server.close();
  });
  const start = async (answer: Parameters<typeof startFaultyServer>[0] = (_, response) => void response.end()) => {
    const server = await startFaultyServer(answer);
    servers.push(server);
    return server;
  };
  const endpoint = (server: FaultyServer, id: string) => ({ id, host: '127.0.0.1', port: server.port });
  const open = (...journeys: Journey[]): MetricSourceDriver => journeysOf(journeys, nobodyAsks.signal, () => time);
  const runs = async (driver: MetricSourceDriver, scope: MetricScope, wanted: number): Promise<Record<Arm, number>> => {
    const failed = { stable: 0, candidate: 0 };
    let seen = 0;
    await until(async () => {
      const { sample } = await driver.ask(scope, signal);
      seen += sample.arms.stable?.total ?? 0;
      // What is counted is counted of both arms at once.
      expect(sample.arms.candidate?.total).toBe(sample.arms.stable?.total);
      for (const arm of ['stable', 'candidate'] as const) failed[arm] += sample.arms[arm]?.events ?? 0;
      return seen >= wanted;
    }, `${wanted} runs`);
    expect(seen).toBe(wanted);
    return failed;
  };

  it('are run as one user from step to step, with cookies, and as another one the next time', async () => {
    let users = 0;
    const shop: Parameters<typeof startFaultyServer>[0] = (question, response) => {
      if (question.path === '/login') {
        response.setHeader('set-cookie', [`session=u${(users += 1)}; HttpOnly; Secure; Path=/`, 'seen=1; Path=/other']);
        return void response.end();
      }
      const isRight =
        question.method === 'POST' &&
        question.body === '{"thing":1}' &&
        question.headers['content-type'] === 'application/json' &&
        question.headers['x-veza-journey'] === 'buy%20a%20thing' &&
        question.headers.cookie === `session=u${users}`;
      response.writeHead(isRight ? 201 : 400).end(`bought by ${question.headers.cookie}`);
    };
    const [stable, candidate] = [await start((_, response) => void response.writeHead(404).end()), await start(shop)];
    const scope = scopeOf({ stable: [endpoint(stable, 's1')], candidate: [endpoint(candidate, 'c1')] });
    const driver = open(
      journey([
        { path: '/login' },
        {
          method: 'POST',
          path: '/buy?x=1',
          headers: { 'Content-Type': 'application/json' },
          body: '{"thing":1}',
          expectStatus: 201,
          expectBody: 'bought by session=u',
        },
      ]),
    );
    expect(await runs(driver, scope, 1)).toEqual({ stable: 1, candidate: 0 });
    time += 20;
    expect(await runs(driver, scope, 1)).toEqual({ stable: 1, candidate: 0 });
    expect(users).toBe(2);
    expect(candidate.asked[2]?.headers.cookie).toBeUndefined();
    expect(driver.failures?.()).toEqual([
      {
        at: 1_000_000,
        arm: 'stable',
        instance: 's1',
        journey: 'buy a thing',
        step: 1,
        request: 'GET /login',
        status: 404,
        expected: 'status 200',
        found: 'status 404',
      },
      expect.objectContaining({ at: 1_000_020 }),
    ]);
  });

  it('have each their own rhythm, on both arms at once, from instance to instance', async () => {
    const [s1, c1, c2] = [await start(), await start(), await start()];
    const scope = scopeOf({ stable: [endpoint(s1, 's1')], candidate: [endpoint(c1, 'c1'), endpoint(c2, 'c2')] });
    const often = journey([{ path: '/often' }], { name: 'often', everyMs: ms(1_000) });
    const seldom = journey([{ path: '/seldom' }], { name: 'seldom', everyMs: ms(3_000) });
    const driver = open(often, seldom);
    expect([driver.everyMs, driver.rhythmMs]).toEqual([1_000, 3_000]);
    await runs(driver, scope, 2);
    for (let second = 1; second <= 6; second += 1) {
      time += 1_000;
      await runs(driver, scope, second % 3 === 0 ? 2 : 1);
    }
    const asked = (server: FaultyServer, path: string): number =>
      server.asked.filter((one) => one.path === path).length;
    expect([s1, c1, c2].map((server) => asked(server, '/often'))).toEqual([7, 4, 3]);
    expect([s1, c1, c2].map((server) => asked(server, '/seldom'))).toEqual([3, 2, 1]);
    // Nothing is due: nothing is run, and nothing is counted again.
    expect((await driver.ask(scope, signal)).sample.arms.stable).toEqual({ events: 0, total: 0 });
    expect(s1.asked).toHaveLength(10);
  });

  it('never run twice at a time on an arm, and count when both arms have ended', async () => {
    const release: (() => void)[] = [];
    const [fast, slow] = [await start(), await start((_, response) => void release.push(() => response.end()))];
    const scope = scopeOf({ stable: [endpoint(fast, 's1')], candidate: [endpoint(slow, 'c1')] });
    const driver = open(journey([{}], { timeoutMs: ms(60_000) }));
    for (let n = 0; n < 20; n += 1) {
      expect((await driver.ask(scope, signal)).sample.arms.stable).toEqual({ events: 0, total: 0 });
      time += 1_000;
    }
    await until(() => release.length === 1 && fast.asked.length === 1, 'one run on both arms');
    expect(slow.asked).toHaveLength(1);
    release.pop()?.();
    await until(async () => (await driver.ask(scope, signal)).sample.arms.stable?.total === 1, 'the run counts');
    await until(() => fast.asked.length === 2, 'the next one begins');
  });

  it('tell the last 20 failures, and count all', async () => {
    const [good, bad] = [await start(), await start((_, response) => void response.writeHead(500).end('secret'))];
    const scope = scopeOf({ stable: [endpoint(good, 's1')], candidate: [endpoint(bad, 'c1')] });
    const driver = open(journey([{}]));
    for (let n = 0; n < 25; n += 1) {
      expect(await runs(driver, scope, 1)).toEqual({ stable: 0, candidate: 1 });
      time += 20;
    }
    const failures = driver.failures?.() ?? [];
    expect(failures).toHaveLength(20);
    expect(failures.at(-1)?.at).toBe(1_000_000 + 24 * 20);
    expect(JSON.stringify(failures)).not.toContain('secret');
  });

  it('wait for both arms to have an instance, and say so', async () => {
    const good = await start();
    const driver = open(journey([{}]));
    const { sample, trouble } = await driver.ask(scopeOf({ stable: [endpoint(good, 's1')], candidate: [] }), signal);
    expect(sample.arms).toEqual({ stable: null, candidate: null });
    expect(trouble).toBe('journeys wait: no ready instance of candidate');
    expect(good.asked).toHaveLength(0);
  });

  it('end when nobody asks any more, and count nothing of it', async () => {
    const silent = await start(() => {});
    const scope = scopeOf({ stable: [endpoint(silent, 's1')], candidate: [endpoint(silent, 'c1')] });
    const driver = open(journey([{}], { timeoutMs: ms(60_000) }));
    await driver.ask(scope, signal);
    await until(() => silent.asked.length === 2, 'both arms are asked');
    nobodyAsks.abort(new Error('it is over'));
    await expect(driver.ask(scope, signal)).rejects.toThrow('it is over');
    expect(driver.failures?.()).toEqual([]);
  });
});
