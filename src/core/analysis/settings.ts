export type AnalysisWord = 'careful' | 'balanced' | 'fast';

/** What a service declares about the analysis of its releases, every default filled in. Kept with the evidence, so that it can be replayed. */
export interface AnalysisSettings {
  readonly word: AnalysisWord;
  /** Probability of ever taking back a release that is not worse, at most. */
  readonly alpha: number;
  /** Probability of ever calling a release that is worse by more than is allowed "not worse", at most. */
  readonly beta: number;
  /** A rate of errors up to `1 + delta` times stable's is not worse. */
  readonly delta: number;
  /** Errors of so many, as a share of all requests, are not worse either: 0 for none. */
  readonly allowance: number;
  /** To be called "not worse" the candidate's errors must be shown to be at most stable's plus this share. */
  readonly margin: number;
  /** Slower by up to this share (0.1: 10 %) is not worse. */
  readonly slower: number;
  /** Seconds after the first exposure that say nothing, but for the breaker. */
  readonly warmUpSeconds: number;
  /** So long latency counts only if most requests take far longer: caches and compilers warm up, errors have no such excuse. */
  readonly latencyWarmUpSeconds: number;
  /** At least so many errors (slow requests) of the candidate before it is taken back by that metric. */
  readonly minErrors: number;
  /** At least so many requests of the candidate before it is called "not worse". */
  readonly minRequests: number;
  /** At least so long is a step, whatever the verdict. */
  readonly bakeSeconds: number;
  /** Errors that one cause makes at once, if known; null: estimated from stable's last hour. */
  readonly burst: number | null;
  /** Seconds of the longest rollout; bets are placed over them. */
  readonly horizonSeconds: number;
  /** Besides errors and latency; together at most 0.9 of the evidence is theirs. */
  readonly metrics: readonly MetricSettings[];
}

/** What one more metric means; where its numbers come from is `MetricSource`, in the specification. */
export type MetricSettings =
  /** Events of which fewer are better, out of a total: declined payments of payments. */
  | { readonly name: string; readonly kind: 'share'; readonly weight: number; readonly delta: number }
  /** Events by the arm's requests: sign-ups. `better` says which way. */
  | {
      readonly name: string;
      readonly kind: 'rate';
      readonly weight: number;
      readonly delta: number;
      readonly better: 'more' | 'fewer';
    }
  /** A value with limits, broken when it is outside so many times in a row. No guarantee of statistics: it is a limit. */
  | {
      readonly name: string;
      readonly kind: 'limit';
      readonly min: number | null;
      readonly max: number | null;
      readonly times: number;
    };

type Numbers = Pick<AnalysisSettings, 'alpha' | 'beta' | 'delta' | 'margin' | 'slower' | 'bakeSeconds' | 'minRequests'>;

/** What one word means; docs/analysis.md says it in figures. */
const WORDS: Readonly<Record<AnalysisWord, Numbers>> = {
  careful: { alpha: 0.001, beta: 0.01, delta: 0.5, margin: 0.003, slower: 0.1, bakeSeconds: 60, minRequests: 1_000 },
  balanced: { alpha: 0.01, beta: 0.05, delta: 0.5, margin: 0.005, slower: 0.1, bakeSeconds: 20, minRequests: 500 },
  fast: { alpha: 0.05, beta: 0.1, delta: 0.5, margin: 0.01, slower: 0.2, bakeSeconds: 5, minRequests: 500 },
};

export const ANALYSIS_WORDS: readonly AnalysisWord[] = ['careful', 'balanced', 'fast'];

/** The settings behind a word. */
export const settingsOf = (word: AnalysisWord): AnalysisSettings => ({
  word,
  ...WORDS[word],
  allowance: 0,
  warmUpSeconds: 0,
  latencyWarmUpSeconds: 30,
  minErrors: 3,
  burst: null,
  horizonSeconds: 3_600,
  metrics: [],
});
