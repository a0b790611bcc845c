import { unescapeLabel } from '../../../core/metric-selector.ts';

/** One line of an exposition. */
export interface ExportedSample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

export type Exposition =
  | { readonly ok: true; readonly samples: readonly ExportedSample[] }
  /** Counted from 1. */
  | { readonly ok: false; readonly line: number };

const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL = /[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"([^"\\]*(?:\\[^][^"\\]*)*)"[ \t]*/y;
/** Value and timestamp; the exemplar of OpenMetrics follows. */
const VALUE = /[ \t]*([^ \t#]+)(?:[ \t]+([^ \t#]+))?[ \t]*/y;
const EXEMPLAR = /# */y;
const FLOAT = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;

/**
 * Reads Prometheus' text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/) and what OpenMetrics 1.0 adds to it:
 * exemplars, timestamps with a fraction, and `# EOF`, behind which nothing may follow. One line that is neither makes the whole unusable,
 * as for Prometheus: half an exposition would be counters that stand still.
 */
export function parseExposition(text: string): Exposition {
  const samples: ExportedSample[] = [];
  let line = 0;
  let ended = false;
  for (const raw of text.split('\n')) {
    line += 1;
    const content = raw.trim();
    if (content === '') continue;
    if (ended) return { ok: false, line };
    if (content.startsWith('#')) {
      ended = content === '# EOF';
      continue;
    }
    const sample = parseSample(content);
    if (sample === null) return { ok: false, line };
    samples.push(sample);
  }
  return { ok: true, samples };
}

function parseSample(line: string): ExportedSample | null {
  NAME.lastIndex = 0;
  const name = NAME.exec(line)?.[0];
  if (name === undefined) return null;
  const labels = parseLabels(line, NAME.lastIndex);
  if (labels === null) return null;
  // Without labels a blank must be between name and value.
  if (labels.end === NAME.lastIndex && !/[ \t]/.test(line.charAt(labels.end))) return null;
  const value = parseValue(line, labels.end);
  if (value === null) return null;
  if (value.end === line.length) return { name, labels: labels.labels, value: value.value };
  EXEMPLAR.lastIndex = value.end;
  if (EXEMPLAR.exec(line) === null || line.charAt(EXEMPLAR.lastIndex) !== '{') return null;
  const exemplar = parseLabels(line, EXEMPLAR.lastIndex);
  if (exemplar === null || parseValue(line, exemplar.end)?.end !== line.length) return null;
  return { name, labels: labels.labels, value: value.value };
}

interface Labels {
  readonly labels: ReadonlyMap<string, string>;
  /** Index behind them. */
  readonly end: number;
}

/** Labels that begin here, or none. */
function parseLabels(line: string, start: number): Labels | null {
  const open = /[ \t]*\{[ \t]*/y;
  open.lastIndex = start;
  if (open.exec(line) === null) return { labels: new Map(), end: start };
  const labels = new Map<string, string>();
  let index = open.lastIndex;
  while (line.charAt(index) !== '}') {
    LABEL.lastIndex = index;
    const match = LABEL.exec(line);
    if (match === null) return null;
    const [whole, label = '', value = ''] = match;
    if (labels.has(label)) return null;
    labels.set(label, unescapeLabel(value));
    index += whole.length;
    if (line.charAt(index) === ',') index += 1;
    else if (line.charAt(index) !== '}') return null;
    while (/[ \t]/.test(line.charAt(index))) index += 1;
  }
  return { labels, end: index + 1 };
}

function parseValue(line: string, start: number): { readonly value: number; readonly end: number } | null {
  VALUE.lastIndex = start;
  const match = VALUE.exec(line);
  if (match === null) return null;
  const [whole, text = '', timestamp] = match;
  const value = parseFloatOf(text);
  if (value === null || (timestamp !== undefined && !FLOAT.test(timestamp))) return null;
  return { value, end: start + whole.length };
}

/** A number as Go's ParseFloat reads one, without its hexadecimal forms; null when it is none. */
function parseFloatOf(text: string): number | null {
  if (FLOAT.test(text)) return Number(text);
  const special = /^([+-]?)(?:(inf|infinity)|nan)$/i.exec(text);
  if (special === null) return null;
  if (special[2] === undefined) return Number.NaN;
  return special[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
