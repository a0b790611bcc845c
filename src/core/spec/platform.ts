import type { ImagePolicy } from '../policy/image/check-image.ts';
import type { PinnedReference } from '../image/reference.ts';
import type { AnalysisSettings } from '../analysis/settings.ts';
import type { GatewaySettings } from '../gateway-settings.ts';
import type { RouteEdge } from '../route-edge.ts';
import type { Bytes, Command, DurationMs, HostPattern, Name, Percent, Port } from '../units/quantities.ts';

// What `veza.config.ts` says after parsing: every value has its type, every default is filled in, every name resolves.

export interface Platform {
  readonly name: Name;
  readonly environments: Readonly<Record<string, Environment>>;
  /** What images have to be like, where that is for people to decide. */
  readonly images: Omit<ImagePolicy, 'licences'>;
}

/** One environment with its overrides applied: what the engine, the drivers and the build work from. */
export interface Environment {
  readonly name: Name;
  readonly target: Target;
  readonly services: Readonly<Record<string, Service>>;
  readonly resources: Readonly<Record<string, Resource>>;
  readonly gates: EnvironmentGates;
}

/** Where an environment runs. Other kinds join the union with their drivers. */
export type Target = ProcessTarget | DockerTarget;

/** Instances are processes of this machine. */
export interface ProcessTarget extends TargetEdge {
  readonly kind: 'process';
}

/** Instances are containers of a Docker host. */
export interface DockerTarget extends TargetEdge {
  readonly kind: 'docker';
  /** Socket of the Docker Engine on this machine: an absolute path. */
  readonly socket: string;
  /** Docker hosts that share the instances; none: the Engine of `socket`. */
  readonly hosts: readonly DeclaredHost[];
  /** Address of this machine as instances on `hosts` reach it; null where there are none. */
  readonly machine: string | null;
  /** Hosts that get a release at the same time. */
  readonly atATime: number;
  /** Below the images of services; null: made of this machine's own Node. */
  readonly base: PinnedReference | null;
  /** IPv4 network of the environment's own bridge; its first address is this machine. */
  readonly subnet: string;
}

export interface DeclaredHost {
  readonly name: string;
  readonly engine:
    | { readonly kind: 'socket'; readonly path: string }
    /** `user@host:port`, as ssh takes it behind `ssh://`. */
    | { readonly kind: 'ssh'; readonly destination: string };
  /** Where its instances are reached from this machine. */
  readonly address: string;
}

/** What all kinds of targets have in common. */
export interface TargetEdge {
  /** Address the gateway listens on for users. */
  readonly listen: { readonly host: string; readonly port: Port };
  /** Ports that instances and internal addresses are taken from, both ends included. */
  readonly ports: { readonly from: Port; readonly to: Port };
  /** Which router driver shares the traffic. */
  readonly router: 'gateway' | 'haproxy';
  /** How the gateway stands at the edge, besides `listen`. */
  readonly edge: Omit<GatewaySettings, 'http'>;
}

export interface EnvironmentGates {
  /** A release is refused here unless the same artifact digest succeeded in this environment (invariant 6). */
  readonly requires: Name | null;
  /** A person must `approve` before anything starts. */
  readonly approval: boolean;
  /** Releases built from uncommitted changes are refused unless this is true. */
  readonly allowDirty: boolean;
  /** What a step does whose time passes without traffic: wait for a person (production), or go on (development). */
  readonly idle: 'pause' | 'proceed';
}

export interface Service {
  readonly name: Name;
  /** Folder of the source, relative to the folder of `veza.config.ts`. */
  readonly source: string;
  readonly build: BuildRecipe;
  readonly run: Command;
  readonly instances: number;
  readonly health: Health;
  readonly stop: { readonly graceMs: DurationMs };
  readonly restart: RestartPolicy;
  readonly route: PublicRoute | null;
  readonly proxy: ProxyLimits;
  /** What the router does for users besides passing requests on. Releases that were built before there was any have none. */
  readonly edge?: ServiceEdge;
  readonly dependencies: readonly Name[];
  readonly resources: readonly Name[];
  /** On a second port of each instance, which no route leads to; null, and absent in releases that were built before there was any: none. */
  readonly metrics?: { readonly path: string } | null;
  readonly limits: { readonly memory: Bytes | null; readonly cpus: number | null };
  /** May hold placeholders, as `run` may: see placeholders.ts. */
  readonly environment: Readonly<Record<string, string | SecretReference | AddressReference>>;
  /** A folder of the service in each environment, which outlives releases and is shared by all instances of both slots. */
  readonly data: 'shared' | null;
  readonly strategy: Strategy;
  readonly gates: ServiceGates;
}

