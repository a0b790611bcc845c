import { expected, parsed, type Parsed } from './units/parsed.ts';

/** Series of an exported metric: those of this name whose labels are as wanted. */
export interface MetricSelector {
  readonly name: string;
  readonly labels: readonly LabelMatch[];
}

export interface LabelMatch {
  readonly label: string;
  /** A label that a series does not have is an empty one. */
  readonly value: string;
  /** False: anything but this value. */
  readonly equal: boolean;
}

const EXPECTED =
  'the name of a metric, with labels or without, such as `payments_total` or `payments_total{result="declined"}`';

const NAME = /\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*/y;
const MATCH = /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\\n]|\\[\\"n])*)"\s*/y;

/**
 * Reads a selector, which is written as in PromQL (https://prometheus.io/docs/prometheus/latest/querying/basics/), but for matches by regular
 * expression: what a selector may cost is known beforehand.
 */
export function parseMetricSelector(text: string): Parsed<MetricSelector> {
  NAME.lastIndex = 0;
  const name = NAME.exec(text)?.[1];
  if (name === undefined) return expected(EXPECTED);
  let index = NAME.lastIndex;
  if (index === text.length) return parsed({ name, labels: [] });
  if (text.charAt(index) !== '{') return expected(EXPECTED);
  index += 1;
  const labels: LabelMatch[] = [];
  while (!isEnd(text, index)) {
    MATCH.lastIndex = index;
    const match = MATCH.exec(text);
    if (match === null) return expected(EXPECTED);
    const [whole, label = '', operator, value = ''] = match;
    if (operator === '=~' || operator === '!~') return expected(`${EXPECTED}; labels are matched by = and != only`);
    labels.push({ label, value: unescapeLabel(value), equal: operator === '=' });
    index += whole.length;
    if (text.charAt(index) === ',') index += 1;
    else if (!isEnd(text, index)) return expected(EXPECTED);
  }
  return parsed({ name, labels });
}

/** A label's value as it is meant: `\\`, `\"` and `\n` are escapes, any other backslash is itself. */
export const unescapeLabel = (text: string): string =>
  text.includes('\\') ? text.replaceAll(/\\([\\"n])/g, (_, char: string) => (char === 'n' ? '\n' : char)) : text;

const isEnd = (text: string, index: number): boolean => /^\s*\}\s*$/.test(text.slice(index));
