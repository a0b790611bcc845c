import type { EvidenceHead, EvidenceRecord, EvidenceSecond } from '../core/analysis/evidence-record.ts';
import { StoreUnavailableError } from '../errors.ts';
import type { EvidenceStore, ServiceMinute } from '../store/evidence-store.ts';

/** Evidence as the engine uses it: a store that fails costs evidence, never a rollout. */
export class EvidenceBook {
  readonly #store: EvidenceStore;
  readonly #onTrouble: (trouble: string | null) => void;

  /** @param onTrouble told in words when the store cannot be used, and null whenever it can */
  constructor(store: EvidenceStore, onTrouble: (trouble: string | null) => void) {
    this.#store = store;
    this.#onTrouble = onTrouble;
  }

  /** True once the record is there. */
  begin(head: EvidenceHead): boolean {
    return this.#try(() => this.#store.begin(head)) !== UNAVAILABLE;
  }

  /** True once the seconds are kept. */
  append(deployment: string, leg: number, seconds: readonly EvidenceSecond[]): boolean {
    return this.#try(() => this.#store.append(deployment, leg, seconds)) !== UNAVAILABLE;
  }

  /** `unavailable`: nobody can tell now whether there is one. */
  read(deployment: string, leg: number): EvidenceRecord | null | typeof UNAVAILABLE {
    return this.#try(() => this.#store.read(deployment, leg));
  }

  /** True once the minute is kept. */
  keepMinute(environment: string, service: string, minute: ServiceMinute): boolean {
    return this.#try(() => this.#store.keepMinute(environment, service, minute)) !== UNAVAILABLE;
  }

  /** None while they cannot be read. */
  minutes(environment: string, service: string, fromMinute: number): readonly ServiceMinute[] {
    const minutes = this.#try(() => this.#store.minutes(environment, service, fromMinute));
    return minutes === UNAVAILABLE ? [] : minutes;
  }

  trim(beforeMinute: number, deployments: number): void {
    this.#try(() => this.#store.trim(beforeMinute, deployments));
  }

  #try<Result>(operation: () => Result): Result | typeof UNAVAILABLE {
    try {
      const result = operation();
      this.#onTrouble(null);
      return result;
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      this.#onTrouble(
        `evidence is not kept, rollouts go on without: ${error.message} ${error.hint} A verdict cannot be replayed, and a judge forgets with the control plane, until then.`,
      );
      return UNAVAILABLE;
    }
  }
}

const UNAVAILABLE = 'unavailable';
