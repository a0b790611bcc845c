import { quantile } from '../../src/core/analysis/histogram.ts';
import type { ArmSecond, LatencyCounts } from '../../src/core/traffic.ts';

/** Somebody who looks at the candidate alone, once a minute. */
export interface Peer {
  /**
   * Takes in the next second of the candidate.
   *
   * @returns true from the second on in which the candidate is taken back
   */
  observe(candidate: ArmSecond): boolean;
}

const EVERY_SECONDS = 60;
const MIN_SUCCESS = 0.99;
const MAX_P99_MS = 500;

/** What a query over the last minute finds. */
class LastMinute {
  #seconds = 0;
  #requests = 0;
  #errors = 0;
  #counts = new Map<number, number>();
  /** The candidate has had a request since it was exposed: only then are there series to divide. */
  everAny = false;

  /** @returns true at the end of a minute: then is the time to ask, and to call `clear` */
  add({ requests, serverErrors, gatewayErrors, latency }: ArmSecond): boolean {
    this.#seconds += 1;
    this.#requests += requests;
    this.#errors += serverErrors + gatewayErrors;
    if (requests > 0) this.everAny = true;
    for (const [bucket, count] of latency) this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + count);
    return this.#seconds === EVERY_SECONDS;
  }

  /** NaN without requests, as 0/0 is for Prometheus. */
  get successShare(): number {
    return 1 - this.#errors / this.#requests;
  }

  /** NaN when no latency was counted. Of finer buckets than Istio's, so more exact than theirs. */
  get p99Ms(): number {
    const counts: LatencyCounts = [...this.#counts].sort(([a], [b]) => a - b);
    return quantile(counts, 0.99) ?? Number.NaN;
  }

  get hasLatency(): boolean {
    return this.#counts.size > 0;
  }

  clear(): void {
    this.#seconds = 0;
    this.#requests = 0;
    this.#errors = 0;
    this.#counts.clear();
  }
}

/**
 * Flagger with `interval: 1m`, `threshold: 5`, `request-success-rate` with `min: 99`, and, where latencies are simulated,
 * `request-duration` with `max: 500`, each over `1m`: the metrics of its own examples. Its
 * documentation (docs.flagger.app/usage/deployment-strategies and /usage/metrics):
 *
 * - every interval the candidate's share of answers other than 5xx in the last minute must be at least the minimum, the p99 at
 *   most the maximum; if not, the advancement halts and the counter of failed checks rises;
 * - nothing sets the counter back while the analysis goes on (`Status.FailedChecks` in pkg/controller/scheduler.go);
 * - a query without values ("probably … is not receiving traffic") is a failed check too (scheduler_metrics.go);
 * - when the counter has reached the threshold all traffic goes back: "interval * threshold" after the fault.
 *
 * The program looks at the counter at the beginning of the next run, so that it needs another minute; here it is as the
 * documentation says, which is the better for it. Its weight stays where it is and the analysis never ends by itself.
 */
export class Flagger implements Peer {
  readonly #minute = new LastMinute();
  #failedChecks = 0;

  observe(candidate: ArmSecond): boolean {
    if (this.#minute.add(candidate)) {
      if (!this.#passes()) this.#failedChecks += 1;
      this.#minute.clear();
    }
    return this.#failedChecks >= 5;
  }

  #passes(): boolean {
    const { successShare, hasLatency, p99Ms } = this.#minute;
    // A comparison with NaN is false, so no traffic does not pass.
    return successShare >= MIN_SUCCESS && (!hasLatency || p99Ms <= MAX_P99_MS);
  }
}

/**
 * A background analysis of Argo Rollouts: `interval: 60s`, `failureLimit: 3`, `successCondition: result[0] >= 0.99` and no
 * `failureCondition`; where latencies are simulated a second metric, `result[0] <= 500` for the p99. Its documentation
 * (argo-rollouts.readthedocs.io/en/stable/features/analysis) and analysis/analysis.go, utils/evaluate/evaluate.go:
 *
 * - without a failure condition a measurement whose success condition is not true has failed: also NaN, which 0/0 gives in a
 *   minute without traffic; `Inconclusive` needs both conditions, so it does not happen here;
 * - a metric fails when `failed > failureLimit`, so with the fourth failure; successes in between set nothing back;
 * - no series at all (nobody has asked the candidate yet) makes `result[0]` an error: after more than
 *   `consecutiveErrorLimit` (default 4) in a row the run ends with an error, and the rollout is aborted as well;
 * - the first measurement is taken at once: here it finds nothing, an error that the next measurement makes up for.
 */
export class ArgoRollouts implements Peer {
  readonly #minute = new LastMinute();
  #failed = 0;
  #failedLatency = 0;
  #errorsInARow = 1;

  observe(candidate: ArmSecond): boolean {
    if (this.#minute.add(candidate)) {
      this.#measure();
      this.#minute.clear();
    }
    return this.#failed > 3 || this.#failedLatency > 3 || this.#errorsInARow > 4;
  }

  #measure(): void {
    const { everAny, successShare, hasLatency, p99Ms } = this.#minute;
    this.#errorsInARow = everAny ? 0 : this.#errorsInARow + 1;
    if (!everAny) return;
    if (!(successShare >= MIN_SUCCESS)) this.#failed += 1;
    if (hasLatency && !(p99Ms <= MAX_P99_MS)) this.#failedLatency += 1;
  }
}
