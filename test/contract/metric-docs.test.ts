import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, test } from 'vitest';
import { parsePlatform } from '../../src/core/spec/parse-platform.ts';
import type { Analysis } from '../../src/core/spec/platform.ts';
import { metricSources } from '../../src/drivers/metric/registry.ts';
import { startFaultyServer } from './faulty-server.ts';

const PAGE = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');

const blocks = (language: string): readonly string[] =>
  [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, text = '']) => text);

/** The analysis of a declaration that a person would copy from the page. */
function analysisOf(snippet: string): Analysis {
  const strategy = { kind: 'canary', ...(runInNewContext(`({${snippet}})`) as object) };
  const platform = { name: 'shop', services: { web: { source: '.', run: 'node server.js', route: {}, strategy } } };
  // Of this realm, as everything that a declaration is made of.
  const result = parsePlatform(structuredClone(platform));
  if (!result.ok) throw new Error(result.mistakes.map(({ message }) => message).join('\n'));
  const analysis = result.platform.environments['development']?.services['web']?.strategy.analysis;
  if (analysis === undefined) throw new Error('no analysis');
  return analysis;
}

const declarations = blocks('ts').map((snippet) => ({ snippet, analysis: analysisOf(snippet) }));
const context = { now: Date.now, folder: tmpdir(), signal: AbortSignal.timeout(60_000) };

describe('docs/metrics.md', () => {
  it('has a declaration for every source there is', () => {
    const kinds = declarations.flatMap(({ analysis }) => Object.values(analysis.sources).map(({ kind }) => kind));
    expect(new Set(kinds)).toEqual(new Set(['exported', 'prometheus', 'command', 'webhook', 'client-errors']));
    expect(declarations.flatMap(({ analysis }) => analysis.journeys)).toHaveLength(1);
  });

  test.each(declarations)('declares what can be asked: $snippet', ({ analysis }) => {
    const drivers = metricSources(analysis, context);
    const asked = analysis.metrics.filter(({ name }) => analysis.sources[name]?.kind !== 'client-errors');
    expect([...drivers.keys()]).toEqual([
      ...asked.map(({ name }) => name),
      ...(analysis.journeys.length > 0 ? ['journeys'] : []),
    ]);
    expect(analysis.metrics.length + analysis.journeys.length).toBeGreaterThan(0);
  });

  it('says what each of them is: a share, a rate, a limit', () => {
    const kindOf = (name: string): unknown =>
      declarations.flatMap(({ analysis }) => analysis.metrics).find((metric) => metric.name === name);
    expect(kindOf('sign-ups')).toMatchObject({ kind: 'rate', better: 'more', weight: 0.1, delta: 0.5 });
    expect(kindOf('declined')).toMatchObject({ kind: 'share', weight: 0.2, delta: 0.2 });
    expect(kindOf('queue length')).toMatchObject({ kind: 'limit', max: 1_000, times: 5 });
    expect(kindOf('acceptance tests')).toMatchObject({ kind: 'limit', min: null, max: 0, times: 3 });
    expect(kindOf('refused')).toMatchObject({ kind: 'share', delta: 1 });
  });

  it('shows what a webhook is sent', async () => {
    const shown = JSON.parse(blocks('json').at(-1) ?? '') as Record<string, unknown>;
    const receiver = await startFaultyServer((_, response) => void response.end());
    const analysis = declarations.find(({ snippet }) => snippet.includes("from: 'webhook'"))?.analysis;
    const [name = '', source] = Object.entries(analysis?.sources ?? {})[0] ?? [];
    if (analysis === undefined || source?.kind !== 'webhook') throw new Error('no webhook on the page');
    const sources = { [name]: { ...source, url: receiver.url } };
    const arm = (slot: 'blue' | 'green') => ({ slot, release: `rel_${slot}`, endpoints: [] });
    const driver = metricSources({ ...analysis, sources }, context).get(name);
    const scope = { environment: 'production', service: 'web', deployment: 'dep_1', phase: 'stepping' };
    await driver?.ask({ ...scope, arms: { stable: arm('blue'), candidate: arm('green') } }, context.signal);
    await receiver.close();
    const sent = JSON.parse(receiver.asked[0]?.body ?? '') as Record<string, unknown>;
    expect(Object.keys(sent)).toEqual(Object.keys(shown));
    expect({ ...sent, checksum: '' }).toEqual({ ...shown, checksum: '' });
    expect(String(sent['checksum'])).toHaveLength(String(shown['checksum']).length);
  });
});
