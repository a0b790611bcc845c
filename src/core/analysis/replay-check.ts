import type { EvidenceRecord } from './evidence-record.ts';
import { replay, type Replay, type ReplayedSecond } from './replay.ts';
import type { Evidence, MetricEvidence, Verdict } from './verdict.ts';

/** A judgement as the journal has it. */
export interface JournaledJudgement {
  /** UTC milliseconds at which it was journaled. */
  readonly at: number;
  readonly verdict: Verdict;
  readonly stableBroken: boolean;
  readonly evidence: Evidence;
}

export interface JudgedMoment {
  /** UTC milliseconds: of the journal's entry, or at which the second ended. */
  readonly at: number;
  readonly verdict: Verdict;
  /** The combined e-value; null in what was journaled before there was one. */
  readonly worse: number | null;
}

export interface Disagreement {
  readonly journal: JudgedMoment;
  /** What the same counts give now; null when the stored seconds never add up to what the journal has. */
  readonly replayed: JudgedMoment | null;
}

export interface ReplayCheck {
  readonly agrees: boolean;
  /** Judgements of the journal that a stored second gives again, to the last digit that is compared. */
  readonly same: number;
  /** Judgements on part of a second, at the end of a window: what had passed of it is not kept, the seconds around it agree. */
  readonly partial: number;
  /** Judgements from after the last stored second: the store could not be written then. */
  readonly beyond: number;
  readonly disagreements: readonly Disagreement[];
  /** The first `worse` of each; null when there was none. */
  readonly worse: { readonly journal: JudgedMoment | null; readonly replayed: JudgedMoment | null };
}

/** E-values are products of some thousand factors: another processor may round the last digits of each otherwise. */
const TOLERANCE = 1e-6;

/**
 * Compares what a judge said then with what the stored seconds give now. A judgement is found again by what had been counted, not by the
 * clock: it was journaled a moment later, or by a control plane that had just taken over.
 */
export function checkReplay(
  record: EvidenceRecord,
  journaled: readonly JournaledJudgement[],
  replayed: Replay = replay(record),
): ReplayCheck {
  const { seconds } = replayed;
  let [same, partial, beyond, from] = [0, 0, 0, 0];
  const disagreements: Disagreement[] = [];
  for (const judgement of journaled) {
    const exact = seconds.findIndex((second, index) => index >= from && isOfSameCounts(second, judgement));
    // A control plane that takes over looks at everything again from the first second.
    const at = exact === -1 ? seconds.findIndex((second) => isOfSameCounts(second, judgement)) : exact;
    const second = seconds[at];
    if (second !== undefined) {
      from = at;
      if (isSame(second, judgement)) same += 1;
      else disagreements.push({ journal: momentOf(judgement), replayed: momentOfSecond(second) });
      continue;
    }
    const before = seconds.findLastIndex((one) => isNotBeyond(one, judgement));
    const after = seconds[before + 1];
    if (after === undefined) beyond += 1;
    else if (isNotBehind(after, judgement) && isBetween(seconds[before], after, judgement)) partial += 1;
    else disagreements.push({ journal: momentOf(judgement), replayed: null });
  }
  const first = replayed.worseAt === null ? undefined : seconds[replayed.worseAt];
  const told = journaled.find(({ verdict }) => verdict === 'worse');
  const worse = {
    journal: told === undefined ? null : momentOf(told),
    replayed: first === undefined ? null : momentOfSecond(first),
  };
  // A verdict that nobody acted on, or that the seconds do not give, is a disagreement of its own.
  const isOneSided = beyond === 0 && (worse.journal === null) !== (worse.replayed === null);
  return { agrees: disagreements.length === 0 && !isOneSided, same, partial, beyond, disagreements, worse };
}

const momentOf = ({ at, verdict, evidence }: JournaledJudgement): JudgedMoment => ({
  at,
  verdict,
  worse: evidence.worse ?? null,
});

const momentOfSecond = ({ seen, verdict, evidence }: ReplayedSecond): JudgedMoment => ({
  at: (seen.traffic.second + 1) * 1_000,
  verdict,
  worse: evidence.worse ?? null,
});

/** Everything counted so far and in the last minute. */
function countsOf({ candidate, stable, metrics }: Evidence): readonly number[] {
  const ofMetric = (metric: MetricEvidence): readonly number[] => [
    metric.candidate.events,
    metric.candidate.total,
    metric.stable.events,
    metric.stable.total,
  ];
  return [
    candidate.requests,
    candidate.errors,
    stable.requests,
    stable.errors,
    ...(metrics ?? []).flatMap((metric) => ofMetric(metric)),
  ];
}

function isOfSameCounts({ evidence }: ReplayedSecond, judgement: JournaledJudgement): boolean {
  const told = countsOf(judgement.evidence);
  const now = countsOf(evidence);
  return told.every((count, index) => count === now[index]);
}

function isSame({ verdict, stableBroken, evidence }: ReplayedSecond, judgement: JournaledJudgement): boolean {
  const [told, now] = [judgement.evidence.worse, evidence.worse];
  const isNear = told === undefined || (now !== undefined && Math.abs(told - now) <= TOLERANCE * Math.max(told, now));
  return verdict === judgement.verdict && stableBroken === judgement.stableBroken && isNear;
}

/** Totals since the first exposure only grow; those of the last minute do not. */
const totalsOf = ({ metrics }: Evidence): readonly number[] =>
  countsOf({ ...NO_EVIDENCE, ...(metrics && { metrics }) });
const NO_ARM = { requests: 0, errors: 0, p50Ms: null, p99Ms: null };
const NO_EVIDENCE: Evidence = { summary: '', candidate: NO_ARM, stable: NO_ARM };

const isNotBeyond = ({ evidence }: ReplayedSecond, judgement: JournaledJudgement): boolean =>
  totalsOf(evidence).every((total, index) => total <= (totalsOf(judgement.evidence)[index] ?? Infinity));

const isNotBehind = ({ evidence }: ReplayedSecond, judgement: JournaledJudgement): boolean =>
  totalsOf(judgement.evidence).every((total, index) => total <= (totalsOf(evidence)[index] ?? Infinity));

/** What is said on part of a second is what is said before it or with all of it. */
function isBetween(
  before: ReplayedSecond | undefined,
  after: ReplayedSecond,
  { verdict }: JournaledJudgement,
): boolean {
  return verdict === after.verdict || verdict === (before?.verdict ?? 'undecided');
}