export interface BuildRecipe {
  /** Run in a clean copy of the source, one after another. */
  readonly commands: readonly Command[];
  /** Folder, relative to the source, that becomes the artifact; `.` is all of it. */
  readonly output: string;
}

export interface SecretReference {
  readonly secret: string;
}

/** The internal address of a service of the same environment. */
export interface AddressReference {
  readonly address: Name;
}

/** Three probes, three meanings: has it started at all; may it get traffic now; must it be restarted. */
export interface Health {
  readonly startup: Probe;
  readonly readiness: Probe;
  readonly liveness: Probe | null;
  /** Ready without a break for this long before an instance counts as ready. */
  readonly stableForMs: DurationMs;
}

export interface Probe {
  readonly check: { readonly kind: 'http'; readonly path: string } | { readonly kind: 'tcp' };
  readonly intervalMs: DurationMs;
  readonly timeoutMs: DurationMs;
  /** Failures in a row that count as a failure. For startup: interval x failures is the time an instance has. */
  readonly failures: number;
}

export interface RestartPolicy {
  readonly backoffMs: DurationMs;
  readonly maxBackoffMs: DurationMs;
  /** More exits than this within `windowMs` is a crash loop. */
  readonly crashLoopAfter: number;
  readonly windowMs: DurationMs;
}

export interface PublicRoute {
  readonly hosts: readonly HostPattern[];
  /** Path prefixes, longest match wins. */
  readonly paths: readonly string[];
  /** A user keeps his arm during a canary (signed cookie). */
  readonly sticky: boolean;
  /** Request header that sends a request to the candidate while there is one (guide 6.2: `canary: true`). */
  readonly canaryHeader: { readonly name: string; readonly value: string } | null;
}

export interface ProxyLimits {
  /** Time from the end of the request to the first byte of the answer. */
  readonly responseTimeoutMs: DurationMs;
  /** Time without a byte in either direction before a connection is given up. */
  readonly idleTimeoutMs: DurationMs;
  readonly maxBodyBytes: Bytes | null;
  /** Time that what is in flight gets while draining; long streams are told at the end of it. */
  readonly drainMs: DurationMs;
}

/** What a release says about the edge; whether it is under maintenance is no matter of a release. */
export type ServiceEdge = Omit<RouteEdge, 'maintenance'>;

export interface Strategy {
  readonly kind: 'rolling' | 'blue-green' | 'canary';
  readonly steps: readonly StrategyStep[];
  /** Before any user is exposed; null or absent: not at all. */
  readonly mirror?: Mirroring | null;
  /** Share that stays on stable through the watch window. */
  readonly holdback: Percent;
  readonly watchMs: DurationMs;
  readonly keepWarmMs: DurationMs;
  /** At least so many ready candidates before the first weight. */
  readonly minCandidates: number;
  readonly onNew: 'supersede' | 'queue' | 'refuse';
  readonly limits: HardLimits;
  /** How releases are compared with what runs. Releases that were built before there was any have none. */
  readonly analysis?: Analysis;
  readonly deadlines: PhaseDeadlines;
}

export interface Analysis extends AnalysisSettings {
  /** Where the numbers of `metrics` come from, by their names. */
  readonly sources: Readonly<Record<string, MetricSource>>;
  /** What synthetic users do with both arms, so that there is something to compare where there is little traffic. */
  readonly journeys: readonly Journey[];
}

