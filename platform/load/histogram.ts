export interface Quantiles {
  /** Milliseconds; null when nothing was counted. */
  readonly p50: number | null;
  readonly p99: number | null;
  readonly max: number | null;
}

const least = 0.1;
const perOctave = 32;
const buckets = perOctave * 24;

/** Latency in logarithmic buckets, 32 an octave from 0.1 ms: a quantile is at most 2.2 % too high, and memory does not grow. */
export class Histogram {
  readonly #counts = new Uint32Array(buckets);
  #total = 0;
  #max = 0;

  record(ms: number): void {
    const bucket = Math.min(buckets - 1, Math.max(0, Math.ceil(Math.log2(Math.max(ms, least) / least) * perOctave)));
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#total += 1;
    this.#max = Math.max(this.#max, ms);
  }

  quantiles(): Quantiles {
    if (this.#total === 0) return { p50: null, p99: null, max: null };
    return { p50: this.#quantile(0.5), p99: this.#quantile(0.99), max: round(this.#max) };
  }

  #quantile(q: number): number {
    const rank = Math.ceil(q * this.#total);
    let seen = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count;
      if (seen >= rank) return round(Math.min(least * 2 ** (bucket / perOctave), this.#max));
    }
    return round(this.#max);
  }
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
