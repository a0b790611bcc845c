import { median } from '../gateway/measure.ts';

/** What a process used at a time. */
export interface MemorySample {
  /** Seconds since the beginning. */
  readonly at: number;
  /** Bytes. */
  readonly rss: number;
}

export interface Trend {
  /** Bytes, median. */
  readonly median: number;
  readonly least: number;
  readonly most: number;
  /** Bytes that it grew from the first to the last sample, by the slope. */
  readonly growth: number;
  /** The most growth that counts as flat. */
  readonly bound: number;
  readonly flat: boolean;
}

/** Growth that is none: a tenth of what is used, or 16 MiB where that is more, which a garbage collector needs to breathe. */
const flatShare = 0.1;
const flatLeast = 16 * 2 ** 20;

/**
 * Whether memory grows. The slope is the median of the slopes between all pairs of samples (Theil and Sen), so that a
 * single peak before a garbage collection does not make one.
 *
 * @throws RangeError for less than 10 samples
 */
export function trendOf(samples: readonly MemorySample[]): Trend {
  if (samples.length < 10) throw new RangeError(`${samples.length} samples of memory are too few for a trend`);
  const slopes: number[] = [];
  for (const [index, from] of samples.entries()) {
    for (const to of samples.slice(index + 1))
      if (to.at > from.at) slopes.push((to.rss - from.rss) / (to.at - from.at));
  }
  const sizes = samples.map(({ rss }) => rss);
  const seconds = (samples.at(-1)?.at ?? 0) - (samples[0]?.at ?? 0);
  const growth = median(slopes) * seconds;
  const bound = Math.max(flatShare * median(sizes), flatLeast);
  return {
    median: median(sizes),
    least: Math.min(...sizes),
    most: Math.max(...sizes),
    growth,
    bound,
    flat: growth <= bound,
  };
}
