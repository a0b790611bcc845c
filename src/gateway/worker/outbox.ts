import type { TrafficSecond } from '../../core/traffic.ts';
import type { FromWorker } from '../supervisor/messages.ts';

type Report = Extract<FromWorker, { readonly kind: 'counts' }>;

/** Seconds that are kept for a supervisor that knows nothing of them, since the one before has died. */
const keptSeconds = 60;

/** Counts of this worker on their way to the supervisor: sent again until they have arrived. */
export class Outbox {
  #reports: readonly Report[] = [];
  #next = 0;
  /** The last report that a supervisor has taken. */
  #taken = -1;
  readonly #startedAt: number;

  /** @param second the UTC second that it is */
  constructor(second: number) {
    this.#startedAt = second;
  }

  /** UTC second up to which there is nothing more to report, whatever a supervisor knows. */
  get countedTo(): number {
    const first = this.#reports[0]?.seconds[0]?.second ?? this.#startedAt;
    return first - 1;
  }

  get isEmpty(): boolean {
    return (this.#reports.at(-1)?.report ?? -1) <= this.#taken;
  }

  /** @returns what to send */
  add(seconds: readonly TrafficSecond[]): Report {
    const report: Report = { kind: 'counts', report: this.#next, seconds };
    this.#next += 1;
    const newest = seconds.at(-1)?.second ?? 0;
    this.#reports = [
      ...this.#reports.filter(
        (one) => one.report > this.#taken || (one.seconds.at(-1)?.second ?? 0) > newest - keptSeconds,
      ),
      report,
    ];
    return report;
  }

  /** The supervisor has taken everything up to this report. */
  taken(report: number): void {
    this.#taken = Math.max(this.#taken, report);
  }

  /** What a supervisor does not have that has taken everything up to this report. */
  after(report: number): readonly Report[] {
    return this.#reports.filter((one) => one.report > report);
  }
}
