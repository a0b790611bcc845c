import type { EvidenceRecord, EvidenceSecond } from './evidence-record.ts';
import { judgeOf, type JudgeSettings } from './judge.ts';
import type { Evidence, Verdict } from './verdict.ts';

/** One second as the judge saw it. */
export interface ReplayedSecond {
  readonly seen: EvidenceSecond;
  readonly verdict: Verdict;
  readonly stableBroken: boolean;
  readonly evidence: Evidence;
}

export interface Replay {
  readonly seconds: readonly ReplayedSecond[];
  /** Index in `seconds` of the first with the verdict `worse`; null when there was none. */
  readonly worseAt: number | null;
}

/** Computes every verdict of a leg again. The same record and settings give the same verdicts, always. */
export function replay(record: EvidenceRecord, settings: JudgeSettings = record.settings): Replay {
  const judge = judgeOf(settings);
  let state = judge.start(record.past);
  const seconds = record.seconds.map((seen): ReplayedSecond => {
    state = judge.observe(state, seen.traffic);
    return { seen, ...judge.judge(state), evidence: judge.explain(state) };
  });
  const worse = seconds.findIndex(({ verdict }) => verdict === 'worse');
  return { seconds, worseAt: worse === -1 ? null : worse };
}
