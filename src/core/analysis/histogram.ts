import type { LatencyCounts } from '../traffic.ts';

// Log-linear buckets as in HdrHistogram (http://hdrhistogram.org), cut for 100 us as the finest unit: bucket 0 is
// [0, 1) units, then every octave [2^k, 2^(k+1)) is cut into 32 equal parts. The relative width is at most 1/32.

/** A unit is 100 us. */
const unitsPerMs = 10;
const bucketsPerOctave = 32;
const octaves = 32;

/** The last bucket; it also takes everything slower (some five days). */
export const maxBucket = bucketsPerOctave * octaves;

/**
 * The bucket of a latency. Negative and non-finite values cannot be measured and count as 0 and as the last bucket.
 *
 * @param latencyMs milliseconds
 */
export function bucketOf(latencyMs: number): number {
  const units = latencyMs * unitsPerMs;
  if (!(units >= 1)) return 0;
  if (units >= 2 ** octaves) return maxBucket;
  const octave = 31 - Math.clz32(Math.floor(units));
  const within = Math.floor((units / 2 ** octave - 1) * bucketsPerOctave);
  return 1 + octave * bucketsPerOctave + within;
}

/** Lower bound (inclusive) and upper bound (exclusive) of a bucket in milliseconds. */
export function boundsOf(bucket: number): { readonly fromMs: number; readonly toMs: number } {
  return { fromMs: lowerBoundMs(bucket), toMs: lowerBoundMs(bucket + 1) };
}

function lowerBoundMs(bucket: number): number {
  if (bucket <= 0) return 0;
  const octave = Math.floor((bucket - 1) / bucketsPerOctave);
  const within = (bucket - 1) % bucketsPerOctave;
  return (2 ** octave * (1 + within / bucketsPerOctave)) / unitsPerMs;
}

/** Adds up any number of counts. */
export function mergeLatencies(all: Iterable<LatencyCounts>): LatencyCounts {
  const sums = new Float64Array(maxBucket + 1);
  let first = sums.length;
  let last = -1;
  for (const counts of all) {
    for (let index = 0; index < counts.length; index += 1) {
      const entry = counts[index];
      if (entry === undefined) continue;
      const bucket = Math.min(Math.max(entry[0], 0), maxBucket);
      sums[bucket] = (sums[bucket] ?? 0) + entry[1];
      if (bucket < first) first = bucket;
      if (bucket > last) last = bucket;
    }
  }
  const merged: [number, number][] = [];
  for (let bucket = first; bucket <= last; bucket += 1) {
    const count = sums[bucket] ?? 0;
    if (count !== 0) merged.push([bucket, count]);
  }
  return merged;
}

/** How many latencies are counted. */
export function totalCount(counts: LatencyCounts): number {
  let total = 0;
  for (let index = 0; index < counts.length; index += 1) total += counts[index]?.[1] ?? 0;
  return total;
}

/** How many are in a bucket or above it. */
export function countFrom(counts: LatencyCounts, bucket: number): number {
  let above = 0;
  for (let index = counts.length - 1; index >= 0; index -= 1) {
    const entry = counts[index];
    if (entry === undefined || entry[0] < bucket) break;
    above += entry[1];
  }
  return above;
}

/** The first bucket that begins at a latency or above it. */
export function bucketFrom(latencyMs: number): number {
  const bucket = bucketOf(latencyMs);
  return lowerBoundMs(bucket) >= latencyMs ? bucket : bucket + 1;
}

/**
 * The latency that at least the share `q` of all is not above, in milliseconds: the middle of the bucket that holds
 * that rank, so at most 1.6 % (and 50 us) from the exact order statistic. Null when nothing was counted.
 *
 * @param q from 0 to 1; 0.99 is the p99
 */
export function quantile(counts: LatencyCounts, q: number): number | null {
  const total = totalCount(counts);
  if (total === 0) return null;
  const { fromMs, toMs } = boundsOf(bucketHolding(counts, q, total));
  return (fromMs + toMs) / 2;
}

/** The bucket that holds the quantile `q`, from 0 to 1. @param total how many are counted, at least 1 */
export function bucketHolding(counts: LatencyCounts, q: number, total: number): number {
  const rank = Math.min(total, Math.max(1, Math.ceil(q * total)));
  let seen = 0;
  let last = 0;
  for (const [bucket, count] of counts) {
    seen += count;
    last = bucket;
    if (seen >= rank) break;
  }
  return last;
}

/**
 * How many latencies are surely above a threshold: those in buckets that begin at or above it. A latency that shares a
 * bucket with the threshold is not counted, so the threshold that is really tested is at most 3.2 % higher.
 *
 * @param thresholdMs milliseconds
 */
export const countAbove = (counts: LatencyCounts, thresholdMs: number): number =>
  countFrom(counts, bucketFrom(thresholdMs));
