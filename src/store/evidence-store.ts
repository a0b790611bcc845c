import type { EvidenceHead, EvidenceRecord, EvidenceSecond } from '../core/analysis/evidence-record.ts';
import type { TrafficMinute } from '../core/analysis/traffic-minute.ts';

/** A minute of a service: both arms together, and stable alone where a candidate had a part of it. */
export interface ServiceMinute extends TrafficMinute {
  /** What a judge compares with: the candidate that was taken back an hour ago is none of stable's past. Absent: all of it. */
  readonly stable?: TrafficMinute;
}

/**
 * What verdicts were computed from, and what services did in the last week. Not the journal: nothing is decided by reading it but what a
 * judge thinks after a restart. When it cannot be written, rollouts go on and the control plane says so.
 *
 * Every method throws StoreUnavailableError when the store cannot be used now; it can be again once the cause is gone.
 */
export interface EvidenceStore {
  /** Begins a leg's record; a record that is there already stays as it is. */
  begin(head: EvidenceHead): void;
  /** Appends seconds that are later than all that is kept; others are left out, and so are those of a record that is not there. */
  append(deployment: string, leg: number, seconds: readonly EvidenceSecond[]): void;
  /** Null when nothing is kept of it (any more). */
  read(deployment: string, leg: number): EvidenceRecord | null;
  /** Keeps a minute of a service: both arms together. The same minute again replaces it. */
  keepMinute(environment: string, service: string, minute: ServiceMinute): void;
  /** Minutes from one on, oldest first. */
  minutes(environment: string, service: string, fromMinute: number): readonly ServiceMinute[];
  /**
   * Lets go of minutes before one, and of all records but the newest so many deployments of each environment; a part of it at
   * a time, so that nobody waits for it: called again it goes on.
   */
  trim(beforeMinute: number, deployments: number): void;
  close(): void;
}
