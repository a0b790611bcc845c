import type { LegExplanationView } from '../../api/explanation-schemas.ts';
import { clockText, countText, durationText, latencyText, percentText, plural, shortRelease } from './numbers.ts';
import { cut, padEnd, padStart, paint, sign, type Style, widthOf, wrap } from './style.ts';
import { table } from './table.ts';

export interface ExplanationContext {
  readonly style: Style;
  /** UTC milliseconds. */
  readonly now: number;
  /** What is said above already. */
  readonly said?: string;
}

type Finding = NonNullable<LegExplanationView['kept']>['attribution']['routes'][number];

const MOST_ROUTES = 8;
const MOST_SUSPECTED = 3;
/** E-value of one route alone, as if nobody had looked at the others. */
const REMARKABLE = 20;
const MOST_COMMITS = 10;
const MOST_KEYS = 15;
const BAR = 12;

/** Why a leg was judged as it was, on as many lines as it takes. */
export function explanationLines(leg: LegExplanationView, context: ExplanationContext): readonly string[] {
  const { style } = context;
  const parts: readonly (readonly string[])[] = [
    [...verdictLines(leg, context), ...metricLines(leg, style), ...ratioLines(leg, style)],
    routeLines(leg, style),
    failureLines(leg, context),
    logLines(leg, context),
    changeLines(leg, style),
    leg.notes.flatMap((note) => wrapped(paint(style, 'yellow', sign(style, 'warning')), note, style)),
  ];
  return parts
    .filter((lines) => lines.length > 0)
    .flatMap((lines, index) => (index === 0 ? lines : ['', ...lines]))
    .map((line) => cut(style, line));
}

const heading = (style: Style, text: string): string => `  ${paint(style, 'bold', text)}`;

/** A sentence behind a mark, its further lines below its first. */
function wrapped(mark: string, text: string, style: Style): readonly string[] {
  const indent = ' '.repeat(widthOf(mark) + 3);
  return wrap(text, Math.max(30, style.width - indent.length)).map((line, index) =>
    index === 0 ? `  ${mark} ${line}` : `${indent}${line}`,
  );
}

const MARKS = { worse: ['failed', 'red'], 'not-worse': ['done', 'green'], undecided: ['active', 'yellow'] } as const;

const RULES = {
  comparison: 'compared with stable',
  past: "compared with stable's last hour",
  limits: 'by its hard limits',
  breaker: 'by the breaker of the first seconds',
  mirror: 'by its answers to copies',
  'metric-limit': 'by the limits of a metric',
} as const;

function verdictLines(leg: LegExplanationView, { style, now, said = '' }: ExplanationContext): readonly string[] {
  const [mark, colour] = MARKS[leg.verdict];
  const painted = paint(style, colour, sign(style, mark));
  if (leg.summary === null) return wrapped(painted, `${leg.service}: nothing was compared`, style);
  const lines = [...wrapped(painted, verdictText(leg, said), style)];
  const worseAt = leg.kept?.worseAt ?? null;
  if (leg.verdict === 'worse' && leg.since !== null) {
    const certain =
      worseAt === null || worseAt <= leg.since ? '' : `, certain ${durationText(worseAt - leg.since)} later`;
    lines.push(`    worse since ${clockText(leg.since, now)}${certain}`);
  }
  if (leg.kept !== null) {
    const { requests, errors, seconds } = leg.kept;
    lines.push(
      `    the candidate answered ${plural(requests, 'request')} in ${durationText(seconds * 1_000)}, ${errors === 0 ? 'none' : countText(errors)} of them failed`,
    );
  }
  return lines;
}

function verdictText({ service, verdict, rule, summary }: LegExplanationView, said: string): string {
  const head = `${service}: ${verdict}${rule === null ? '' : `, ${RULES[rule]}`}`;
  return summary === null || said.includes(summary) ? head : `${head}: ${summary}`;
}

/** The e-value against what it takes, both by their logarithm: each further column is as many times more evidence. */
function bar(worse: number, needed: number, style: Style): string {
  const share = worse <= 1 ? 0 : Math.min(1, Math.log(worse) / Math.log(needed));
  const filled = Math.min(worse >= needed ? BAR : BAR - 1, Math.round(share * BAR));
  const text = sign(style, 'full').repeat(filled) + sign(style, 'empty').repeat(BAR - filled);
  return worse >= needed ? paint(style, 'red', text) : text;
}

