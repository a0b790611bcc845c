import { mergeLatencies, quantile } from '../core/analysis/histogram.ts';
import type { Arm } from '../core/slot.ts';
import type { ArmSecond, TrafficSecond } from '../core/traffic.ts';

/** What one arm did, for people. */
export interface ArmSummary {
  readonly requestsPerSecond: number;
  readonly errorPercent: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly totalRequests: number;
  readonly totalErrors: number;
  readonly totalLost: number;
}

const RECENT_SECONDS = 10;

/** Counts of one service since it was opened, and its last seconds. Constant size. */
export class TrafficBook {
  readonly #recent: TrafficSecond[] = [];
  readonly #totals: Record<Arm, { requests: number; errors: number; lost: number }> = {
    stable: { requests: 0, errors: 0, lost: 0 },
    candidate: { requests: 0, errors: 0, lost: 0 },
  };

  add(second: TrafficSecond): void {
    this.#recent.push(second);
    if (this.#recent.length > RECENT_SECONDS) this.#recent.shift();
    for (const arm of ['stable', 'candidate'] as const) {
      const counts = second.arms[arm];
      this.#totals[arm].requests += counts.requests;
      this.#totals[arm].errors += counts.serverErrors;
      this.#totals[arm].lost += counts.gatewayErrors;
    }
  }

  summary(arm: Arm): ArmSummary {
    const seconds: ArmSecond[] = this.#recent.map((second) => second.arms[arm]);
    const requests = seconds.reduce((sum, second) => sum + second.requests, 0);
    const bad = seconds.reduce((sum, second) => sum + second.serverErrors + second.gatewayErrors, 0);
    const latency = mergeLatencies(seconds.map((second) => second.latency));
    const totals = this.#totals[arm];
    return {
      requestsPerSecond: seconds.length === 0 ? 0 : requests / seconds.length,
      errorPercent: requests === 0 ? null : (100 * bad) / requests,
      p50Ms: quantile(latency, 0.5),
      p99Ms: quantile(latency, 0.99),
      totalRequests: totals.requests,
      totalErrors: totals.errors,
      totalLost: totals.lost,
    };
  }
}
