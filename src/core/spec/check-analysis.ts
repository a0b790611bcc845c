import { parseMetricSelector } from '../metric-selector.ts';
import { formatPercent } from '../units/percent.ts';
import { oneOf } from './issues.ts';
import { describe, mistake, type Mistake, type MistakePath } from './mistake.ts';
import { isLimited, METRIC_WEIGHT, writtenSettings } from './resolve-analysis.ts';
import type { DeclaredAnalysis, DeclaredJourney, DeclaredMetric } from './schema-analysis.ts';

type Settings = ReturnType<typeof writtenSettings>;
type CountedMetric = Extract<DeclaredMetric, { from: 'prometheus' | 'exported' }>;

/** Percent of the evidence that metrics may have together: the rest is for errors and latency. */
const MOST_WEIGHT = 90;
const MOST_ENTRIES = 20;
const NAME = /^[A-Za-z](?:[A-Za-z0-9 _.-]{0,38}[A-Za-z0-9])?$/;

/** Checks an analysis against itself: shares that mean something, metrics that can be asked for and judged, journeys that can be run. */
export function checkAnalysis(declared: DeclaredAnalysis | undefined, path: MistakePath): Mistake[] {
  const settings = writtenSettings(declared);
  return [
    ...checkShares(settings, path),
    ...checkMetrics(settings, [...path, 'metrics']),
    ...checkJourneys(settings, [...path, 'journeys']),
  ];
}

function checkShares(settings: Settings, path: MistakePath): Mistake[] {
  const mistakes: Mistake[] = [];
  for (const key of ['falseAlarms', 'falsePasses'] as const) {
    const percent = settings[key];
    if (percent === undefined || (percent > 0 && percent <= 50)) continue;
    mistakes.push(
      mistake({ path: [...path, key], expected: 'more than 0 and at most 50 %', got: formatPercent(percent) }),
    );
  }
  if (settings.margin === 0) {
    mistakes.push(
      mistake({
        path: [...path, 'margin'],
        expected: 'more than 0, because no count of requests shows that errors are not more at all',
        got: formatPercent(0),
      }),
    );
  }
  return mistakes;
}

function checkMetrics(settings: Settings, path: MistakePath): Mistake[] {
  const metrics = Object.entries(settings.metrics ?? {});
  const mistakes = [...checkCount(metrics.length, 'metrics', path)];
  for (const [name, metric] of metrics) {
    const at = [...path, name];
    mistakes.push(...checkName(name, 'a metric', at), ...checkMetric(metric, at));
  }
  const weights = metrics.map(([, metric]) => weightOf(metric));
  const sum = Math.round(weights.reduce((all, weight) => all + weight, 0) * 1e6) / 1e6;
  if (sum > MOST_WEIGHT) {
    mistakes.push(
      mistake({
        path,
        expected: `weights of at most ${formatPercent(MOST_WEIGHT)} together, because the rest is for errors and latency (one that is left out is ${formatPercent(METRIC_WEIGHT)})`,
        got: formatPercent(sum),
      }),
    );
  }
  return mistakes;
}

const weightOf = (metric: DeclaredMetric): number => {
  if (metric.from === 'webhook' || (metric.from !== 'client-errors' && isLimited(metric))) return 0;
  return metric.weight ?? METRIC_WEIGHT;
};

function checkMetric(metric: DeclaredMetric, path: MistakePath): Mistake[] {
  if (metric.from === 'webhook') return [];
  const mistakes: Mistake[] = [];
  if (metric.weight === 0) {
    mistakes.push(
      mistake({
        path: [...path, 'weight'],
        expected: 'more than 0, because no evidence is no metric',
        got: formatPercent(0),
      }),
    );
  }
  if (metric.from === 'client-errors') return mistakes;
  const asked = metric.from === 'command' ? [] : [...checkQueries(metric, path), ...checkSelectors(metric, path)];
  return [...mistakes, ...asked, ...(isLimited(metric) ? checkLimits(metric, path) : checkCompared(metric, path))];
}

/** Either something is counted, or a value has limits. */
function checkQueries({ events, total, value }: CountedMetric, path: MistakePath): Mistake[] {
  if (events === undefined && value === undefined)
    return [
      mistake({
        path: [...path, 'events'],
        expected: '`events` that are counted, or a `value` with `min` or `max`',
        got: 'nothing',
      }),
    ];
  if (value === undefined) return [];
  return (['events', 'total'] as const).flatMap((key) => {
    const query = { events, total }[key];
    if (query === undefined) return [];
    return [
      mistake({
        path: [...path, key],
        expected: `no \`${key}\` beside \`value\`, which has limits`,
        got: describe(query),
      }),
    ];
  });
}

/** What instances export is chosen by name and labels; a Prometheus understands more than we do. */
function checkSelectors(metric: CountedMetric, path: MistakePath): Mistake[] {
  if (metric.from !== 'exported') return [];
  return (['events', 'total', 'value'] as const).flatMap((key) => {
    const text = metric[key];
    const selector = text === undefined ? null : parseMetricSelector(text);
    if (selector === null || selector.ok) return [];
    return [mistake({ path: [...path, key], expected: selector.expected, got: describe(text) })];
  });
}

