import { boundsOf, maxBucket } from '../../src/core/analysis/histogram.ts';
import type { LatencyCounts } from '../../src/core/traffic.ts';
import type { Random } from '../../src/sim/random.ts';

/**
 * Poisson numbers by inversion of a table, with a guide to where the search begins (Chen & Asau 1974, "On generating random
 * variates from an empirical distribution", AIIE Transactions 6): one uniform number and about one comparison a draw.
 */
export class PoissonTable {
  readonly #cumulative: Float64Array;
  readonly #guide: Uint16Array;

  /** @param mean at least 0; up to some hundreds, or the first term is no double any more */
  constructor(mean: number) {
    if (!(mean >= 0 && mean <= 600)) throw new RangeError(`no table for a mean of ${mean}`);
    const size = Math.ceil(mean + 12 * Math.sqrt(mean) + 20);
    this.#cumulative = new Float64Array(size);
    let term = Math.exp(-mean);
    let sum = 0;
    for (let value = 0; value < size; value += 1) {
      sum += term;
      this.#cumulative[value] = sum;
      term *= mean / (value + 1);
    }
    // What is left is rounding and a tail that is never drawn.
    this.#cumulative[size - 1] = 1;
    this.#guide = new Uint16Array(size);
    let value = 0;
    for (let at = 0; at < size; at += 1) {
      while ((this.#cumulative[value] ?? 1) < at / size) value += 1;
      this.#guide[at] = value;
    }
  }

  draw(random: Random): number {
    const uniform = random.next();
    let value = this.#guide[Math.floor(uniform * this.#guide.length)] ?? 0;
    while (uniform >= (this.#cumulative[value] ?? 1)) value += 1;
    return value;
  }
}

const tables = new Map<number, PoissonTable>();
/** Means that change every second would need a table each, for ever. */
const MOST_TABLES = 20_000;

/** One Poisson number. Tables are kept by their mean. */
export function poisson(mean: number, random: Random): number {
  if (mean <= 0) return 0;
  let table = tables.get(mean);
  if (table === undefined) {
    if (tables.size >= MOST_TABLES) tables.clear();
    table = new PoissonTable(mean);
    tables.set(mean, table);
  }
  return table.draw(random);
}

/** 1, 2, 3 …: a geometric number by inversion. */
export function geometric(mean: number, random: Random): number {
  if (mean <= 1) return 1;
  return 1 + Math.floor(Math.log(1 - random.next()) / Math.log(1 - 1 / mean));
}

/** One kind of request: a lognormal latency, and what every one takes besides. */
export interface Latency {
  /** Of all requests; the shares of a mixture add up to 1. */
  readonly share: number;
  readonly medianMs: number;
  /** Of the logarithm. */
  readonly sigma: number;
  readonly plusMs: number;
}

/** Latencies straight into the buckets of a histogram, by the alias method (Walker 1977, ACM TOMS 3; Vose 1991, IEEE TSE 17). */
export class LatencyTable {
  readonly #bucket: Int32Array;
  readonly #keep: Float64Array;
  readonly #alias: Int32Array;
  readonly #counts = new Int32Array(maxBucket + 2);

  constructor(mixture: readonly Latency[]) {
    const buckets: number[] = [];
    const shares: number[] = [];
    for (let bucket = 0; bucket <= maxBucket; bucket += 1) {
      const { fromMs, toMs } = boundsOf(bucket);
      const share = mixture.reduce((sum, one) => sum + one.share * (below(toMs, one) - below(fromMs, one)), 0);
      if (share < 1e-12) continue;
      buckets.push(bucket);
      shares.push(share);
    }
    const total = shares.reduce((sum, share) => sum + share, 0);
    const scaled = shares.map((share) => (share / total) * shares.length);
    this.#bucket = Int32Array.from(buckets);
    this.#keep = new Float64Array(scaled.length).fill(1);
    this.#alias = Int32Array.from(scaled.keys());
    const small = [...scaled.keys()].filter((at) => (scaled[at] ?? 0) < 1);
    const large = [...scaled.keys()].filter((at) => (scaled[at] ?? 0) >= 1);
    for (;;) {
      const poor = small.pop();
      const rich = large.pop();
      if (poor === undefined || rich === undefined) break;
      const kept = scaled[poor] ?? 0;
      this.#keep[poor] = kept;
      this.#alias[poor] = rich;
      const left = (scaled[rich] ?? 0) + kept - 1;
      scaled[rich] = left;
      (left < 1 ? small : large).push(rich);
    }
  }

  /** So many latencies, counted. */
  draw(count: number, random: Random): LatencyCounts {
    const touched: number[] = [];
    const size = this.#bucket.length;
    for (let each = 0; each < count; each += 1) {
      const uniform = random.next() * size;
      const at = Math.floor(uniform);
      const chosen = uniform - at < (this.#keep[at] ?? 1) ? at : (this.#alias[at] ?? at);
      const bucket = this.#bucket[chosen] ?? 0;
      const before = this.#counts[bucket] ?? 0;
      if (before === 0) touched.push(bucket);
      this.#counts[bucket] = before + 1;
    }
    touched.sort((a, b) => a - b);
    return touched.map((bucket) => {
      const counted = this.#counts[bucket] ?? 0;
      this.#counts[bucket] = 0;
      return [bucket, counted] as const;
    });
  }
}

function below(ms: number, { medianMs, sigma, plusMs }: Latency): number {
  const own = ms - plusMs;
  return own <= 0 ? 0 : normalBelow(Math.log(own / medianMs) / sigma);
}

/** Standard normal distribution function, to 1.5e-7 (Abramowitz & Stegun 1964, 7.1.26). */
function normalBelow(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const above = (poly * Math.exp(-x * x)) / 2;
  return z >= 0 ? 1 - above : above;
}
