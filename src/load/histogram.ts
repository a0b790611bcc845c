export interface Quantiles {
  /** Milliseconds; null when nothing was counted. */
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  readonly max: number | null;
}

const unitMs = 0.1;
const perOctave = 32;
const octaves = 24;

/**
 * Latency counts in log-linear buckets, 32 an octave from 0.1 ms to over 20 minutes: a quantile is at most 3.2 % too high,
 * and memory does not grow (as in HdrHistogram).
 */
export class Histogram {
  readonly #counts = new Uint32Array(1 + perOctave * octaves);
  #total = 0;
  #max = 0;

  record(ms: number): void {
    this.#counts[bucketOf(ms)] = (this.#counts[bucketOf(ms)] ?? 0) + 1;
    this.#total += 1;
    this.#max = Math.max(this.#max, ms);
  }

  quantiles(): Quantiles {
    if (this.#total === 0) return { p50: null, p95: null, p99: null, max: null };
    return { p50: this.#quantile(0.5), p95: this.#quantile(0.95), p99: this.#quantile(0.99), max: round(this.#max) };
  }

  #quantile(q: number): number {
    const rank = Math.ceil(q * this.#total);
    let seen = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count;
      if (seen >= rank) return round(Math.min(upperEdgeMs(bucket), this.#max));
    }
    return round(this.#max);
  }
}

function bucketOf(ms: number): number {
  const units = ms / unitMs;
  if (units < 1) return 0;
  const octave = Math.min(octaves - 1, Math.floor(Math.log2(units)));
  const within = Math.min(perOctave - 1, Math.floor((units / 2 ** octave - 1) * perOctave));
  return 1 + octave * perOctave + within;
}

function upperEdgeMs(bucket: number): number {
  if (bucket === 0) return unitMs;
  const octave = Math.floor((bucket - 1) / perOctave);
  const within = (bucket - 1) % perOctave;
  return 2 ** octave * (1 + (within + 1) / perOctave) * unitMs;
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