/** Where a metric's numbers come from. In texts `{arm}`, `{slot}`, `{release}`, `{service}` and `{environment}` are filled in. */
export type MetricSource =
  /** 4xx answers, as the router counts them. */
  | { readonly kind: 'client-errors' }
  /** Instant queries of a Prometheus; each gives one number. Counters: what they rose by since the last time is taken. */
  | {
      readonly kind: 'prometheus';
      readonly url: string;
      readonly events: string;
      readonly total: string | null;
      readonly everyMs: DurationMs;
    }
  /** Counters that the instances export as Prometheus text, added up over the instances of an arm. */
  | {
      readonly kind: 'exported';
      readonly path: string;
      readonly events: string;
      readonly total: string | null;
      readonly everyMs: DurationMs;
    }
  /** Prints `{"events": 3, "total": 100}`: what happened in the arm `VEZA_ARM` since `VEZA_SINCE`. Nothing is filled into its arguments. */
  | {
      readonly kind: 'command';
      readonly command: Command;
      readonly everyMs: DurationMs;
      readonly timeoutMs: DurationMs;
    }
  /** Flagger's contract: POST with name, namespace, phase, checksum and metadata; 2xx passes. An event is a call that did not pass. */
  | {
      readonly kind: 'webhook';
      readonly url: string;
      readonly metadata: Readonly<Record<string, string>>;
      readonly everyMs: DurationMs;
      readonly timeoutMs: DurationMs;
    };

export interface Journey {
  readonly name: string;
  readonly everyMs: DurationMs;
  readonly timeoutMs: DurationMs;
  /** One after another, cookies kept; the first that is not as expected fails the journey. */
  readonly steps: readonly JourneyStep[];
}

export interface JourneyStep {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  readonly expectStatus: number;
  readonly expectBody: string | null;
}

/** Copies of safe requests go to the candidate; their answers are compared and thrown away. */
export interface Mirroring {
  /** Of the safe requests. */
  readonly share: Percent;
  /** Observed time without `worse`. */
  readonly holdMs: DurationMs;
  /** JSON answers are compared by their shape, too. */
  readonly shapes: boolean;
}

export interface StrategyStep {
  readonly weight: Percent;
  /** Observed time on this step without `worse`; a verdict `not-worse` ends it earlier. */
  readonly holdMs: DurationMs;
}

/** The guide's limits (12.1, 6.2): success rate of at least 99 %, p99 of at most 500 ms, over at least so many requests. */
export interface HardLimits {
  readonly minSuccessPercent: Percent;
  readonly maxP99Ms: DurationMs;
  readonly minRequests: number;
}

export interface PhaseDeadlines {
  readonly preparingMs: DurationMs;
  readonly migratingMs: DurationMs;
  readonly startingMs: DurationMs;
  readonly checkingMs: DurationMs;
  /** Longest time on one step, whatever the verdict. */
  readonly steppingMs: DurationMs;
  readonly switchedMs: DurationMs;
  readonly revertingMs: DurationMs;
  readonly retiringMs: DurationMs;
  /** Longest time a deployment may stay paused before it is taken back. */
  readonly pausedMs: DurationMs;
}

export interface ServiceGates {
  readonly smoke: readonly SmokeCheck[];
  readonly migrations: MigrationsGate | null;
}

export interface MigrationsGate {
  readonly resource: Name;
  /** Folder in the artifact. */
  readonly directory: string;
  /** Schema that they run in; null, and absent in releases that were built before there was any: the one that the login begins in. */
  readonly schema?: string | null;
}

export type SmokeCheck =
  | {
      readonly kind: 'http';
      readonly name: string;
      readonly method: string;
      readonly path: string;
      readonly expectStatus: number;
      readonly expectBody: string | null;
      readonly timeoutMs: DurationMs;
    }
  /** Run in the release's folder with `VEZA_PREVIEW_URL` set; exit status 0 passes. */
  | { readonly kind: 'command'; readonly name: string; readonly command: Command; readonly timeoutMs: DurationMs };

/** A backing service. An embedded one is started, or kept, by `veza up`; an external one is reached by its URL secret. */
export type Resource =
  | { readonly kind: 'postgres'; readonly name: Name; readonly mode: 'embedded'; readonly database: string }
  | { readonly kind: 'postgres'; readonly name: Name; readonly mode: 'external'; readonly url: SecretReference }
  | { readonly kind: 'redis'; readonly name: Name; readonly mode: 'external'; readonly url: SecretReference }
  | { readonly kind: 'storage'; readonly name: Name; readonly mode: 'embedded' }
  | { readonly kind: 'storage'; readonly name: Name; readonly mode: 'external'; readonly url: SecretReference };
