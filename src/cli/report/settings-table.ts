import type { JudgeSettings } from '../../core/analysis/judge.ts';
import type { MetricSettings } from '../../core/analysis/settings.ts';
import { countText, durationText } from '../render/numbers.ts';
import { markup, type Markup } from './markup.ts';
import { tableMarkup } from './leg-tables.ts';

const percent = (share: number): string => `${Number((share * 100).toPrecision(3))} %`;

/** What the judge worked by, and what it means. @param service named where a page has several */
export function settingsTable(service: string, { analysis, limits }: JudgeSettings): Markup {
  const rows: (readonly [string, string, string])[] = [
    ['analysis', analysis.word, 'one word for all of what follows, where nothing else is declared'],
    ['alpha', percent(analysis.alpha), 'a release that is not worse is taken back at most so often'],
    ['beta', percent(analysis.beta), 'a release that is worse by the margin is called not worse at most so often'],
    ['delta', percent(analysis.delta), 'so much more errors than stable, relatively, is not worse'],
    ['allowance', percent(analysis.allowance), 'errors of such a share of all requests are not worse either'],
    [
      'margin',
      percent(analysis.margin),
      'shown not worse: at most so many percent of requests more fail than on stable',
    ],
    ['slower', percent(analysis.slower), 'so much slower than stable is not worse'],
    ['minErrors', countText(analysis.minErrors), 'errors (or slow requests) that evidence needs at least'],
    ['minRequests', countText(analysis.minRequests), 'requests of the candidate before it is called not worse'],
    ['bakeSeconds', durationText(analysis.bakeSeconds * 1_000), 'a step takes at least so long'],
    [
      'warmUpSeconds',
      durationText(analysis.warmUpSeconds * 1_000),
      'after the first exposure, not judged but for the breaker',
    ],
    ['latencyWarmUpSeconds', durationText(analysis.latencyWarmUpSeconds * 1_000), 'the same for latency alone'],
    [
      'burst',
      analysis.burst === null ? 'estimated' : countText(analysis.burst),
      "errors that one cause makes at once; estimated from stable's last hour",
    ],
    ['horizonSeconds', durationText(analysis.horizonSeconds * 1_000), 'longest rollout, over which bets are placed'],
    ['minSuccessPercent', `${limits.minSuccessPercent} %`, 'hard limit: success rate over the last minute'],
    ['maxP99Ms', durationText(limits.maxP99Ms), 'hard limit: 99th percentile over the last minute'],
    ['limits.minRequests', countText(limits.minRequests), 'before the hard limits count as kept'],
    ...analysis.metrics.map((metric) => [`metric ${metric.name}`, metric.kind, meaning(metric)] as const),
  ];
  return markup`${tableMarkup(
    service === ''
      ? 'Of the candidate release, the same for the whole rollout'
      : `Of ${service}, the same for the whole rollout`,
    [{ title: 'Setting' }, { title: 'Value' }, { title: 'Means' }],
    rows.map(([name, value, text]) => [markup`<code>${name}</code>`, markup`<b>${value}</b>`, text]),
  )}`;
}

function meaning(metric: MetricSettings): string {
  if (metric.kind === 'limit') {
    const within = [
      metric.min === null ? '' : `at least ${metric.min}`,
      metric.max === null ? '' : `at most ${metric.max}`,
    ];
    return `${within.filter((text) => text !== '').join(' and ')}; broken after ${metric.times} times in a row`;
  }
  const direction = metric.kind === 'rate' && metric.better === 'more' ? 'less' : 'more';
  return `${percent(metric.weight)} of the evidence; ${percent(metric.delta)} ${direction} than stable is not worse`;
}
