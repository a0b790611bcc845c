import type { CommandLine, Duration, Percentage, UrlPath, WebUrl } from './declaration-values.ts';

// How releases are compared with what runs, as a person writes it.

/**
 * How sure a verdict must be. `careful`: at most one release in 1,000 that is not worse is ever taken back; `balanced`: one in 100; `fast`:
 * one in 20, and it sees faults sooner.
 */
export type AnalysisLevel = 'careful' | 'balanced' | 'fast';

/** Every key changes one number of `level`; docs/analysis.md says what the numbers mean. */
export interface AnalysisDeclaration {
  /** What everything comes from that is not said here. Default `balanced`. */
  readonly level?: AnalysisLevel | undefined;
  /** Of releases that are not worse, at most this share is ever taken back by mistake. Default "1%"; careful "0.1%", fast "5%". */
  readonly falseAlarms?: Percentage | undefined;
  /** Of releases that are worse by more than `margin`, at most this share ever ends a step early. Default "5%"; careful "1%", fast "10%". */
  readonly falsePasses?: Percentage | undefined;
  /** Errors that are more frequent than stable's by up to this much are not worse: "50%" is 1.5 times as many. Default "50%". */
  readonly tolerance?: Percentage | undefined;
  /** So many more errors, as a share of all requests, are not worse either. Default 0. */
  readonly allowance?: Percentage | undefined;
  /** A step ends early when errors are surely no more than stable's and this share of all requests. Default "0.5%"; careful "0.3%", fast "1%". */
  readonly margin?: Percentage | undefined;
  /** Slower by up to this much is not worse. Default "10%"; fast "20%". */
  readonly slower?: Percentage | undefined;
  /** Time after the first exposure that says nothing, unless half of all requests fail. Whole seconds. Default "0s". */
  readonly warmUp?: Duration | undefined;
  /** Caches and compilers warm up: for so long latency counts only if most requests take three times as long as stable's median, and 50 ms more. Whole seconds. Default "30s". */
  readonly latencyWarmUp?: Duration | undefined;
  /** No verdict ends a step before it has lasted so long, or its `hold` if that is shorter. Whole seconds. Default "20s"; careful "1m", fast "5s". */
  readonly bake?: Duration | undefined;
  /** The candidate is not taken back by a metric with fewer errors (slow requests) than this. Default 3. */
  readonly minErrors?: number | undefined;
  /** No verdict ends a step before the candidate has had so many requests. Default 500; careful 1000. */
  readonly minRequests?: number | undefined;
  /** Errors that one cause makes at once: a batch of 10, say. Default null: estimated from stable's last hour. */
  readonly burst?: number | null | undefined;
  /** What is compared besides errors and latency, by name. */
  readonly metrics?: { readonly [name: string]: MetricDeclaration } | undefined;
  /** What synthetic users do with both releases, by name: something to compare where there is little traffic. */
  readonly journeys?: { readonly [name: string]: JourneyDeclaration } | undefined;
}

export type MetricDeclaration =
  | PrometheusMetricDeclaration
  | ExportedMetricDeclaration
  | CommandMetricDeclaration
  | WebhookMetricDeclaration
  | ClientErrorsMetricDeclaration;

/** A metric is compared (`events`, out of a `total` or by the requests of each release), or has limits (`value` within `min` and `max`). */
interface CountedOrLimitedDeclaration {
  /** What is better of the events; with a `total` it is `fewer`. Default `fewer`. */
  readonly better?: 'fewer' | 'more' | undefined;
  /** Its share of all evidence; together at most "90%". Default "10%". */
  readonly weight?: Percentage | undefined;
  /** A difference of up to this much is not worse. Default: `tolerance` of the analysis. */
  readonly tolerance?: Percentage | undefined;
  /** Least value; below it the limit is broken. */
  readonly min?: number | undefined;
  /** Highest value; above it the limit is broken. */
  readonly max?: number | undefined;
  /** So often in a row a limit must be broken, by the candidate alone, before it is taken back. Default 3. */
  readonly times?: number | undefined;
  /** Time between two questions. Default "10s". */
  readonly every?: Duration | undefined;
}

/** Instant queries of a Prometheus; each must give one number. `{arm}`, `{slot}`, `{release}`, `{service}` and `{environment}` are filled in. */
export interface PrometheusMetricDeclaration extends CountedOrLimitedDeclaration {
  readonly from: 'prometheus';
  /** Address of the Prometheus, such as "http://127.0.0.1:9090". */
  readonly url: WebUrl;
  /** Query of a counter that rises with each event. */
  readonly events?: string | undefined;
  /** Query of a counter that rises with everything that could have been an event. */
  readonly total?: string | undefined;
  /** Query of a value that has limits. */
  readonly value?: string | undefined;
}

/** Numbers that the instances export as Prometheus text, added up over the instances of a release. */
export interface ExportedMetricDeclaration extends CountedOrLimitedDeclaration {
  readonly from: 'exported';
  /** Path of the text. Default "/metrics". */
  readonly path?: UrlPath | undefined;
  /** Counter of events: `payments_total{state="declined"}`. */
  readonly events?: string | undefined;
  /** Counter of everything that could have been an event. */
  readonly total?: string | undefined;
  /** Gauge that has limits. */
  readonly value?: string | undefined;
}

/** A program that prints `{"events": 3, "total": 100}` about the release in VEZA_ARM; with limits, `events` is the value. */
export interface CommandMetricDeclaration extends CountedOrLimitedDeclaration {
  readonly from: 'command';
  readonly run: CommandLine;
  /** Default "10s". */
  readonly timeout?: Duration | undefined;
}

/** A service that says whether the candidate may go on, by Flagger's contract: answers 2xx, or does not let it pass. */
export interface WebhookMetricDeclaration {
  readonly from: 'webhook';
  readonly url: WebUrl;
  readonly metadata?: { readonly [key: string]: string } | undefined;
  /** So often in a row it must not let the candidate pass before that is taken back. Default 3. */
  readonly times?: number | undefined;
  /** Time between two questions. Default "10s". */
  readonly every?: Duration | undefined;
  /** Default "10s". */
  readonly timeout?: Duration | undefined;
}

/** Answers of status 4xx, as the router counts them: they are no errors of a release by themselves. */
export interface ClientErrorsMetricDeclaration {
  readonly from: 'client-errors';
  /** Its share of all evidence. Default "10%". */
  readonly weight?: Percentage | undefined;
  /** More by up to this much is not worse. Default: `tolerance` of the analysis. */
  readonly tolerance?: Percentage | undefined;
}

export interface JourneyDeclaration {
  /** Time between two runs against each release. Default "10s". */
  readonly every?: Duration | undefined;
  /** Of all its steps together. Default "10s". */
  readonly timeout?: Duration | undefined;
  /** One after another, cookies kept; the first that is not as expected fails the journey. A path: GET, answered with 200. */
  readonly steps: readonly (UrlPath | JourneyStepDeclaration)[];
}

export interface JourneyStepDeclaration {
  readonly path: UrlPath;
  /** Default "GET". */
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS' | undefined;
  readonly headers?: { readonly [name: string]: string } | undefined;
  /** Body of the request. */
  readonly send?: string | undefined;
  /** Status that the answer must have. Default 200. */
  readonly status?: number | undefined;
  /** Text that the answer must contain. */
  readonly body?: string | undefined;
}
