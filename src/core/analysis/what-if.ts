import { nearest } from '../spec/nearest.ts';
import type { DurationMs, Percent } from '../units/quantities.ts';
import { parseDuration } from '../units/duration.ts';
import type { EvidenceRecord } from './evidence-record.ts';
import { judgeOf, type JudgeSettings } from './judge.ts';
import { ANALYSIS_WORDS, settingsOf, type AnalysisSettings } from './settings.ts';
import { errorsOf } from './traffic-minute.ts';

/** How a judge with some settings would have judged the stored seconds. */
export interface Outcome {
  /** UTC milliseconds at the end of the first second with the verdict `worse`; null: never, as far as the seconds go. */
  readonly worseAt: number | null;
  /** UTC milliseconds at the end of the first second with the verdict `not-worse`, however long a step lasts; null: never. */
  readonly shownAt: number | null;
  /** In words, at the verdict `worse` or at the end. */
  readonly summary: string;
  /** Requests of the candidate, and those of them that failed, until `worse`, or in all seconds. */
  readonly requests: number;
  readonly failed: number;
  /** The highest combined e-value until then, and what it takes. */
  readonly highest: number;
  readonly threshold: number;
}

/** Judges the stored seconds anew. */
export function outcomeOf(record: EvidenceRecord, settings: JudgeSettings): Outcome {
  const judge = judgeOf(settings);
  let state = judge.start(record.past);
  let worseAt: number | null = null;
  let shownAt: number | null = null;
  let [requests, failed, highest] = [0, 0, 0];
  for (const { traffic } of record.seconds) {
    state = judge.observe(state, traffic);
    requests += traffic.arms.candidate.requests;
    failed += errorsOf(traffic.arms.candidate);
    const { verdict } = judge.judge(state);
    highest = Math.max(highest, judge.explain(state).worse ?? 0);
    const at = (traffic.second + 1) * 1_000;
    if (verdict === 'not-worse') shownAt ??= at;
    if (verdict !== 'worse') continue;
    worseAt = at;
    break;
  }
  const threshold = 1 / settings.analysis.alpha;
  return { worseAt, shownAt, summary: judge.explain(state).summary, requests, failed, highest, threshold };
}

/** A change of settings, or what is wrong with it, in words. */
export type WhatIf =
  | { readonly ok: true; readonly settings: JudgeSettings; readonly note: string | null }
  | { readonly ok: false; readonly problem: string; readonly hint: string };

interface Field {
  readonly unit: 'share' | 'seconds' | 'count' | 'percent' | 'ms';
  readonly least: number;
  readonly most: number;
  readonly set: (settings: JudgeSettings, value: number) => JudgeSettings;
  /** Why nothing may come of it. */
  readonly note?: string;
}

type NumericSetting = Exclude<keyof AnalysisSettings, 'word' | 'metrics'>;

const analysis =
  (name: NumericSetting) =>
  (settings: JudgeSettings, value: number): JudgeSettings => ({
    ...settings,
    analysis: { ...settings.analysis, [name]: value },
  });
const share = (name: NumericSetting, least: number, most: number): Field => ({
  unit: 'share',
  least,
  most,
  set: analysis(name),
});
const seconds = (name: NumericSetting, least: number, note?: string): Field => ({
  unit: 'seconds',
  least,
  most: 7 * 86_400,
  set: analysis(name),
  ...(note === undefined ? {} : { note }),
});
const count = (name: NumericSetting): Field => ({ unit: 'count', least: 1, most: 1e9, set: analysis(name) });

const PROBABILITY = [1e-12, 0.5] as const;

const FIELDS: Readonly<Record<string, Field>> = {
  alpha: share('alpha', ...PROBABILITY),
  beta: share('beta', ...PROBABILITY),
  delta: share('delta', 0, 100),
  allowance: share('allowance', 0, 1),
  margin: share('margin', 1e-9, 1),
  slower: share('slower', 0, 100),
  warmUpSeconds: seconds('warmUpSeconds', 0),
  latencyWarmUpSeconds: seconds('latencyWarmUpSeconds', 0),
  bakeSeconds: seconds('bakeSeconds', 0, 'bakeSeconds is how long a step lasts at least; no verdict depends on it'),
  horizonSeconds: seconds('horizonSeconds', 2),
  minErrors: count('minErrors'),
  minRequests: count('minRequests'),
  burst: count('burst'),
  'limits.minSuccessPercent': {
    unit: 'percent',
    least: 0,
    most: 100,
    set: (settings, value) => ({ ...settings, limits: { ...settings.limits, minSuccessPercent: value as Percent } }),
  },
  'limits.maxP99Ms': {
    unit: 'ms',
    least: 1,
    most: 3_600_000,
    set: (settings, value) => ({ ...settings, limits: { ...settings.limits, maxP99Ms: value as DurationMs } }),
  },
  'limits.minRequests': {
    unit: 'count',
    least: 1,
    most: 1e9,
    set: (settings, value) => ({ ...settings, limits: { ...settings.limits, minRequests: value } }),
  },
};

