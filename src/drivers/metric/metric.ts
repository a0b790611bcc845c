import type { Arm, Slot } from '../../core/slot.ts';
import type { MetricSample } from '../../core/traffic.ts';

/** One arm, as a source of metrics finds it. */
export interface MetricArm {
  readonly slot: Slot;
  readonly release: string;
  /** Ready instances. */
  readonly endpoints: readonly { readonly id: string; readonly host: string; readonly port: number }[];
  /** Where those export their metrics; absent: at `endpoints`, too. */
  readonly metrics?: MetricArm['endpoints'];
}

/** What is asked about. */
export interface MetricScope {
  readonly environment: string;
  readonly service: string;
  readonly deployment: string;
  readonly phase: string;
  readonly arms: Readonly<Record<Arm, MetricArm>>;
}

/** What the sources of one analysis share. */
export interface MetricContext {
  /** UTC milliseconds. */
  readonly now: () => number;
  /** Where commands run. */
  readonly folder: string;
  /** Aborted when nobody asks any more: ends what still runs by itself. */
  readonly signal: AbortSignal;
}

export interface MetricAnswer {
  readonly sample: MetricSample;
  readonly trouble: string | null;
}

/** Asks one source of numbers about both arms. */
export interface MetricSourceDriver {
  /** Milliseconds between two questions. */
  readonly everyMs: number;
  /** Milliseconds between two counts, at most, when nobody holds it up, where that is not `everyMs`. Only of what runs journeys. */
  readonly rhythmMs?: number;
  /**
   * What has been counted since it was asked before. The first answer of a source that counts only sets its zero: both arms are null. An
   * arm that cannot be asked is null; `trouble` says why, in words with what to do next.
   *
   * @throws the signal's reason, when that is aborted; nothing else
   */
  ask(scope: MetricScope, signal: AbortSignal): Promise<MetricAnswer>;
  /** Journeys that failed, the newest last, at most 20. Only of what runs journeys. */
  failures?(): readonly JourneyFailure[];
}

/** A journey that did not go as declared. Nothing of what the instance answered but the status. */
export interface JourneyFailure {
  /** UTC milliseconds at which it began. */
  readonly at: number;
  readonly arm: Arm;
  readonly instance: string;
  readonly journey: string;
  /** Counted from 1. */
  readonly step: number;
  /** `GET /cart`. */
  readonly request: string;
  /** Null: no answer. */
  readonly status: number | null;
  readonly expected: string;
  readonly found: string;
}
