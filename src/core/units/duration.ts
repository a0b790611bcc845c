import { expected, parsed, type Parsed } from './parsed.ts';
import type { DurationMs } from './quantities.ts';

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const;

const WORDS: readonly (readonly [pattern: RegExp, unit: string])[] = [
  [/^(d|days?)$/i, 'd'],
  [/^(h|hrs?|hours?)$/i, 'h'],
  [/^(m|mins?|minutes?)$/i, 'm'],
  [/^(s|secs?|seconds?)$/i, 's'],
  [/^(ms|msecs?|millis|milliseconds?)$/i, 'ms'],
];

const EXPECTED = 'a duration with its unit, such as "500ms", "30s", "5m" or "1h30m"';

/**
 * Reads a duration: numbers with the units `ms`, `s`, `m`, `h` and `d`, larger units first, each at most once
 * ("30s", "1h30m", "1.5s"). A bare number is refused, because nobody can tell seconds from milliseconds.
 */
export function parseDuration(input: unknown): Parsed<DurationMs> {
  if (typeof input === 'number') return expected(EXPECTED, suggestFor(String(input), usualUnit(input)));
  if (typeof input !== 'string') return expected(EXPECTED);
  const total = totalOf(input);
  if (total === null) return expected(EXPECTED, suggest(input));
  return parsed(total as DurationMs);
}

/** Writes a duration of whole milliseconds so that {@link parseDuration} reads the same value back: "1h30m", "0s". */
export function formatDuration(durationMs: number): string {
  let rest = Math.max(0, Math.round(durationMs));
  let text = '';
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text === '' ? '0s' : text;
}

function totalOf(text: string): number | null {
  if (!/^(\d{1,12}(\.\d{1,6})?(ms|s|m|h|d))+$/.test(text)) return null;
  let total = 0;
  let position = -1;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    const index = UNITS.findIndex(([name]) => name === unit);
    const size = UNITS[index]?.[1];
    if (size === undefined || index <= position) return null;
    position = index;
    total += Number(amount) * size;
  }
  const rounded = Math.round(total);
  return Number.isSafeInteger(rounded) ? rounded : null;
}

function suggest(text: string): string | null {
  const parts = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text);
  if (parts === null) return null;
  const [, amount = '', word = ''] = parts;
  if (word === '') return suggestFor(amount, usualUnit(Number(amount)));
  const unit = WORDS.find(([pattern]) => pattern.test(word))?.[1];
  return unit === undefined ? null : suggestFor(amount, unit);
}

// Nobody writes 5000 and means more than an hour.
const usualUnit = (amount: number): string => (amount >= 100 ? 'ms' : 's');

function suggestFor(amount: string, unit: string): string | null {
  const text = `${amount}${unit}`;
  return totalOf(text) === null ? null : text;
}
