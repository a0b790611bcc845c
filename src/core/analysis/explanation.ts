import type { FailedRequest } from '../traffic.ts';
import { attribute, type Attribution } from './attribution.ts';
import { ratioInterval, type RatioInterval } from './confidence.ts';
import type { ArmCounts } from './event-evidence.ts';
import type { EvidenceRecord } from './evidence-record.ts';
import { judgeOf } from './judge.ts';
import { errorsOf } from './traffic-minute.ts';
import type { Evidence, MetricEvidence, Rule, Verdict } from './verdict.ts';

/** A request of the candidate that failed, and when. */
export interface ExplainedFailure extends FailedRequest {
  /** UTC milliseconds at which the second began in which it was answered. */
  readonly at: number;
}

/** Why a leg was judged as it was, as far as numbers say it. */
export interface LegEvidence {
  readonly verdict: Verdict;
  /** One sentence; null before anything was judged. */
  readonly summary: string | null;
  readonly rule: Rule | null;
  /** The metric that says most against the candidate; `mirror` for copies; null when none says anything. */
  readonly metric: string | null;
  /** The combined e-value that the candidate is worse, and the threshold; null in what was journaled before there was one. */
  readonly worse: number | null;
  readonly threshold: number | null;
  readonly metrics: readonly MetricEvidence[];
  /** By how many times the candidate's share of that metric exceeds stable's. */
  readonly ratio: (RatioInterval & { readonly alpha: number }) | null;
  /** UTC milliseconds since when the candidate is worse, as far as can be told. */
  readonly since: number | null;
  /** What is kept of the analysis; null when nothing is. */
  readonly kept: KeptEvidence | null;
}

export interface KeptEvidence {
  /** UTC milliseconds at which the first second began and the last one ended. */
  readonly from: number;
  readonly to: number;
  readonly seconds: number;
  /** UTC milliseconds at the end of the first second with the verdict `worse`. */
  readonly worseAt: number | null;
  /** Of the candidate, over all of it. */
  readonly requests: number;
  readonly errors: number;
  readonly attribution: Attribution;
  /** A few of the failed requests, those with a trace first. */
  readonly failures: readonly ExplainedFailure[];
}

const MOST_FAILURES = 10;
const SECOND_MS = 1_000;

/**
 * What the numbers of one leg say.
 *
 * @param told verdict and evidence as the journal has them, which is what was acted on; null evidence before anything was judged
 * @param record the seconds behind them; null when they are not kept (any more)
 */
export function explainLeg(
  told: { readonly verdict: Verdict; readonly evidence: Evidence | null },
  record: EvidenceRecord | null,
): LegEvidence {
  const { verdict } = told;
  const evidence = verdict === 'worse' || told.evidence === null ? told.evidence : upToDate(told.evidence, record);
  const metrics = evidence?.metrics ?? [];
  const rule = evidence?.rule ?? null;
  const metric = rule === 'mirror' ? 'mirror' : loudest(metrics);
  return {
    verdict,
    summary: evidence?.summary ?? null,
    rule,
    metric,
    worse: evidence?.worse ?? null,
    threshold: evidence?.threshold ?? null,
    metrics,
    ratio: record === null || metric === null ? null : ratioOf(record, metric),
    since: evidence?.since == null ? null : evidence.since * SECOND_MS,
    kept: record === null || record.seconds.length === 0 ? null : keptOf(record, metric),
  };
}

/** The journal is told every few seconds; what is kept may be further. A verdict `worse` keeps the evidence that it was acted on. */
function upToDate(told: Evidence, record: EvidenceRecord | null): Evidence {
  if (record === null || record.seconds.length === 0) return told;
  const judge = judgeOf(record.settings);
  const start = judge.start(record.past);
  return judge.explain(record.seconds.reduce((state, { traffic }) => judge.observe(state, traffic), start));
}

/** The metric that is nearest to what it needs; null when none speaks against the candidate. */
function loudest(metrics: readonly MetricEvidence[]): string | null {
  let [most, name]: [number, string | null] = [0, null];
  for (const { metric, worse, needed } of metrics) {
    if (worse <= 1 || worse / needed <= most) continue;
    [most, name] = [worse / needed, metric];
  }
  return name;
}

function keptOf(record: EvidenceRecord, metric: string | null): KeptEvidence {
  const judge = judgeOf(record.settings);
  let state = judge.start(record.past);
  let worseAt: number | null = null;
  let [requests, errors] = [0, 0];
  for (const { traffic } of record.seconds) {
    state = judge.observe(state, traffic);
    if (worseAt === null && judge.judge(state).verdict === 'worse') worseAt = (traffic.second + 1) * SECOND_MS;
    requests += traffic.arms.candidate.requests;
    errors += errorsOf(traffic.arms.candidate);
  }
  return {
    from: (record.seconds[0]?.traffic.second ?? 0) * SECOND_MS,
    to: ((record.seconds.at(-1)?.traffic.second ?? 0) + 1) * SECOND_MS,
    seconds: record.seconds.length,
    worseAt,
    requests,
    errors,
    attribution: attribute(record, metric),
    failures: failuresOf(record),
  };
}

/** Counts of a metric in each stretch of the same weight, then the confidence sequence of the ratio. */
function ratioOf(record: EvidenceRecord, metric: string): LegEvidence['ratio'] {
  const { alpha } = record.settings.analysis;
  const judge = judgeOf(record.settings);
  let state = judge.start(record.past);
  const stretches: ArmCounts[] = [];
  let before: MetricEvidence | null = null;
  for (const [index, { traffic, weight }] of record.seconds.entries()) {
    state = judge.observe(state, traffic);
    if (record.seconds[index + 1]?.weight === weight) continue;
    const now = judge.explain(state).metrics?.find((one) => one.metric === metric) ?? null;
    if (now === null) continue;
    stretches.push({
      candidateTotal: now.candidate.total - (before?.candidate.total ?? 0),
      candidateEvents: now.candidate.events - (before?.candidate.events ?? 0),
      stableTotal: now.stable.total - (before?.stable.total ?? 0),
      stableEvents: now.stable.events - (before?.stable.events ?? 0),
    });
    before = now;
  }
  if (before === null) return null;
  const interval = ratioInterval(stretches, alpha, before.dispersion);
  return interval === null ? null : { ...interval, alpha };
}

function failuresOf(record: EvidenceRecord): readonly ExplainedFailure[] {
  const all = record.seconds.flatMap(({ traffic }) =>
    (traffic.arms.candidate.failures ?? []).map((failure) => ({ ...failure, at: traffic.second * SECOND_MS })),
  );
  const rankOf = ({ traceId, requestId }: ExplainedFailure): number =>
    traceId !== null ? 0 : requestId !== null ? 1 : 2;
  return all
    .sort((a, b) => rankOf(a) - rankOf(b) || a.at - b.at)
    .slice(0, MOST_FAILURES)
    .sort((a, b) => a.at - b.at);
}