type Limited = Extract<DeclaredMetric, { from: 'prometheus' | 'exported' | 'command' }>;

function checkLimits(metric: Limited, path: MistakePath): Mistake[] {
  const { min, max } = metric;
  const mistakes: Mistake[] = [];
  if (metric.from !== 'command' && metric.value === undefined && metric.events !== undefined) {
    const key = min === undefined ? 'max' : 'min';
    mistakes.push(
      mistake({
        path: [...path, key],
        expected: `a \`value\` that has limits; \`events\` are counted, and compared with stable's`,
        got: `\`${key}\` beside \`events\``,
      }),
    );
    return mistakes;
  }
  if (min === undefined && max === undefined) {
    mistakes.push(
      mistake({ path: [...path, 'max'], expected: 'the limits of `value`: `min`, `max` or both', got: 'nothing' }),
    );
  } else if (min !== undefined && max !== undefined && min > max) {
    mistakes.push(mistake({ path: [...path, 'max'], expected: `at least the ${min} of \`min\``, got: String(max) }));
  }
  for (const key of ['better', 'weight', 'tolerance'] as const) {
    if (metric[key] === undefined || metric[key] === 0) continue;
    mistakes.push(
      mistake({
        path: [...path, key],
        expected: `no \`${key}\` beside limits, which are kept or not, and never compared`,
        got: describe(metric[key]),
      }),
    );
  }
  return mistakes;
}

function checkCompared(metric: Limited, path: MistakePath): Mistake[] {
  const mistakes: Mistake[] = [];
  if (metric.from !== 'command' && metric.total !== undefined && metric.better === 'more') {
    mistakes.push(
      mistake({
        path: [...path, 'better'],
        expected: '`fewer` of the events of a `total`: count those that did not go well',
        got: '"more"',
        suggestion: 'fewer',
      }),
    );
  }
  if (metric.times !== undefined) {
    mistakes.push(
      mistake({
        path: [...path, 'times'],
        expected: 'no `times` without `min` or `max`, because what is compared has no limit to break',
        got: String(metric.times),
      }),
    );
  }
  return mistakes;
}

function checkJourneys(settings: Settings, path: MistakePath): Mistake[] {
  const journeys = Object.entries(settings.journeys ?? {});
  return [
    ...checkCount(journeys.length, 'journeys', path),
    ...journeys.flatMap(([name, journey]) => [
      ...checkName(name, 'a journey', [...path, name]),
      ...journey.steps.flatMap((step, index) => checkStep(step, [...path, name, 'steps', index])),
    ]),
  ];
}

/** What a journey cannot say of its requests itself. */
const NOT_TO_SEND = /^(?:host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|content-length|x-veza-.*)$/;

function checkStep(step: DeclaredJourney['steps'][number], path: MistakePath): Mistake[] {
  if (typeof step === 'string') return [];
  const mistakes: Mistake[] = [];
  if (step.send !== undefined && (step.method === undefined || step.method === 'GET' || step.method === 'HEAD')) {
    mistakes.push(
      mistake({
        path: [...path, 'send'],
        expected: 'a `method` that sends something, such as POST',
        got: `\`send\` with ${step.method ?? 'GET'}`,
      }),
    );
  }
  for (const [name, value] of Object.entries(step.headers ?? {})) {
    const at = [...path, 'headers', name];
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/.test(name))
      mistakes.push(mistake({ path: at, expected: 'the name of a header, such as "accept"', got: describe(name) }));
    else if (NOT_TO_SEND.test(name.toLowerCase()))
      mistakes.push(
        mistake({
          path: at,
          expected: 'a header of the request; this one is set by whoever sends it',
          got: describe(name),
        }),
      );
    else if (!/^[\t -~]*$/.test(value))
      mistakes.push(
        mistake({ path: at, expected: 'a text of visible ASCII characters and blanks', got: 'another text' }),
      );
  }
  return mistakes;
}

/** Names that mean something of their own in what is told about a verdict. */
const TAKEN = ['errors', 'journeys', 'mirror'];

function checkName(name: string, what: string, path: MistakePath): Mistake[] {
  if (!NAME.test(name))
    return [
      mistake({
        path,
        expected: `the name of ${what}: letters, digits, blanks, \`-\`, \`_\` and \`.\`, a letter first, at most 40 characters`,
        got: describe(name),
      }),
    ];
  if (!TAKEN.includes(name.toLowerCase()) && !name.toLowerCase().startsWith('latency')) return [];
  return [
    mistake({
      path,
      expected: `a name other than ${oneOf([...TAKEN, 'latency …'])}, which mean something already`,
      got: describe(name),
    }),
  ];
}

const checkCount = (length: number, what: string, path: MistakePath): Mistake[] =>
  length <= MOST_ENTRIES ? [] : [mistake({ path, expected: `at most ${MOST_ENTRIES} ${what}`, got: String(length) })];
