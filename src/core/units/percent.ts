import { expected, parsed, type Parsed } from './parsed.ts';
import type { Percent } from './quantities.ts';

const EXPECTED = 'a percentage between 0 and 100, such as 5 or "5%"';

/** Reads a percentage: a number of percent (5) or the same as text ("5%"). Not a fraction: 0.5 is half a percent. */
export function parsePercent(input: unknown): Parsed<Percent> {
  if (typeof input === 'number') return inRange(input);
  if (typeof input !== 'string') return expected(EXPECTED);
  if (/^\d{1,3}(\.\d{1,6})?%$/.test(input)) return inRange(Number(input.slice(0, -1)));
  const bare = /^\s*(\d{1,3}(?:\.\d{1,6})?)\s*%?\s*$/.exec(input)?.[1];
  return expected(EXPECTED, bare !== undefined && Number(bare) <= 100 ? `${bare}%` : null);
}

/** Writes a percentage as "5%". */
export function formatPercent(percent: number): string {
  return `${percent}%`;
}

function inRange(value: number): Parsed<Percent> {
  if (Number.isFinite(value) && value >= 0 && value <= 100) return parsed((value === 0 ? 0 : value) as Percent);
  return expected(EXPECTED);
}
