import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { settingsOf } from '../analysis/settings.ts';
import { definePlatform } from './declaration.ts';
import { parsePlatform } from './parse-platform.ts';
import type { Analysis, Strategy } from './platform.ts';
import { changed } from './testing/wrong-config.ts';

const MINIMAL = { name: 'shop', services: { api: { source: '.', run: 'node server.js', route: {} } } };

function strategyOf(written: unknown): Strategy {
  const result = parsePlatform(changed(MINIMAL, { services: { api: { strategy: written } } }));
  if (!result.ok) throw new Error(result.mistakes.map(({ message }) => message).join('\n'));
  const { strategy } = result.platform.environments['development']?.services['api'] ?? {};
  if (strategy === undefined) throw new Error('no strategy');
  return strategy;
}

function analysisOf(written: unknown, kind: Strategy['kind'] = 'canary'): Analysis {
  const { analysis } = strategyOf({ kind, ...(written === undefined ? {} : { analysis: written }) });
  if (analysis === undefined) throw new Error('no analysis');
  return analysis;
}

describe('a word', () => {
  test.each(['careful', 'balanced', 'fast'] as const)('%s stands for its settings', (word) => {
    const { sources, journeys, horizonSeconds, ...settings } = analysisOf(word);

    expect(settings).toEqual({ ...settingsOf(word), horizonSeconds: undefined });
    expect({ sources, journeys }).toEqual({ sources: {}, journeys: [] });
    expect(horizonSeconds).toBeGreaterThan(600);
  });

  test.each(['canary', 'blue-green', 'rolling'] as const)('%s without one is balanced', (kind) => {
    expect(analysisOf(undefined, kind)).toEqual(analysisOf('balanced', kind));
    expect(analysisOf({}, kind)).toEqual(analysisOf('balanced', kind));
    expect(analysisOf({ level: 'fast' }, kind)).toEqual(analysisOf('fast', kind));
  });
});

describe('an analysis written out', () => {
  test('changes single numbers of its level', () => {
    const analysis = analysisOf({
      level: 'careful',
      falseAlarms: '0.5%',
      falsePasses: 2,
      tolerance: '100%',
      allowance: '0.1%',
      margin: '0.4%',
      slower: '15%',
      warmUp: '30s',
      latencyWarmUp: '1m',
      bake: '1500ms',
      minErrors: 5,
      minRequests: 2_000,
      burst: 10,
    });

    expect(analysis).toMatchObject({
      word: 'careful',
      alpha: 0.005,
      beta: 0.02,
      delta: 1,
      allowance: 0.001,
      margin: 0.004,
      slower: 0.15,
      warmUpSeconds: 30,
      latencyWarmUpSeconds: 60,
      // Whole seconds are counted: none less than what was asked for.
      bakeSeconds: 2,
      minErrors: 5,
      minRequests: 2_000,
      burst: 10,
    });
  });

  test('takes metrics from everywhere', () => {
    const { metrics, sources } = analysisOf({
      tolerance: '20%',
      metrics: {
        declined: {
          from: 'prometheus',
          url: 'http://prometheus:9090',
          events: 'sum(declined{release="{release}"})',
          total: 'sum(payments{release="{release}"})',
          weight: '20%',
        },
        'sign-ups': { from: 'exported', events: 'signups_total', better: 'more', tolerance: '50%', every: '5s' },
        heap: { from: 'exported', value: 'heap_bytes', path: '/stats', max: 5e8, times: 5 },
        queue: { from: 'command', run: 'queue-length {arm}', min: 1, timeout: '2s' },
        refunds: { from: 'command', run: ['refunds'] },
        gate: { from: 'webhook', url: 'https://gate.example.com/check', metadata: { team: 'shop' } },
        'bad requests': { from: 'client-errors', weight: 5 },
      },
    });

    expect(metrics).toEqual([
      { name: 'declined', kind: 'share', weight: 0.2, delta: 0.2 },
      { name: 'sign-ups', kind: 'rate', weight: 0.1, delta: 0.5, better: 'more' },
      { name: 'heap', kind: 'limit', min: null, max: 5e8, times: 5 },
      { name: 'queue', kind: 'limit', min: 1, max: null, times: 3 },
      { name: 'refunds', kind: 'share', weight: 0.1, delta: 0.2 },
      { name: 'gate', kind: 'limit', min: null, max: 0, times: 3 },
      { name: 'bad requests', kind: 'share', weight: 0.05, delta: 0.2 },
    ]);
    expect(sources).toEqual({
      declined: {
        kind: 'prometheus',
        url: 'http://prometheus:9090',
        events: 'sum(declined{release="{release}"})',
        total: 'sum(payments{release="{release}"})',
        everyMs: 10_000,
      },
      'sign-ups': { kind: 'exported', path: '/metrics', events: 'signups_total', total: null, everyMs: 5_000 },
      heap: { kind: 'exported', path: '/stats', events: 'heap_bytes', total: null, everyMs: 10_000 },
      queue: { kind: 'command', command: ['queue-length', '{arm}'], everyMs: 10_000, timeoutMs: 2_000 },
      refunds: { kind: 'command', command: ['refunds'], everyMs: 10_000, timeoutMs: 10_000 },
      gate: {
        kind: 'webhook',
        url: 'https://gate.example.com/check',
        metadata: { team: 'shop' },
        everyMs: 10_000,
        timeoutMs: 10_000,
      },
      'bad requests': { kind: 'client-errors' },
    });
  });

  test('takes journeys', () => {
    const { journeys } = analysisOf({
      journeys: {
        buy: {
          every: '5s',
          steps: [
            '/',
            { path: '/cart', method: 'POST', headers: { accept: '*/*' }, send: '{}', status: 201, body: 'ok' },
          ],
        },
      },
    });

    expect(journeys).toEqual([
      {
        name: 'buy',
        everyMs: 5_000,
        timeoutMs: 10_000,
        steps: [
          { method: 'GET', path: '/', headers: {}, body: null, expectStatus: 200, expectBody: null },
          {
            method: 'POST',
            path: '/cart',
            headers: { accept: '*/*' },
            body: '{}',
            expectStatus: 201,
            expectBody: 'ok',
          },
        ],
      },
    ]);
  });

  test('metrics may have 90 % of the evidence', () => {
    const metric = (weight: number) => ({ from: 'exported', events: 'a_total', weight });
    expect(analysisOf({ metrics: { a: metric(33.3), b: metric(33.3), c: metric(23.4) } }).metrics).toHaveLength(3);
  });

  test('a name that objects have anyway is a name', () => {
    expect(analysisOf({ metrics: { constructor: { from: 'client-errors' } } }).metrics).toHaveLength(1);
  });

  test('TypeScript takes it as it is read here', () => {
    const platform = definePlatform({
      name: 'shop',
      services: { api: { source: '.', run: 'x', route: {}, strategy: 'checkout' } },
      strategies: {
        checkout: {
          kind: 'canary',
          steps: [{ mirror: '30s', share: '50%', shapes: true }, 5, { weight: 50, hold: '5m' }],
          analysis: {
            level: 'careful',
            falseAlarms: '0.1%',
            bake: '1m',
            metrics: {
              declined: { from: 'exported', events: 'declined_total', total: 'payments_total', weight: '30%' },
              heap: { from: 'prometheus', url: 'http://127.0.0.1:9090', value: 'heap{slot="{slot}"}', max: 1e9 },
            },
            journeys: { buy: { every: '10s', steps: ['/', { path: '/cart', method: 'POST', send: '{}' }] } },
          },
        },
        // @ts-expect-error no such word
        wrong: { kind: 'rolling', analysis: 'carefull' },
      },
    });
    expect(parsePlatform(platform)).toMatchObject({ ok: false, mistakes: [{ path: 'strategies.wrong.analysis' }] });
  });
});