/** Names of `veza.config.ts`; shares are percent there. */
const DECLARED: Readonly<Record<string, string>> = {
  falseAlarms: 'alpha',
  falsePasses: 'beta',
  tolerance: 'delta',
  warmUp: 'warmUpSeconds',
  latencyWarmUp: 'latencyWarmUpSeconds',
  bake: 'bakeSeconds',
  'limits.minSuccess': 'limits.minSuccessPercent',
  'limits.maxP99': 'limits.maxP99Ms',
};

/** Everything that may stand before `=`, the names of the declaration last. */
export const WHAT_IF_NAMES: readonly string[] = ['analysis', ...Object.keys(FIELDS), ...Object.keys(DECLARED)];

/**
 * Changes one setting.
 *
 * @param text `alpha=0.001`, `falseAlarms=0.1%`, `analysis=careful`, `limits.maxP99=300ms`
 */
export function whatIf(settings: JudgeSettings, text: string): WhatIf {
  const [, name = text, value = ''] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  if (!text.includes('=') || value.trim() === '')
    return wrong(`\`${text}\` says nothing of a value`, 'Write name=value, for example `alpha=0.001`.');
  if (name === 'analysis' || name === 'level') return word(settings, value);
  const known = FIELDS[DECLARED[name] ?? name];
  if (known === undefined) {
    const near = nearest(name, WHAT_IF_NAMES);
    return wrong(
      `there is no setting called \`${name}\`${near === null ? '' : `; did you mean \`${near}\`?`}`,
      `Known: ${WHAT_IF_NAMES.join(', ')}.`,
    );
  }
  if (name === 'burst' && value === 'null')
    return { ok: true, settings: { ...settings, analysis: { ...settings.analysis, burst: null } }, note: null };
  const number = numberOf(value.trim(), known.unit, DECLARED[name] !== undefined);
  if (number === null || number < known.least || number > known.most || (known.unit === 'count' && number % 1 !== 0))
    return wrong(
      `\`${text}\` is not ${expectation(name, known)}`,
      `For example \`--what-if ${name}=${example(known)}\`.`,
    );
  return { ok: true, settings: known.set(settings, number), note: known.note ?? null };
}

/** What the word stands for, in everything but what no word says: other metrics, bursts that are known, the horizon. */
function word(settings: JudgeSettings, value: string): WhatIf {
  const found = ANALYSIS_WORDS.find((one) => one === value.trim());
  if (found === undefined) return wrong(`\`${value}\` is no analysis`, `Known: ${ANALYSIS_WORDS.join(', ')}.`);
  const { metrics, burst, horizonSeconds } = settings.analysis;
  return {
    ok: true,
    settings: { ...settings, analysis: { ...settingsOf(found), metrics, burst, horizonSeconds } },
    note: null,
  };
}

const wrong = (problem: string, hint: string): WhatIf => ({ ok: false, problem, hint });

function numberOf(text: string, unit: Field['unit'], declared: boolean): number | null {
  const percent = /^(.*?)\s*%$/.exec(text)?.[1];
  if (percent !== undefined) {
    const value = plainNumber(percent);
    if (value === null || (unit !== 'share' && unit !== 'percent')) return null;
    return unit === 'share' ? value / 100 : value;
  }
  const value = plainNumber(text);
  if (value !== null) return unit === 'share' && declared ? value / 100 : value;
  if (unit !== 'seconds' && unit !== 'ms') return null;
  const duration = parseDuration(text);
  if (!duration.ok) return null;
  return unit === 'ms' ? duration.value : Math.ceil(duration.value / 1_000);
}

const plainNumber = (text: string): number | null =>
  /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : null;

function expectation(name: string, { unit, least, most }: Field): string {
  if (unit === 'share')
    return `a share ${least > 0 ? 'above' : 'from'} 0 and up to ${most}, or that in percent: 0.01, 1%`;
  if (unit === 'percent') return `a percentage from ${least} to ${most}`;
  if (unit === 'seconds') return `a time from ${least} s: 30, or 30s`;
  if (unit === 'ms') return `a time from ${least} ms: 500, or 500ms`;
  return `a whole number from ${least}${name === 'burst' ? ', or null' : ''}`;
}

const example = ({ unit }: Field): string =>
  ({ share: '0.01', seconds: '30s', count: '5', percent: '99', ms: '500ms' })[unit];
