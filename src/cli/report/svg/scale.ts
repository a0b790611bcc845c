/** Maps values to pixels. */
export interface Scale {
  readonly at: (value: number) => number;
  readonly ticks: readonly Tick[];
}

export interface Tick {
  readonly value: number;
  readonly label: string;
}

/** Pixels from and to; for a vertical axis the first is the lower end. */
export type Span = readonly [from: number, to: number];

const round = (value: number): number => Math.round(value * 10) / 10;

const linear = (low: number, high: number, [from, to]: Span) => {
  const width = high - low || 1;
  return (value: number): number => round(from + ((Math.min(high, Math.max(low, value)) - low) / width) * (to - from));
};

/**
 * From zero to a round number at or above the largest value, with about `count` ticks of 1, 2 or 5 times a power of ten.
 *
 * @param least the axis reaches at least so far, whatever the values
 */
export function fromZero(largest: number, span: Span, format: (value: number) => string, least = 0, count = 4): Scale {
  const top = Math.max(largest, least) || 1;
  const step = roundStep(top / count);
  const high = Math.ceil(top / step - 1e-9) * step;
  const ticks = Array.from({ length: Math.round(high / step) + 1 }, (_, index) => index * step);
  return { at: linear(0, high, span), ticks: ticks.map((value) => ({ value, label: format(value) })) };
}

/** The smallest of 1, 2, 5 times a power of ten that is at least so large. */
export function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const times = [1, 2, 5, 10].find((factor) => factor * power >= least * (1 - 1e-9)) ?? 10;
  return times * power;
}

/** Powers of ten, as many apart as leave room for about `count` ticks. Values outside stand at the edge. */
export function logarithmic(
  low: number,
  high: number,
  span: Span,
  format: (value: number) => string,
  count = 6,
): Scale {
  const [from, to] = [Math.floor(Math.log10(low) + 1e-9), Math.ceil(Math.log10(high) - 1e-9)];
  const last = Math.max(to, from + 1);
  const every = Math.max(1, Math.ceil((last - from) / count));
  const ticks: Tick[] = [];
  // One is always among them.
  for (let power = from; power <= last; power += 1)
    if (power % every === 0) ticks.push({ value: 10 ** power, label: format(10 ** power) });
  const at = linear(from, last, span);
  return { at: (value) => at(value > 0 ? Math.log10(value) : from), ticks };
}

const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400] as const;

/**
 * Time of day, ticks at round times.
 *
 * @param from UTC seconds
 * @param count about so many ticks
 */
export function timeScale(from: number, to: number, span: Span, count: number): Scale {
  const end = Math.max(to, from + 1);
  const step =
    SECONDS.find((seconds) => (end - from) / seconds <= count) ?? 86_400 * Math.ceil((end - from) / 86_400 / count);
  const ticks: Tick[] = [];
  for (let value = Math.ceil(from / step) * step; value <= end; value += step)
    ticks.push({ value, label: clock(value, step < 60) });
  return { at: linear(from, end, span), ticks };
}

/** `14:03` or `14:03:20`, UTC. @param second UTC seconds */
export const clock = (second: number, withSeconds = true): string =>
  new Date(second * 1_000).toISOString().slice(11, withSeconds ? 19 : 16);
