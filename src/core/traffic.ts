import type { Arm } from './slot.ts';

/**
 * Latency counts in log-linear buckets: bucket 0 holds [0, 1) units of 100 us; from there 32 buckets an octave, so a
 * bucket is at most 3.2 % wide. Sparse: pairs of bucket index and count, ascending.
 */
export type LatencyCounts = readonly (readonly [bucket: number, count: number])[];

/** What one arm of one service answered in one second, bucketed by completion, counted where both arms pass. */
export interface ArmSecond {
  readonly requests: number;
  /** Answers of the instance with status 5xx. */
  readonly serverErrors: number;
  /** Requests that the gateway had to answer for the instance: refused, reset, timed out, cut short. */
  readonly gatewayErrors: number;
  readonly clientErrors: number;
  readonly latency: LatencyCounts;
  /**
   * How long requests that had no answer yet had waited when the second ended. They are counted as answered later, once
   * they are; until then this is all that is known of a release that hangs. Absent when a router cannot say.
   */
  readonly waiting?: LatencyCounts;
  /** The same by route, busiest first. Counted only while two releases are compared. */
  readonly routes?: readonly RouteSecond[];
  /** A few requests that failed, for people to look up in logs and traces. Only while two releases are compared. */
  readonly failures?: readonly FailedRequest[];
}

/** What one route of an arm answered in one second. */
export interface RouteSecond {
  /** Method and path without what identifies things or people: `GET /orders/:id`; `other` for what is one too many. */
  readonly route: string;
  readonly requests: number;
  /** Bad answers by status, as text: 4xx, 5xx, and `lost` for what no instance answered. */
  readonly bad: Readonly<Record<string, number>>;
  /** In buckets four times an octave: each entry stands for eight buckets of an arm's latencies, and names the first. */
  readonly latency: LatencyCounts;
}

/** One request that failed. No query, no address, no header but the identifiers of the trace. */
export interface FailedRequest {
  readonly route: string;
  /** 0: no instance answered. */
  readonly status: number;
  readonly latencyMs: number;
  /** Of W3C `traceparent`, as the client sent it; null without. */
  readonly traceId: string | null;
  /** Of `x-request-id`, as the client sent it; null without. */
  readonly requestId: string | null;
  readonly instance: string | null;
}

/** Copies of requests that went to the candidate for comparison, by the second in which both answers were known. */
export interface MirrorSecond {
  /** Requests whose two answers were compared, answers and failures alike. */
  readonly pairs: number;
  /** Requests that were not copied, or whose copy was given up, because the candidate did not keep up. */
  readonly skipped: number;
  /** Of the pairs: stable (the candidate) answered 5xx or not at all. */
  readonly stableErrors: number;
  readonly candidateErrors: number;
  /** Of the pairs: the class of the status (2xx, 3xx …) was another one. */
  readonly statusDiffers: number;
  /** Of the pairs with the same class: bodies of another size, by more than a tenth and 64 bytes. */
  readonly sizeDiffers: number;
  /** Of the pairs that were both JSON and short enough to look at: another shape. Zero when shapes are not compared. */
  readonly shapeDiffers: number;
  readonly latency: Readonly<Record<Arm, LatencyCounts>>;
  /** Pairs that differ by route, the worst first; at most 20. */
  readonly routes: readonly { readonly route: string; readonly pairs: number; readonly different: number }[];
}

/** What a metric besides the router's counts said of both arms, in the second that it was asked. */
export interface MetricSample {
  readonly metric: string;
  /** What has been counted since it was asked before; for a metric of kind `limit` the value. Null: it could not be asked. */
  readonly arms: Readonly<Record<Arm, MetricCount | null>>;
}

export interface MetricCount {
  /** Events, or the value of a metric that has limits. */
  readonly events: number;
  /** Out of how many; null where the arm's requests are what it is compared by. */
  readonly total: number | null;
}

/** The second that is not over, as it was when the router was asked. Nothing may be kept of it: it is still counting. */
export interface CurrentSecond {
  readonly soFar: TrafficSecond;
  /** How much of it has passed, 0 to 999. */
  readonly passedMs: number;
}

/** One closed second of one service: late data never rewrites it. */
export interface TrafficSecond {
  readonly service: string;
  /** UTC seconds. */
  readonly second: number;
  readonly arms: Readonly<Record<Arm, ArmSecond>>;
  /** Absent when nothing was mirrored. */
  readonly mirror?: MirrorSecond;
  /** Absent when there are no metrics but the router's. */
  readonly samples?: readonly MetricSample[];
}