/** `0.8`, `14`, `730,000`, `7.3e12` */
export function evidenceText(value: number): string {
  if (value >= 1e6) return value.toExponential(1).replace('e+', 'e');
  return value < 10 ? String(Number(value.toPrecision(2))) : countText(value);
}

function metricLines(leg: LegExplanationView, style: Style): readonly string[] {
  if (leg.metrics.length === 0) return [];
  const totals = ({ events, total }: { readonly events: number; readonly total: number }): string =>
    total === 0 ? '-' : `${countText(events)}/${countText(total)} ${percentText((100 * events) / total)}`;
  const compared = leg.metrics.filter(({ candidate, stable }) => candidate.total > 0 || stable.total > 0);
  const rows = compared.map(({ metric, worse, needed, candidate, stable }) => [
    metric,
    totals(candidate),
    totals(stable),
    bar(worse, needed, style),
    `${evidenceText(worse)} of ${evidenceText(needed)}`,
  ]);
  if (leg.worse !== null && leg.threshold !== null)
    rows.push([
      'together',
      '',
      '',
      bar(leg.worse, leg.threshold, style),
      `${evidenceText(leg.worse)} of ${evidenceText(leg.threshold)}`,
    ]);
  const columns = [
    { title: 'METRIC' },
    { title: 'CANDIDATE', align: 'right' as const },
    { title: 'STABLE', align: 'right' as const },
    { title: 'EVIDENCE', optional: 1 },
    { title: '', align: 'right' as const },
  ];
  return table({ ...style, width: style.width - 4 }, columns, rows).map((line) => `    ${line}`);
}

const ratioText = (ratio: number): string => (ratio < 10 ? String(Number(ratio.toPrecision(2))) : countText(ratio));

function ratioLines({ ratio, metric }: LegExplanationView, style: Style): readonly string[] {
  if (ratio === null || metric === null) return [];
  const { estimate, low, high, alpha } = ratio;
  const level = `${Number((100 * (1 - alpha)).toPrecision(6))} %`;
  const range = high === null ? `at least ${ratioText(low)}` : `${ratioText(low)} to ${ratioText(high)}`;
  const times = estimate === null ? '' : `${ratioText(estimate)} times stable's share, `;
  return wrapped(' ', `${metric}: ${times}${range} with ${level} confidence`, style);
}

function routeLines({ kept, verdict }: LegExplanationView, style: Style): readonly string[] {
  if (kept === null) return [];
  const { routes, counted, tested } = kept.attribution;
  if (!counted) return verdict === 'worse' ? ['  Requests were not counted by route.'] : [];
  const found = routes.filter(({ certainty }) => certainty === 'found');
  const suspected = routes.filter(({ certainty }) => certainty === 'suspected');
  // Beside a route that is found only what would be remarkable by itself is worth a look; and nobody is to be suspected for nothing.
  const doubted =
    found.length === 0
      ? suspected.slice(0, MOST_SUSPECTED)
      : suspected.filter(({ evidence, kind }) => kind === 'differs' || (evidence ?? 0) >= REMARKABLE);
  const shown = verdict === 'worse' ? [...found, ...doubted] : found;
  if (shown.length === 0)
    return verdict === 'worse' ? [`  No route stands out among ${countText(tested)} comparisons.`] : [];
  const more = shown.length - MOST_ROUTES;
  return [
    heading(style, 'Routes'),
    ...shown.slice(0, MOST_ROUTES).flatMap((finding) => findingLines(finding, style)),
    ...(more > 0 ? [`    and ${more} more (--json)`] : []),
  ];
}

function findingLines(finding: Finding, style: Style): readonly string[] {
  const { certainty, route, kind, candidate, stable, excess, low, high, slowerThanMs } = finding;
  const isFound = certainty === 'found';
  const mark = isFound ? paint(style, 'red', sign(style, 'failed')) : paint(style, 'yellow', '?');
  const statuses = Object.entries(finding.statuses).map(
    ([status, count]) => `${status} ${times(style)}${countText(count)}`,
  );
  const what =
    kind === 'slow'
      ? `slower than ${latencyText(slowerThanMs)}`
      : kind === 'differs'
        ? "answered otherwise than stable's"
        : statuses.join(', ');
  const share = ({ events, total }: Finding['candidate']): string =>
    `${countText(events)} of ${countText(total)}${total === 0 ? '' : ` (${percentText((100 * events) / total)})`}`;
  const range = `${countText(Math.max(0, low))} to ${countText(high)}`;
  const size =
    kind === 'differs'
      ? `${share(candidate)} copies`
      : `${share(candidate)}, stable ${share(stable)}; ${countText(excess)} too many, ${range}`;
  const doubt = isFound ? '' : 'suspected: ';
  return [
    `  ${mark} ${isFound ? paint(style, 'bold', cut({ ...style, width: style.width - 4 }, route)) : route}`,
    ...wrap(`${doubt}${what}${what === '' ? '' : '; '}${size}`, Math.max(30, style.width - 6)).map(
      (line) => `      ${line}`,
    ),
  ];
}

