import type { EvidenceHead, EvidenceRecord, EvidenceSecond } from '../core/analysis/evidence-record.ts';
import type { EvidenceStore, ServiceMinute } from './evidence-store.ts';

interface Kept {
  readonly head: EvidenceHead;
  readonly seconds: EvidenceSecond[];
}

/** Evidence without a disk: for the simulator and for tests. */
export class MemoryEvidenceStore implements EvidenceStore {
  /** In the order in which they were begun. */
  readonly #records = new Map<string, Kept>();
  /** By environment and service, then by minute. */
  readonly #minutes = new Map<string, Map<number, ServiceMinute>>();

  begin(head: EvidenceHead): void {
    const key = recordKey(head.deployment, head.leg);
    if (!this.#records.has(key)) this.#records.set(key, { head, seconds: [] });
  }

  append(deployment: string, leg: number, seconds: readonly EvidenceSecond[]): void {
    const kept = this.#records.get(recordKey(deployment, leg));
    if (kept === undefined) return;
    for (const second of seconds) {
      const last = kept.seconds.at(-1)?.traffic.second ?? Number.NEGATIVE_INFINITY;
      if (second.traffic.second > last) kept.seconds.push(second);
    }
  }

  read(deployment: string, leg: number): EvidenceRecord | null {
    const kept = this.#records.get(recordKey(deployment, leg));
    return kept === undefined ? null : { ...kept.head, seconds: [...kept.seconds] };
  }

  keepMinute(environment: string, service: string, minute: ServiceMinute): void {
    const key = JSON.stringify([environment, service]);
    const minutes = this.#minutes.get(key) ?? new Map<number, ServiceMinute>();
    this.#minutes.set(key, minutes.set(minute.minute, minute));
  }

  minutes(environment: string, service: string, fromMinute: number): readonly ServiceMinute[] {
    return [...(this.#minutes.get(JSON.stringify([environment, service]))?.values() ?? [])]
      .filter(({ minute }) => minute >= fromMinute)
      .toSorted((a, b) => a.minute - b.minute);
  }

  trim(beforeMinute: number, deployments: number): void {
    for (const minutes of this.#minutes.values()) {
      for (const minute of minutes.keys()) if (minute < beforeMinute) minutes.delete(minute);
    }
    const newest = new Map<string, Set<string>>();
    for (const [key, { head }] of [...this.#records].toReversed()) {
      const kept = newest.get(head.environment) ?? new Set();
      newest.set(head.environment, kept);
      if (kept.size < deployments) kept.add(head.deployment);
      if (!kept.has(head.deployment)) this.#records.delete(key);
    }
  }

  close(): void {
    // There is nothing to let go of.
  }
}

const recordKey = (deployment: string, leg: number): string => `${deployment}/${leg}`;
