import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reportPage } from './page.ts';
import { hostileText } from './testing/hostile.ts';
import { readPage } from './testing/read-page.ts';
import { shop, simulatedInput, simulatedRecord } from './testing/simulated-report.ts';

const found = simulatedRecord(11, shop(0.06));
const copied = simulatedRecord(7, shop(0.35));
const well = simulatedRecord(3, shop(0));

describe('a report', () => {
  it('says in one sentence what happened to a release that was taken back', () => {
    expect(headlineOf(reportPage(simulatedInput(found)))).toMatch(
      /^api was taken back .+ after the first user: \d+ of its [\d,]+ requests failed \([\d.]+ %\), \d+ of [\d,]+ beside it \([\d.]+ %\)\.$/,
    );
  });

  it('says that no user was there when copies were enough', () => {
    expect(headlineOf(reportPage(simulatedInput(copied)))).toMatch(
      /^api was taken back before any user was on the new release: it failed \d+ of \d+ copied requests/,
    );
  });

  it('says that a good one is live, and what it cost', () => {
    expect(headlineOf(reportPage(simulatedInput(well)))).toMatch(
      /^api is live after .+: .+ of [\d,]+ requests to the new release failed/,
    );
  });

  it('is there without evidence too', () => {
    const page = reportPage(simulatedInput(null));
    expect(readPage(page).text).toContain('No evidence is kept');
    expect(page).toContain('artifact verified');
  });

  it('names the broken route first, and shows what a reader of a post-mortem looks for', () => {
    const { text } = readPage(reportPage(simulatedInput(found)));
    const routes = text.slice(text.indexOf('Routes that carry it'));
    expect(routes.slice(routes.search(/[A-Z]+ \//))).toMatch(/^POST \/ordersfailsfound/);
    for (const part of [
      'Share of the traffic',
      'Copied requests',
      'Latency',
      'Failed requests to look up',
      'veza replay dep_41',
      'alpha',
      'not iterable',
      '9c1f0a2',
    ])
      expect(text).toContain(part);
  });

  it.each(['found', 'copied', 'well'] as const)('is written as strictly as a page can be: %s', (which) => {
    const { tags } = readPage(reportPage(simulatedInput({ found, copied, well }[which])));
    for (const { name, attributes } of tags) {
      for (const [key, value] of attributes) {
        expect(value).not.toMatch(/NaN|Infinity|undefined/);
        expect(key).not.toMatch(/^on|^style$|^src$/);
        if (key === 'href') expect(value).toMatch(/^#/);
      }
      if (name === 'svg') expect(attributes.has('role') || attributes.has('aria-hidden')).toBe(true);
    }
    const ids = tags.flatMap(({ attributes }) => attributes.get('id') ?? []);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { attributes } of tags) {
      for (const id of attributes.get('aria-labelledby')?.split(' ') ?? []) expect(ids).toContain(id);
    }
  });

  it('loads nothing, and runs nothing but what its policy names', () => {
    const page = reportPage(simulatedInput(found));
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1] ?? '';
    expect(policy).toContain("default-src 'none'");
    for (const element of ['style', 'script']) {
      const content = new RegExp(`<${element}>([^]*?)</${element}>`).exec(page)?.[1] ?? '';
      const hash = createHash('sha256').update(content).digest('base64');
      expect(policy).toContain(`${element}-src 'sha256-${hash}'`);
    }
    expect(page).not.toMatch(/url\(|@import|https?:\/\/(?!127\.0\.0\.1)/);
  });

  it('is a small file for an hour, too', { timeout: 60_000 }, () => {
    const hour = simulatedRecord(9, shop(0), ({ seconds }) => Math.ceil((seconds * 3_600) / 320), 20);
    expect(hour.seconds.length).toBeGreaterThanOrEqual(3_600);
    expect(Buffer.byteLength(reportPage(simulatedInput(hour)))).toBeLessThan(500_000);
  });

  it('tells the legs of a train apart, and which one was worse', () => {
    const [api, web] = [simulatedInput(found), simulatedInput(well)];
    const legs = [...web.deployment.legs.map((leg) => ({ ...leg, service: 'web' })), ...api.deployment.legs];
    const page = reportPage({
      ...api,
      deployment: { ...api.deployment, legs },
      evidence: [well, found],
      context: [null, null],
    });
    const { tags, text } = readPage(page);
    expect(headlineOf(page)).toMatch(/^web and api were taken back .+: api: \d+ of its/);
    expect(text).toContain('Evidence: web');
    const ids = tags.flatMap(({ attributes }) => attributes.get('id') ?? []);
    expect(new Set(ids).size).toBe(ids.length);
    expect(Buffer.byteLength(page)).toBeLessThan(500_000);
  });

  it('says what a person did, a first release was, and a gate refused', () => {
    const input = simulatedInput(well);
    const of = (change: Partial<typeof input.deployment>): string =>
      headlineOf(reportPage({ ...input, evidence: [null], deployment: { ...input.deployment, ...change } }));
    const reason = { code: 'aborted', service: null, text: 'aborted by dora' };
    expect(of({ phase: 'reverted', committedAt: null, reason })).toBe('api was taken back: aborted by dora.');
    expect(of({ phase: 'refused', committedAt: null, reason: { ...reason, text: 'not in staging' } })).toBe(
      'api was refused before anything was started: not in staging.',
    );
    expect(of({ phase: 'watching', committedAt: null, waitsFor: 'the watch window' })).toContain(
      'on the way (watching)',
    );
    const first = input.deployment.legs.map((leg) => ({ ...leg, stable: null }));
    const page = reportPage({ ...input, evidence: [null], deployment: { ...input.deployment, legs: first } });
    expect(readPage(page).text).toContain('It was the first release of this service');
  });

  it('has the same tags whatever texts are in it', () => {
    const skeleton = (page: string): string =>
      JSON.stringify(readPage(page).tags.map(({ name, attributes }) => [name, [...attributes.keys()]]));
    const short = simulatedRecord(7, shop(0.35));
    const plain = skeleton(reportPage(simulatedInput(short)));
    fc.assert(
      fc.property(hostileText(), (text) => {
        const routes = shop(0.35).map((route) => ({ ...route, route: `${text}${route.route}` }));
        const record = { ...simulatedRecord(7, routes), service: text };
        const page = reportPage(simulatedInput(record, () => text));
        expect(skeleton(page)).toBe(plain);
      }),
      { numRuns: 60 },
    );
  });
});

const headlineOf = (page: string): string => (/<h1>([^<]*)<\/h1>/.exec(page)?.[1] ?? '').replaceAll('&#39;', "'");
