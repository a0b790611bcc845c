import { percentText, rateText, latencyText } from '../render/numbers.ts';
import { markup, jsonMarkup, type Markup } from './markup.ts';
import type { LegSeries } from './series.ts';
import { chart, NARROW, WIDE, type ChartSpec, type Mark, type Series, type Size } from './svg/chart.ts';
import { clock, fromZero, logarithmic } from './svg/scale.ts';
import type { Point } from './svg/thin.ts';

/** Moments at which values are told under the pointer. */
const TOLD = 240;
/** Evidence below or above this is drawn at the edge: nobody needs to see how many noughts it has. */
const LEAST_EVIDENCE = 1e-3;
const MOST_EVIDENCE = 1e4;
/** From such a factor between fast and slow on, latencies need a logarithmic axis. */
const FAR_APART = 15;

interface Figure extends ChartSpec {
  readonly caption: string;
  /** How values are told. */
  readonly tell: (value: number) => string;
}

/**
 * The curves of one leg, one below the other over the same time.
 *
 * @param id of this leg, for the page
 * @param points the largest number of points of a line: fewer where a page has many legs
 */
export function legCharts(id: string, series: LegSeries, marks: readonly Mark[], points: number): Markup {
  const figures = figuresOf(id, series, marks);
  const wide: Size = { ...WIDE, points };
  return markup`<div
    class="charts"
    id="${id}"
    tabindex="0"
    aria-label="Curves over time. Left and right arrow keys move a line over them."
  >
    ${figures.map((figure, index) => figureMarkup(figure, wide, index))}
    <script type="application/json" class="told">
      ${jsonMarkup(told(figures, series))}
    </script>
  </div>`;
}

function figureMarkup(figure: Figure, wide: Size, index: number): Markup {
  return markup`<figure>
    <figcaption>
      <h4>${figure.title}</h4>
      <p>${figure.caption}</p>
      <ul class="legend">
        ${figure.series.map(
          ({ name, kind, style }) =>
            markup`<li><i class="key ${kind}${style === 'dashed' ? ' dashed' : ''}"></i>${name} <b></b></li>`,
        )}${figure.rug === undefined ? null : markup`<li><i class="key rug"></i>requests to the candidate failed</li>`}${
          index === 0 ? markup`<li class="at"><b></b></li>` : null
        }
      </ul>
    </figcaption>
    ${chart({ ...figure, named: index === 0 }, wide)}${chart({ ...figure, named: index === 0 }, NARROW)}
  </figure>`;
}

function figuresOf(id: string, series: LegSeries, marks: readonly Mark[]): readonly Figure[] {
  const { arms, bands, from, to } = series;
  const shared = { bands, marks, from, to };
  const both = (of: (arm: LegSeries['arms']['stable']) => readonly Point[]): readonly Series[] => [
    { name: 'stable', kind: 'stable', points: of(arms.stable) },
    { name: 'candidate', kind: 'candidate', points: of(arms.candidate) },
  ];
  const past = series.windowSeconds;
  const latencies = [arms.stable.p50, arms.stable.p99, arms.candidate.p50, arms.candidate.p99];
  const slowest = largest(...latencies);
  const fastest = Math.min(...latencies.flatMap((points) => points.flatMap(({ y }) => (y === null ? [] : [y]))));
  const evidence = series.evidence.map(({ metric, points }, index): Series => ({
    name: metric,
    kind: index === 0 ? 'combined' : `m${index % 6}`,
    points,
  }));
  return [
    {
      ...shared,
      id: `${id}-weight`,
      title: 'Share of the traffic',
      caption: 'Percent of the requests that went to the candidate.',
      text: `Percent of the requests for the candidate. ${bands.map(({ label, from: at }) => `${clock(at)}: ${label}`).join('; ')}.`,
      series: [{ name: 'candidate', kind: 'candidate', points: series.weight, style: 'area' }],
      vertical: (span) => fromZero(largest(series.weight), span, (value) => `${value} %`, 10),
      tell: (value) => `${value} %`,
    },
    {
      ...shared,
      id: `${id}-rate`,
      title: 'Requests a second',
      caption: `Answered or lost, over the last ${past} s.`,
      text: `Requests a second: ${range(arms.stable.requestsPerSecond, rateText)} for stable, ${range(arms.candidate.requestsPerSecond, rateText)} for the candidate.`,
      series: both((arm) => arm.requestsPerSecond),
      vertical: (span) =>
        fromZero(largest(arms.stable.requestsPerSecond, arms.candidate.requestsPerSecond), span, axisNumber),
      tell: rateText,
    },
    {
      ...shared,
      id: `${id}-errors`,
      title: 'Failed requests',
      caption: `Percent of the requests answered by 5xx or lost, over the last ${past} s.`,
      text: `Percent of requests that failed: ${range(arms.stable.errors, percentText)} for stable, ${range(arms.candidate.errors, percentText)} for the candidate.`,
      series: both((arm) => arm.errors),
      rug: series.failed,
      vertical: (span) =>
        fromZero(largest(arms.stable.errors, arms.candidate.errors), span, (value) => `${axisNumber(value)} %`, 1),
      tell: percentText,
    },
    ...copiesFigure(id, series, shared),
    {
      ...shared,
      id: `${id}-evidence`,
      title: 'Evidence that the candidate is worse',
      caption:
        'As a share of what takes it back (an e-value by its threshold, logarithmic). The metrics add up to all together; a release that is not worse ever reaches 1 with at most the probability in the settings.',
      text: `Evidence against the candidate by its threshold; at 1 it is taken back. ${series.evidence
        .map(({ metric, points }) => `${metric}: at most ${evidenceText(largest(points))}`)
        .join('; ')}.`,
      series: [...evidence.slice(1), ...evidence.slice(0, 1)],
      levels: [{ y: 1, label: 'from here on it is taken back', kind: 'threshold' }],
      vertical: (span) => {
        const top = Math.min(MOST_EVIDENCE, Math.max(10, ...evidence.map(({ points }) => largest(points))));
        return logarithmic(LEAST_EVIDENCE, top, span, evidenceText);
      },
      tell: evidenceText,
    },
    {
      ...shared,
      id: `${id}-latency`,
      title: 'Latency',
      caption: `Median and 99th percentile, over the last ${past} s${slowest > fastest * FAR_APART ? ', logarithmic' : ''}.`,
      text: `99th percentile: ${range(arms.stable.p99, latencyText)} for stable, ${range(arms.candidate.p99, latencyText)} for the candidate. Median: ${range(arms.stable.p50, latencyText)} for stable, ${range(arms.candidate.p50, latencyText)} for the candidate.`,
      series: [
        { name: 'stable p50', kind: 'stable', points: arms.stable.p50, style: 'dashed' },
        { name: 'stable p99', kind: 'stable', points: arms.stable.p99 },
        { name: 'candidate p50', kind: 'candidate', points: arms.candidate.p50, style: 'dashed' },
        { name: 'candidate p99', kind: 'candidate', points: arms.candidate.p99 },
      ],
      vertical: (span) =>
        slowest > fastest * FAR_APART
          ? logarithmic(Math.max(0.1, fastest), slowest, span, axisLatency)
          : fromZero(slowest, span, axisLatency, 1),
      tell: latencyText,
    },
  ];
}

