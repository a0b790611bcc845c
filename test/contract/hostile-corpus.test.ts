import { describe, expect, it } from 'vitest';
import { answers } from '../hostile/corpus/answers.ts';
import { answersRun, type AnswerReport } from '../hostile/answers-run.ts';
import { runCorpus, type CaseReport } from '../hostile/corpus-run.ts';
import { themes } from '../hostile/corpus/themes.ts';
import { reasonOf } from '../hostile/difference.ts';
import { haproxyVersion, startGateway } from '../hostile/routers.ts';

/** Milliseconds for the whole corpus, three times through two routers. */
const corpusMs = 240_000;
const installed = haproxyVersion() !== null;
const cases = themes.flatMap((theme) => theme.cases);

describe('the corpus of hostile requests', () => {
  let reports: readonly CaseReport[] = [];

  it('has named cases, each once, each with its danger and its source', () => {
    const names = [...cases, ...answers].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThanOrEqual(150);
    for (const { why, source } of [...cases, ...answers]) expect(why.length * source.length).toBeGreaterThan(0);
    for (const { bytes } of cases) expect(bytes).toMatch(/^[\x00-\xff]*$/);
  });

  it(
    'is refused or passed on by the gateway as each case says: in one piece, byte by byte and cut at random',
    { timeout: corpusMs },
    async () => {
      const run = await runCorpus('', installed, () => {});
      ({ reports } = run);
      expect(reports).toHaveLength(cases.length);
      const wrong = reports.flatMap(({ one, gateway }) => gateway.problems.map((problem) => `${one.name}: ${problem}`));
      expect(wrong).toEqual([]);
      expect(run.complaints).toEqual([]);
    },
  );

  it.skipIf(!installed)('differs from what HAProxy makes of it only where the reason is known', () => {
    expect(reports.length).toBeGreaterThan(0);
    const unknown = reports.filter(
      ({ one, gateway, haproxy, same }) => !same && haproxy !== null && reasonOf(one, gateway, haproxy) === null,
    );
    expect(unknown.map(({ one }) => one.name)).toEqual([]);
  });

  it.skipIf(!installed)('tells a router that passes on what it should not from one that does not', () => {
    const malformed = reports.filter(({ haproxy }) => haproxy?.kind === 'malformed');
    expect(malformed.map(({ one }) => one.name)).toContain('host-missing');
    expect(reports.filter(({ gateway }) => gateway.kind === 'malformed')).toEqual([]);
  });
});

describe('the whole gateway, with two workers, as it is started for a platform', () => {
  it('does the same with what frames a body in two ways', { timeout: corpusMs }, async () => {
    const run = await runCorpus('cl-', false, () => {}, startGateway);
    expect(run.reports.length).toBeGreaterThan(10);
    expect(
      run.reports.flatMap(({ one, gateway }) => gateway.problems.map((problem) => `${one.name}: ${problem}`)),
    ).toEqual([]);
    expect(run.complaints).toEqual([]);
  });
});

describe('a hostile instance', () => {
  it('harms nobody but the request that it answers', { timeout: corpusMs }, async () => {
    const reports: AnswerReport[] = [];
    const { complaints } = await answersRun('', false, (report) => reports.push(report));
    expect(reports).toHaveLength(answers.length);
    const wrong = reports.flatMap(({ one, gateway }) => gateway.problems.map((problem) => `${one.name}: ${problem}`));
    expect(wrong).toEqual([]);
    expect(complaints).toEqual([]);
  });
});