const times = (style: Style): string => (style.unicode ? '×' : 'x');

const statusText = (status: number): string => (status === 0 ? 'lost' : String(status));

function failureLines({ kept }: LegExplanationView, { style, now }: ExplanationContext): readonly string[] {
  if (kept === null || kept.failures.length === 0) return [];
  return [
    heading(style, 'Some failed requests'),
    ...kept.failures.flatMap(({ at, route, status, latencyMs, traceId, requestId }) => {
      const id = traceId !== null ? `trace ${traceId}` : requestId !== null ? `request ${requestId}` : null;
      const line = `    ${paint(style, 'dim', clockText(at, now))} ${padEnd(statusText(status), 4)} ${padStart(latencyText(latencyMs), 6)}  ${route}`;
      if (id === null) return [line];
      // An identifier that is cut is of no use.
      const fits = widthOf(line) + 2 + widthOf(id) <= style.width;
      return fits ? [`${line}  ${paint(style, 'dim', id)}`] : [line, `${' '.repeat(13)}${paint(style, 'dim', id)}`];
    }),
  ];
}

function logLines({ logs }: LegExplanationView, { style, now }: ExplanationContext): readonly string[] {
  if (logs.length === 0) return [];
  return [
    heading(style, 'Log of the candidate'),
    ...logs.flatMap(({ time, text, times: count, id }) => {
      const mark = id === null ? ' ' : paint(style, 'cyan', sign(style, 'dot'));
      const repeated = count === 1 ? '' : `${times(style)}${countText(count)} `;
      const head = `  ${mark} ${paint(style, 'dim', clockText(time, now))} `;
      const [first = '', ...rest] = wrap(`${repeated}${text}`, Math.max(30, style.width - widthOf(head)));
      return [`${head}${first}`, ...rest.slice(0, 2).map((line) => `${' '.repeat(widthOf(head))}${line}`)];
    }),
  ];
}

const KEY_MARKS = { added: '+', removed: '-', changed: '~' } as const;

function changeLines({ changes }: LegExplanationView, style: Style): readonly string[] {
  if (changes === null) return [];
  const { from, to, artifact, commits, configuration } = changes;
  const commitLine = (
    mark: string,
    { commit, subject }: { readonly commit: string; readonly subject: string },
  ): string => `    ${mark} ${paint(style, 'dim', commit.slice(0, 8))} ${subject}`;
  const history =
    commits === null
      ? [`    the project does not have both commits:`, commitLine('-', from), commitLine('+', to)]
      : [
          ...commits.added.slice(0, MOST_COMMITS).map((one) => commitLine('+', one)),
          ...commits.removed.slice(0, MOST_COMMITS).map((one) => commitLine('-', one)),
        ];
  const left = (commits?.added.length ?? 0) + (commits?.removed.length ?? 0) - history.length;
  const keys = configuration.slice(0, MOST_KEYS).map(({ key, kind, before, after, masked }) => {
    const values = masked
      ? '(not shown: it may be secret)'
      : [before, after].filter((value) => value !== null).join(` ${sign(style, 'arrow')} `);
    return `    ${KEY_MARKS[kind]} ${key} ${paint(style, 'dim', values)}`;
  });
  const same = artifact === 'same' ? '    the same artifact' : null;
  return [
    heading(style, `What changed, ${shortRelease(from.release)} ${sign(style, 'arrow')} ${shortRelease(to.release)}`),
    ...(same === null ? [] : [same]),
    ...(to.dirty ? ['    built from uncommitted changes'] : []),
    ...history,
    ...(commits !== null && left > 0 ? [`    and ${plural(left, 'more commit')}`] : []),
    ...keys,
    ...(configuration.length > MOST_KEYS
      ? [`    and ${plural(configuration.length - MOST_KEYS, 'more key')} (--json)`]
      : []),
    ...(history.length === 0 && keys.length === 0 && same === null
      ? ['    nothing in its source or configuration']
      : []),
  ];
}