function copiesFigure(
  id: string,
  { copies, windowSeconds }: LegSeries,
  shared: Pick<Figure, 'bands' | 'marks' | 'from' | 'to'>,
): readonly Figure[] {
  if (copies === null) return [];
  const both = [
    { name: 'stable', kind: 'stable', points: copies.stable },
    { name: 'candidate', kind: 'candidate', points: copies.candidate },
  ];
  return [
    {
      ...shared,
      id: `${id}-copies`,
      title: 'Copied requests',
      caption: `Percent of the copied requests that each release failed, over the last ${windowSeconds} s. No user got these answers of the candidate.`,
      text: `Percent of copied requests that failed: ${range(copies.stable, percentText)} for stable, ${range(copies.candidate, percentText)} for the candidate.`,
      series: both,
      vertical: (span) =>
        fromZero(largest(copies.stable, copies.candidate), span, (value) => `${axisNumber(value)} %`, 1),
      tell: percentText,
    },
  ];
}

const largest = (...all: readonly (readonly Point[])[]): number => {
  let most = 0;
  for (const points of all) for (const { y } of points) if (y !== null && y > most) most = y;
  return most;
};

function range(points: readonly Point[], tell: (value: number) => string): string {
  const known = points.flatMap(({ y }) => (y === null ? [] : [y]));
  if (known.length === 0) return 'nothing known';
  const [low, high] = [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))];
  return tell(low) === tell(high) ? tell(low) : `${tell(low)} to ${tell(high)}`;
}

const axisNumber = (value: number): string => String(Number(value.toPrecision(3)));

const axisLatency = (ms: number): string => (ms >= 1_000 ? `${axisNumber(ms / 1_000)} s` : `${axisNumber(ms)} ms`);

/** `0.01`, `1`, `240`; larger ones need no digits. */
export function evidenceText(value: number): string {
  if (value >= 1e4) return '>10,000';
  if (value >= 100) return String(Math.round(value));
  return value < 0.001 ? '<0.001' : String(Number(value.toPrecision(2)));
}

/** What the script tells under the pointer, by moments: texts, because it shall not need to know how numbers are written. */
function told(figures: readonly Figure[], { from, to }: LegSeries) {
  const count = Math.min(TOLD, to - from);
  const moments = Array.from({ length: count }, (_, index) => Math.floor(from + ((index + 0.5) * (to - from)) / count));
  return {
    from,
    to,
    times: moments.map((moment) => clock(moment)),
    values: figures.flatMap(({ series, tell }) => series.map(({ points }) => textsAt(points, moments, tell))),
  };
}

/** Texts that are the same as the one before are told as 0: most are. */
function textsAt(points: readonly Point[], moments: readonly number[], tell: (value: number) => string) {
  let [at, before] = [0, ''];
  return moments.map((moment) => {
    while ((points[at + 1]?.x ?? Infinity) <= moment) at += 1;
    const y = points[at]?.y ?? null;
    const text = y === null ? '–' : tell(y);
    if (text === before) return 0;
    before = text;
    return text;
  });
}