describe('copies before users', () => {
  test('are the first step, and none of the weights', () => {
    expect(strategyOf({ kind: 'canary', steps: [{ mirror: '30s' }, 5, 50] })).toMatchObject({
      mirror: { share: 100, holdMs: 30_000, shapes: false },
      steps: [{ weight: 5 }, { weight: 50 }],
    });
    expect(
      strategyOf({
        kind: 'canary',
        steps: [
          { mirror: '1m', share: '20%', shapes: true },
          { weight: 10, hold: '5s' },
        ],
      }),
    ).toMatchObject({ mirror: { share: 20, holdMs: 60_000, shapes: true }, steps: [{ weight: 10, holdMs: 5_000 }] });
  });

  test.each(['canary', 'blue-green', 'rolling'])('%s has none unless it says so', (kind) => {
    expect(strategyOf({ kind }).mirror).toBeNull();
  });

  test.each(['gateway', 'haproxy'])('may be declared with the router %s', (router) => {
    const input = {
      name: 'shop',
      services: {
        web: { source: 'web', run: 'x', route: {}, strategy: { kind: 'canary', steps: [{ mirror: '30s' }, 5] } },
      },
      environments: { staging: { target: { kind: 'process', router } } },
    };
    expect(parsePlatform(input)).toMatchObject({ ok: true });
  });

  test('of a service that only others call need no route of its own', () => {
    const input = {
      name: 'shop',
      services: {
        web: { source: 'web', run: 'x', route: {}, dependencies: ['api'] },
        api: { source: 'api', run: 'x', strategy: { kind: 'canary', steps: [{ mirror: '30s' }, 5] } },
      },
    };
    expect(parsePlatform(input)).toMatchObject({ ok: true, warnings: [] });
  });
});

describe('the horizon that bets are placed over', () => {
  test('holds every step, the copies, the watch window, and the wait of one step and of the switch', () => {
    const { analysis } = strategyOf({
      kind: 'canary',
      steps: [{ mirror: '30s' }, { weight: 5, hold: '1m' }, { weight: 50, hold: '2m' }],
      watch: '10m',
      deadlines: { stepping: '20m', switched: '30s' },
    });
    expect(analysis?.horizonSeconds).toBe(30 + 60 + 120 + 600 + 1_200 + 30);
  });

  test('is ten minutes at least and six hours at most', () => {
    const watch = fc.integer({ min: 0, max: 20 * 86_400 });
    const stepping = fc.integer({ min: 61, max: 86_400 });
    fc.assert(
      fc.property(watch, stepping, (watchS, steppingS) => {
        const { analysis } = strategyOf({
          kind: 'blue-green',
          watch: `${watchS}s`,
          deadlines: { stepping: `${steppingS}s`, switched: '1s' },
        });
        const whole = watchS + steppingS + 1;
        expect(analysis?.horizonSeconds).toBe(Math.min(21_600, Math.max(600, whole)));
      }),
    );
  });
});
