import { describe, expect, it } from 'vitest';
import type { FailedRequest } from '../traffic.ts';
import type { EvidenceRecord } from './evidence-record.ts';
import { explainLeg } from './explanation.ts';
import { replay } from './replay.ts';
import { chance, evenRoutes, recordOf, secondOf } from './testing/route-traffic.ts';

const START = 1_700_000_000;

/** From second 30 on one of five routes of the candidate fails every other request; the weight rises at 20. */
function broken(): EvidenceRecord {
  const random = chance(4);
  const models = evenRoutes(5, 100, (route) => (second, arm) => {
    if (arm === 'stable') return 0.001;
    return route === 2 && second >= START + 30 ? 0.5 : 0;
  });
  return recordOf(
    Array.from({ length: 60 }, (_, index) => secondOf(models, START + index, index < 20 ? 10 : 25, random)),
  );
}

const told = (record: EvidenceRecord) => {
  const { seconds, worseAt } = replay(record);
  const { verdict, evidence } = seconds[worseAt ?? seconds.length - 1] ?? { verdict: 'undecided', evidence: null };
  return { verdict, evidence } as const;
};

describe('the explanation of a leg', () => {
  const record = broken();
  const explained = explainLeg(told(record), record);

  it('names the metric, the route and its statuses, since when, and when it was certain', () => {
    expect(explained).toMatchObject({ verdict: 'worse', rule: 'comparison', metric: 'errors' });
    expect(explained.kept?.attribution.routes[0]).toMatchObject({ route: 'GET /r2', certainty: 'found' });
    expect(Object.keys(explained.kept?.attribution.routes[0]?.statuses ?? {})).toEqual(['500']);
    expect(explained.since).toBeGreaterThanOrEqual((START + 28) * 1_000);
    expect(explained.since).toBeLessThanOrEqual((START + 33) * 1_000);
    expect(explained.kept?.worseAt).toBeGreaterThan(explained.since ?? Infinity);
    expect(explained.kept?.worseAt).toBeLessThanOrEqual((START + 45) * 1_000);
  });

  it('gives the ratio of the shares with its interval, over stretches of the same weight', () => {
    const { ratio } = explained;
    expect(ratio?.alpha).toBe(0.01);
    expect(ratio?.low).toBeGreaterThan(1.5);
    expect(ratio?.estimate).toBeGreaterThan(ratio?.low ?? Infinity);
    expect(ratio?.high ?? Infinity).toBeGreaterThan(ratio?.estimate ?? Infinity);
  });

  it('counts what users of the candidate met in all of it', () => {
    const { kept } = explained;
    expect(kept).toMatchObject({ from: START * 1_000, to: (START + 60) * 1_000, seconds: 60 });
    const sum = record.seconds.reduce((total, { traffic }) => total + traffic.arms.candidate.serverErrors, 0);
    expect(kept?.errors).toBe(sum);
  });

  it('shows a few failed requests, those with a trace first, in the order of time', () => {
    const failure = (traceId: string | null): FailedRequest => ({
      route: 'GET /r2',
      status: 500,
      latencyMs: 3,
      traceId,
      requestId: null,
      instance: 'web-green-1',
    });
    const seconds = record.seconds.map((one, index) => ({
      ...one,
      traffic: {
        ...one.traffic,
        arms: {
          ...one.traffic.arms,
          candidate: { ...one.traffic.arms.candidate, failures: [failure(index >= 55 ? `t${index}` : null)] },
        },
      },
    }));
    const failures = explainLeg(told(record), { ...record, seconds }).kept?.failures ?? [];
    expect(failures).toHaveLength(10);
    expect(failures.slice(-5).map(({ traceId }) => traceId)).toEqual(['t55', 't56', 't57', 't58', 't59']);
    expect(failures.map(({ at }) => at)).toEqual(failures.map(({ at }) => at).toSorted((a, b) => a - b));
  });

  it('says what the journal says when no seconds are kept', () => {
    const old = {
      summary: '18 % of 231 requests failed',
      candidate: { requests: 231, errors: 42, p50Ms: 1, p99Ms: 2 },
      stable: { requests: 1, errors: 0, p50Ms: 1, p99Ms: 2 },
    };
    expect(explainLeg({ verdict: 'worse', evidence: old }, null)).toEqual({
      verdict: 'worse',
      summary: '18 % of 231 requests failed',
      rule: null,
      metric: null,
      worse: null,
      threshold: null,
      metrics: [],
      ratio: null,
      since: null,
      kept: null,
    });
  });

  it('is as far as the seconds that are kept while nothing is decided, and as it was when it was', () => {
    const calm = { ...record, seconds: record.seconds.slice(0, 25) };
    const early = replay(calm).seconds[3];
    const now = replay(calm).seconds.at(-1);
    if (early === undefined || now === undefined) throw new Error('no seconds');
    expect(early.verdict).toBe('undecided');
    expect(explainLeg(early, calm)).toMatchObject({ verdict: 'undecided', worse: now.evidence.worse });
    expect(explained.worse).toBe(told(record).evidence?.worse);
  });

  it('has nothing to say before anything was judged', () => {
    expect(explainLeg({ verdict: 'undecided', evidence: null }, recordOf([]))).toMatchObject({
      summary: null,
      kept: null,
    });
  });

  it('accuses no metric when nothing speaks against the candidate', () => {
    const random = chance(9);
    const calm = recordOf(
      Array.from({ length: 30 }, (_, index) =>
        secondOf(
          evenRoutes(5, 100, () => () => 0),
          START + index,
          10,
          random,
        ),
      ),
    );
    expect(explainLeg(told(calm), calm)).toMatchObject({
      verdict: 'undecided',
      metric: null,
      ratio: null,
      kept: { attribution: { routes: [] }, worseAt: null },
    });
  });
});
