import { describe, expect, it } from 'vitest';
import type { EvidenceRecord, EvidenceSecond } from './evidence-record.ts';
import { judgeOf } from './judge.ts';
import { checkReplay, type JournaledJudgement } from './replay-check.ts';
import { replay } from './replay.ts';
import { chance, evenRoutes, recordOf, secondOf } from './testing/route-traffic.ts';

const START = 1_700_000_000;

function recorded(share: number): EvidenceRecord {
  const random = chance(8);
  const models = evenRoutes(3, 60, () => (second, arm) => (arm === 'candidate' && second > START + 20 ? share : 0.005));
  return recordOf(Array.from({ length: 60 }, (_, index) => secondOf(models, START + index, 20, random)));
}

/** What a judge tells: every fifth second, and whenever its verdict changes. */
function journalOf(record: EvidenceRecord): readonly JournaledJudgement[] {
  let before = '';
  return replay(record).seconds.flatMap(({ seen, verdict, stableBroken, evidence }, index) => {
    const isNews = verdict !== before;
    before = verdict;
    if (!isNews && index % 5 !== 4) return [];
    return [{ at: (seen.traffic.second + 1) * 1_000 + 300, verdict, stableBroken, evidence }];
  });
}

describe('a replay', () => {
  const record = recorded(0.3);
  const journal = journalOf(record);

  it('agrees with the journal it belongs to, and finds the second of the verdict again', () => {
    const check = checkReplay(record, journal);
    expect(check).toMatchObject({ agrees: true, same: journal.length, partial: 0, beyond: 0, disagreements: [] });
    expect(check.worse.journal?.at).toBe((check.worse.replayed?.at ?? 0) + 300);
    expect(check.worse.replayed?.worse).toBeGreaterThanOrEqual(100);
  });

  it('agrees through the text of a journal', () => {
    expect(checkReplay(record, JSON.parse(JSON.stringify(journal)) as readonly JournaledJudgement[]).agrees).toBe(true);
  });

  it('agrees when a control plane that took over told everything again', () => {
    expect(checkReplay(record, [...journal.slice(0, 4), ...journal]).agrees).toBe(true);
  });

  it('names the judgement whose e-value is another one', () => {
    const forged = journal.map((one, index) =>
      index === 2 ? { ...one, evidence: { ...one.evidence, worse: 7 } } : one,
    );
    const check = checkReplay(record, forged);
    expect(check.agrees).toBe(false);
    expect(check.disagreements).toHaveLength(1);
    expect(check.disagreements[0]).toMatchObject({
      journal: { at: journal[2]?.at, worse: 7 },
      replayed: { worse: journal[2]?.evidence.worse },
    });
  });

  it('names the judgement whose verdict is another one', () => {
    const forged = journal.map((one, index) => (index === 2 ? { ...one, verdict: 'not-worse' as const } : one));
    expect(checkReplay(record, forged)).toMatchObject({
      agrees: false,
      disagreements: [{ journal: { verdict: 'not-worse' }, replayed: { verdict: 'undecided' } }],
    });
  });

  it('says when one request of the stored seconds was changed', () => {
    const seconds = record.seconds.map((one, index): EvidenceSecond => {
      if (index !== 7) return one;
      const { stable } = one.traffic.arms;
      const arms = { ...one.traffic.arms, stable: { ...stable, serverErrors: stable.serverErrors + 1 } };
      return { ...one, traffic: { ...one.traffic, arms } };
    });
    expect(checkReplay({ ...record, seconds }, journal).agrees).toBe(false);
  });

  it('does not agree when nobody said worse, and the seconds do', () => {
    const silent = journal.filter(({ verdict }) => verdict !== 'worse');
    expect(checkReplay(record, silent)).toMatchObject({ agrees: false, disagreements: [], worse: { journal: null } });
  });

  it('counts judgements on part of a second by themselves', () => {
    const judge = judgeOf(record.settings);
    const state = record.seconds
      .slice(0, 10)
      .reduce((one, { traffic }) => judge.observe(one, traffic), judge.start([]));
    const next = record.seconds[10]?.traffic;
    if (next === undefined) throw new Error('a second is missing');
    const half = {
      ...next,
      arms: {
        candidate: { ...next.arms.candidate, requests: Math.ceil(next.arms.candidate.requests / 2) },
        stable: { ...next.arms.stable, requests: Math.floor(next.arms.stable.requests / 2) },
      },
    };
    const looked = judge.observe(state, half);
    const partly: JournaledJudgement = {
      at: (START + 11) * 1_000,
      ...judge.judge(looked),
      evidence: judge.explain(looked),
    };
    const check = checkReplay(record, [...journal.slice(0, 2), partly, ...journal.slice(2)]);
    expect(check).toMatchObject({ agrees: true, partial: 1, same: journal.length });
  });

  it('says how much of the journal lies behind the last stored second', () => {
    const check = checkReplay({ ...record, seconds: record.seconds.slice(0, 20) }, journal);
    expect(check).toMatchObject({ agrees: true, same: 4 + 1, beyond: journal.length - 5 });
  });
});
