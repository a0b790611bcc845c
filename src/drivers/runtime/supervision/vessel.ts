import type { SlotDesire } from '../runtime.ts';
import type { InstanceRecord } from './records.ts';

export interface End {
  /** Null when a signal ended it or nobody saw it. */
  readonly status: number | null;
  readonly signal: string | null;
}

export interface Started<Hold> {
  readonly hold: Hold;
  /** Resolves at its end. */
  readonly ended: Promise<End>;
}

export interface LastWords {
  readonly outOfMemory: boolean;
  /** The last line of its own. */
  readonly line: string | null;
  /** Why its program could not be started, where that shows only inside; null when it was. */
  readonly startFailure: string | null;
}

/** What an instance runs in: a process of this machine, a container. Everything else about instances is the same for all. */
export interface Vessel<Hold> {
  /** Changes of the record that are due before the next launch, such as a port that somebody else has taken. */
  settle(record: InstanceRecord<Hold>, desire: SlotDesire): Promise<Partial<InstanceRecord<Hold>>>;
  write(record: InstanceRecord<Hold>): void;
  /** @throws Error whose message says in words why it could not be started */
  start(record: InstanceRecord<Hold>, desire: SlotDesire): Promise<Started<Hold>>;
  /** Follows one that was found running; null when its end has to be looked for with `isAlive`. */
  follow(hold: Hold): Promise<End> | null;
  isAlive(hold: Hold): Promise<boolean>;
  /** @param isOurs we would have heard of its end */
  signal(hold: Hold, signal: 'SIGTERM' | 'SIGKILL', isOurs: boolean): Promise<void>;
  /** Uses more memory than its limit, where nobody but us looks. */
  isOverMemory(record: InstanceRecord<Hold>, hold: Hold): Promise<boolean>;
  /** What can be told of one that has ended. */
  lastWords(record: InstanceRecord<Hold>, hold: Hold): Promise<LastWords>;
  /** Ends what it started and left behind. Repeated until nothing is left. */
  clear(id: string, hold: Hold | null): Promise<void>;
  /** Gives back what an instance had that never runs again. */
  forget(record: InstanceRecord<Hold>): Promise<void>;
  place(record: InstanceRecord<Hold>): { readonly host: string; readonly pid: number | null };
}
