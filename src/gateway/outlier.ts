export interface OutlierSettings {
  /** Failures in a row that eject an endpoint. */
  readonly failures: number;
  /** Milliseconds of the first ejection; each one that follows without a success between takes twice as long. */
  readonly baseMs: number;
  /** Milliseconds that no ejection exceeds. */
  readonly maxMs: number;
}

/** Envoy's `consecutive_5xx`, `base_ejection_time`; the cap is lower than its 300 s, because instances come and go here. */
export const outlierDefaults: OutlierSettings = { failures: 5, baseMs: 5_000, maxMs: 60_000 };

/**
 * Follows one endpoint by what becomes of its requests: after some failures in a row it gets none for a while, then is tried
 * again. After Envoy's outlier detection
 * (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier), without its statistics over hosts: which
 * release is worse is the analysis's business.
 */
export class OutlierWatch {
  readonly #settings: OutlierSettings;
  #failures = 0;
  #ejections = 0;
  #until = Number.NEGATIVE_INFINITY;

  constructor(settings: OutlierSettings = outlierDefaults) {
    this.#settings = settings;
  }

  /** It answered: everything held against it is forgotten. An ejection that is under way ends too. */
  success(): void {
    this.#failures = 0;
    this.#ejections = 0;
    this.#until = Number.NEGATIVE_INFINITY;
  }

  /**
   * It failed: refused, reset, timed out.
   *
   * @param now milliseconds that do not go back
   * @param mayEject asked only when the endpoint is due: see `ejectable`
   * @returns whether this failure ejected it
   */
  failure(now: number, mayEject: () => boolean): boolean {
    // Requests that were on their way when it was ejected say nothing new.
    if (this.ejected(now)) return false;
    this.#failures += 1;
    // Back from an ejection one failure is enough: it has not recovered.
    const due = this.#ejections > 0 ? 1 : this.#settings.failures;
    if (this.#failures < due || !mayEject()) return false;
    const { baseMs, maxMs } = this.#settings;
    this.#until = now + Math.min(maxMs, baseMs * 2 ** Math.min(this.#ejections, 30));
    this.#ejections += 1;
    this.#failures = 0;
    return true;
  }

  /** Whether it is to get no request. */
  ejected(now: number): boolean {
    return now < this.#until;
  }
}

/**
 * Whether one more endpoint may be ejected: never more than half of them, never the last one. When most fail, the fault is
 * likely not theirs, and the rest would not bear the load (Envoy: `max_ejection_percent`, panic threshold).
 */
export const ejectable = (endpointsEjectedNow: number, endpointsTotal: number): boolean =>
  endpointsTotal > 1 && endpointsEjectedNow + 1 <= endpointsTotal / 2;
