import type { ImageRuleName } from '../policy/image/rules.ts';
import type { AnalysisDeclaration, AnalysisLevel } from './declaration-analysis.ts';
import type { HttpsDeclaration, AccessLogDeclaration, RateLimitDeclaration } from './declaration-edge.ts';
import type { CommandLine, Duration, Percentage, Size, UrlPath } from './declaration-values.ts';

// What a person writes in `veza.config.ts`. The schemas in this folder check the same shapes at run time; a type test
// holds both together.

/** A value that is kept in the secret store and only known there; made by {@link secret}. */
export interface SecretValue {
  readonly secret: string;
}

/** Refers to a secret by its name (`veza secrets set NAME`); its value never stands in the declaration. */
export function secret(name: string): SecretValue {
  return { secret: name };
}

/** The internal address of a service of the platform; made by {@link address}. */
export interface AddressValue {
  readonly address: string;
}

/**
 * Stands for `http://HOST:PORT`, where services of the same environment reach this one. A dependency says the same by itself
 * (`api` is told as `API_URL`) and orders trains; this says it and no more, for who asks a service that in turn depends on him.
 */
export function address(service: string): AddressValue {
  return { address: service };
}

/** A platform: what runs, what it needs, where it runs, and how a new release gets there. */
export interface PlatformDeclaration<
  Services extends string = string,
  Resources extends string = string,
  Strategies extends string = string,
  Environments extends string = string,
> {
  /** Name of the platform: lower-case letters, digits and hyphens. */
  readonly name: string;
  /** The deployable parts, by name. */
  readonly services: {
    readonly [Name in Services]: ServiceDeclaration<NoInfer<Services>, NoInfer<Resources>, NoInfer<Strategies>>;
  };
  /** Backing services that are attached to services and never part of a release, by name. */
  readonly resources?: { readonly [Name in Resources]: ResourceDeclaration } | undefined;
  /** Ways to bring a release to users, by name, for `strategy` of a service. */
  readonly strategies?: { readonly [Name in Strategies]: StrategyDeclaration } | undefined;
  /** Where the platform runs, by name. Left out: `development` on this machine. */
  readonly environments?:
    | {
        readonly [Name in Environments]: EnvironmentDeclaration<
          NoInfer<Services>,
          NoInfer<Resources>,
          NoInfer<Strategies>,
          NoInfer<Environments>
        >;
      }
    | undefined;
  /** What images have to be like, for deployments to containers and for `veza image push`. */
  readonly images?: ImagesDeclaration<NoInfer<Services>> | undefined;
}

export interface ImagesDeclaration<Services extends string = string> {
  /** The lowest severity that is refused. Default `high`. */
  readonly vulnerabilities?: 'low' | 'medium' | 'high' | 'critical' | 'none' | undefined;
  /** Refuse what nobody could look up. Default false: it is warned of. */
  readonly refuseUnchecked?: boolean | undefined;
  /** What may pass for a time. */
  readonly exceptions?: readonly ImageExceptionDeclaration<Services>[] | undefined;
}

/** Somebody's decision to let a finding of `veza image scan` pass for a time. */
export interface ImageExceptionDeclaration<Services extends string = string> {
  readonly rule: Exclude<ImageRuleName, `exception-${string}`>;
  /** Left out or null: all. */
  readonly service?: Services | null | undefined;
  /** As the finding says it, or the beginning of that and a `*`. */
  readonly where: string;
  readonly reason: string;
  /** Who has decided. */
  readonly by: string;
  /** The last day on which it holds, "2027-01-31", UTC; after it the finding is refused again. */
  readonly until: string;
}

/** One deployable part of the platform. */
export interface ServiceDeclaration<
  Services extends string = string,
  Resources extends string = string,
  Strategies extends string = string,
> extends ServiceSettings<Strategies> {
  /** Folder of the source, relative to the folder of `veza.config.ts`. */
  readonly source: string;
  /** How the artifact comes out of the source; left out: the source is the artifact. */
  readonly build?: CommandLine | BuildDeclaration | undefined;
  /**
   * The program of an instance, started in the artifact's folder. It listens on the port in the variable PORT at HOST; one
   * that wants to be told otherwise has `{PORT}` and `{HOST}` filled in: `server --listen {HOST}:{PORT}`.
   */
  readonly run: CommandLine;
  /** Services that this one calls; they are started, and deployed in a train, before it. */
  readonly dependencies?: readonly Services[] | undefined;
  /** Resources that this one uses. */
  readonly resources?: readonly Resources[] | undefined;
}

/** What an environment may override for a service: everything but what the artifact is made of. */
export interface ServiceOverride<Strategies extends string = string> extends ServiceSettings<Strategies> {
  readonly run?: CommandLine | undefined;
}

/** The settings of a service that may differ between environments. */
export interface ServiceSettings<Strategies extends string = string> {
  /** Running copies in a slot. Default 2, so that one may die unnoticed. */
  readonly instances?: number | undefined;
  /** How an instance is known to be well: a path that answers 2xx or 3xx, or the probes one by one. Left out: its port accepts connections. */
  readonly health?: UrlPath | HealthDeclaration | undefined;
  readonly stop?: StopDeclaration | undefined;
  readonly restart?: RestartDeclaration | undefined;
  /** Hosts and paths that users reach; left out or null: reached by other services only. */
  readonly route?: RouteDeclaration | null | undefined;
  readonly proxy?: ProxyDeclaration | undefined;
  /** Headers that users' answers get unless the instance has set them; null takes one away that `securityHeaders` adds. */
  readonly headers?: { readonly [name: string]: string | null } | undefined;
  /** A set of headers that keeps browsers from guessing types, framing pages elsewhere and telling others whole addresses. Default false. */
  readonly securityHeaders?: boolean | undefined;
  /** Compresses answers to users that gain by it, unless the instance has. Default true. */
  readonly compress?: boolean | undefined;
  /** How much users may ask for; a request above is answered with 429. Default none. */
  readonly rateLimits?: readonly RateLimitDeclaration[] | undefined;
  /** Paths that users may reach although they are kept from them otherwise: `/metrics`, `/health`, `/healthz`, `/livez`, `/readyz` and the paths of probes. */
  readonly expose?: readonly UrlPath[] | undefined;
  /**
   * Path of the metrics that each instance serves on a second port of its own, METRICS_PORT (also `{METRICS_PORT}`): reached on
   * this machine, never by users. Default null: no second port.
   */
  readonly metrics?: UrlPath | null | undefined;
  readonly limits?: LimitsDeclaration | undefined;
  /** Variables of an instance, and the only ones it gets beside PORT, HOST and VEZA_*. `{PORT}`, `{HOST}`, `{DATA}` and `{METRICS_PORT}` are filled in. */
  readonly environment?:
    | { readonly [variable: string]: string | number | boolean | SecretValue | AddressValue }
    | undefined;
  /**
   * A folder for files that outlive releases, at VEZA_DATA and `{DATA}`: one a service and environment. Instances of both
   * slots use it at the same time, so the program, and every release of it, must be made for that. Default null: none.
   */
  readonly data?: 'shared' | null | undefined;
  /** How a new release gets its traffic: a name from `strategies`, a built-in one, or one of its own. Default `canary`. */
  readonly strategy?: Strategies | StrategyKind | StrategyDeclaration | undefined;
  readonly gates?: ServiceGatesDeclaration | undefined;
}

export type StrategyKind = 'canary' | 'blue-green' | 'rolling';

export interface BuildDeclaration {
  /** One command, run in a clean copy of the source. */
  readonly command?: CommandLine | undefined;
  /** Several commands, one after the other. */
  readonly commands?: readonly CommandLine[] | undefined;
  /** Folder, relative to the source, that becomes the artifact. Default ".", all of it. */
  readonly output?: string | undefined;
}

/** Three probes, three meanings. */
export interface HealthDeclaration {
  /** Path for startup and readiness, when they do not say their own. */
  readonly path?: UrlPath | undefined;
  /** Has it started at all? `interval` × `failures` is the time that an instance has. Default every 200ms, 300 times: one minute. */
  readonly startup?: ProbeDeclaration | undefined;
  /** May it get traffic now? It gets none while this fails. Default every 1s, 3 failures in a row. */
  readonly readiness?: ProbeDeclaration | undefined;
  /** Must it be restarted? Default null: only when it exits. Never check anything outside of the instance with it. */
  readonly liveness?: ProbeDeclaration | null | undefined;
  /** Ready without a break for this long before an instance counts as ready. Default "1s". */
  readonly stableFor?: Duration | undefined;
}

export interface ProbeDeclaration {
  /** Path that answers 2xx or 3xx. Left out: `path` of `health`, or else a connection to the port. */
  readonly path?: UrlPath | undefined;
  /** True: a connection to the port is enough, whatever `path` of `health` says. */
  readonly tcp?: boolean | undefined;
  readonly interval?: Duration | undefined;
  readonly timeout?: Duration | undefined;
  /** Failures in a row that count as a failure. */
  readonly failures?: number | undefined;
}

export interface StopDeclaration {
  /** Time between SIGTERM and SIGKILL. Default "10s". */
  readonly grace?: Duration | undefined;
}

export interface RestartDeclaration {
  /** Wait before the first restart; doubled after each. Default "500ms". */
  readonly backoff?: Duration | undefined;
  /** Longest wait. Default "30s". */
  readonly maxBackoff?: Duration | undefined;
  /** More exits than this within `window` is a crash loop. Default 3. */
  readonly crashLoopAfter?: number | undefined;
  /** Default "2m". */
  readonly window?: Duration | undefined;
}

export interface RouteDeclaration {
  /** Hosts such as "example.com" or "*.example.com". Default: every host. */
  readonly hosts?: readonly string[] | undefined;
  /** Path prefixes; the longest that matches wins. Default ["/"]. */
  readonly paths?: readonly UrlPath[] | undefined;
  /** A user keeps his arm during a canary (signed cookie). Default true. */
  readonly sticky?: boolean | undefined;
  /** Request header that sends a request to the candidate while there is one. Default `canary: true`; null: none. */
  readonly canaryHeader?: { readonly name: string; readonly value: string } | null | undefined;
}

export interface ProxyDeclaration {
  /** Time from the end of the request to the first byte of the answer. Default "30s". */
  readonly responseTimeout?: Duration | undefined;
  /** Time without a byte in either direction before a connection is given up. Default "5m". */
  readonly idleTimeout?: Duration | undefined;
  /** Largest request body. Default "100MB"; null: no limit. */
  readonly maxBody?: Size | null | undefined;
  /** Time for what is in flight while an instance is taken out. Default "30s". */
  readonly drain?: Duration | undefined;
}

export interface LimitsDeclaration {
  /** Memory of an instance. Default null: no limit. */
  readonly memory?: Size | null | undefined;
  /** Processors of an instance, such as 0.5. Default null: no limit. */
  readonly cpus?: number | null | undefined;
}

export interface ServiceGatesDeclaration {
  /** Checks of the candidate before any user reaches it: a path that answers 200, a request, or a command. */
  readonly smoke?: readonly (UrlPath | SmokeRequestDeclaration | SmokeCommandDeclaration)[] | undefined;
  /** SQL migrations, run before the candidate starts; they must suit the stable release, too (expand first, contract later). */
  readonly migrations?: MigrationsDeclaration | null | undefined;
}

export interface SmokeRequestDeclaration {
  readonly path: UrlPath;
  /** Default: method and path. */
  readonly name?: string | undefined;
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS' | undefined;
  /** Status that the answer must have. Default 200. */
  readonly status?: number | undefined;
  /** Text that the answer must contain. */
  readonly body?: string | undefined;
  /** Default "10s". */
  readonly timeout?: Duration | undefined;
}

export interface SmokeCommandDeclaration {
  /** Run in the release's folder with VEZA_PREVIEW_URL set; exit status 0 passes. */
  readonly command: CommandLine;
  /** Default: the command itself. */
  readonly name?: string | undefined;
  /** Default "1m". */
  readonly timeout?: Duration | undefined;
}

export interface MigrationsDeclaration {
  /** Folder of the migrations in the artifact. */
  readonly directory: string;
  /** The PostgreSQL they change. May be left out when the service has exactly one. */
  readonly resource?: string | undefined;
  /** Schema of the database that they run in, made when it is not there. Default: the one that the login begins in, mostly `public`. */
  readonly schema?: string | undefined;
}

/** A backing service. External is reached by a URL that is a secret. */
export interface ResourceDeclaration {
  /**
   * `postgres`: embedded is started by `veza up`. `redis`: external alone. `storage`, for objects such as uploads: embedded is a
   * folder that outlives releases, external an S3 bucket (or a folder that several machines share).
   */
  readonly kind: 'postgres' | 'redis' | 'storage';
  /** Default: `external` when there is a `url`, `embedded` otherwise. */
  readonly mode?: 'embedded' | 'external' | undefined;
  /** Name of the database (embedded PostgreSQL only). Default: the name of the resource. */
  readonly database?: string | undefined;
  /** Where it is (external only): `secret('database-url')`. */
  readonly url?: SecretValue | undefined;
}

export type StrategyDeclaration = CanaryDeclaration | BlueGreenDeclaration | RollingDeclaration;

interface AnyStrategyDeclaration {
  /** Time after the switch in which the old slot stays warm and the analysis can still roll back. Default "5m". */
  readonly watch?: Duration | undefined;
  /** Time that the old slot is kept after the commit, for a rollback in one write. Default "10m". */
  readonly keepWarm?: Duration | undefined;
  /** At least so many ready candidates before the first weight. Default 1. */
  readonly minCandidates?: number | undefined;
  /** What a newer release does to a deployment that is under way. Default `supersede`. */
  readonly onNew?: 'supersede' | 'queue' | 'refuse' | undefined;
  readonly limits?: HardLimitsDeclaration | undefined;
  /** How sure the comparison of releases must be, in a word, and what else is compared. Default `balanced`. */
  readonly analysis?: AnalysisLevel | AnalysisDeclaration | undefined;
  readonly deadlines?: DeadlinesDeclaration | undefined;
}

export interface CanaryDeclaration extends AnyStrategyDeclaration {
  readonly kind: 'canary';
  /**
   * Rising weights of the candidate. Default [5, 25, 50]; the switch to 100 % less `holdback` follows by itself. The first may be
   * `{ mirror: '30s' }`: before any user is exposed.
   */
  readonly steps?:
    | readonly (
        | Percentage
        | { readonly weight: Percentage; readonly hold?: Duration | undefined }
        | MirrorStepDeclaration
      )[]
    | undefined;
  /** Time on a step without `worse`. Default "1m". */
  readonly hold?: Duration | undefined;
  /** Share that stays on stable through the watch window. Default 5. */
  readonly holdback?: Percentage | undefined;
}

/** Copies of requests that cannot change anything (GET and HEAD) go to the candidate; its answers are compared and thrown away. */
export interface MirrorStepDeclaration {
  /** Time without `worse`. */
  readonly mirror: Duration;
  /** Of the safe requests. Default 100. */
  readonly share?: Percentage | undefined;
  /** JSON answers are compared by their shape, too. Default false. */
  readonly shapes?: boolean | undefined;
}

export interface BlueGreenDeclaration extends AnyStrategyDeclaration {
  readonly kind: 'blue-green';
  /** Share that stays on stable through the watch window. Default 0; with one, the verdict has something to compare with. */
  readonly holdback?: Percentage | undefined;
}

export interface RollingDeclaration extends AnyStrategyDeclaration {
  readonly kind: 'rolling';
  /** Instances replaced at a time: a number of them, or a share such as "25%". Default "25%". */
  readonly batch?: number | `${number}%` | undefined;
  /** Time on a batch without `worse`. Default "30s". */
  readonly hold?: Duration | undefined;
}

/** Broken, a release is taken back whatever the comparison says. */
export interface HardLimitsDeclaration {
  /** Default "99%". */
  readonly minSuccess?: Percentage | undefined;
  /** Default "500ms". */
  readonly maxP99?: Duration | undefined;
  /** Requests that an arm must have before these limits are applied. Default 100. */
  readonly minRequests?: number | undefined;
}

/** The longest time in each phase; what happens then is in the guide to rollouts. */
export interface DeadlinesDeclaration {
  /** Default "10m", or "1d" where a person must approve. */
  readonly preparing?: Duration | undefined;
  /** Default "10m". */
  readonly migrating?: Duration | undefined;
  /** Default "10m", or more when the startup probe gives more. */
  readonly starting?: Duration | undefined;
  /** Default "5m". */
  readonly checking?: Duration | undefined;
  /** On one step, and on mirroring, whatever the verdict. Default "30m". */
  readonly stepping?: Duration | undefined;
  /** Default "1m". */
  readonly switched?: Duration | undefined;
  /** Default "5m". */
  readonly reverting?: Duration | undefined;
  /** Default: `keepWarm` and ten minutes. */
  readonly retiring?: Duration | undefined;
  /** Paused for longer than this, a deployment is taken back. Default "4h". */
  readonly paused?: Duration | undefined;
}

/** A place where the platform runs: its own target, settings and gates. */
export interface EnvironmentDeclaration<
  Services extends string = string,
  Resources extends string = string,
  Strategies extends string = string,
  Environments extends string = string,
> {
  readonly target?: TargetDeclaration | undefined;
  /** Settings of services that differ here. Objects are merged, everything else is replaced. */
  readonly overrides?: { readonly [Name in Services]?: ServiceOverride<Strategies> | undefined } | undefined;
  /** Resources that differ here, each replaced as a whole. */
  readonly resources?: { readonly [Name in Resources]?: ResourceDeclaration | undefined } | undefined;
  readonly gates?: EnvironmentGatesDeclaration<Environments> | undefined;
}

export type TargetDeclaration = ProcessTargetDeclaration | DockerTargetDeclaration;

/** Instances are processes of this machine. */
export interface ProcessTargetDeclaration extends TargetEdgeDeclaration {
  readonly kind: 'process';
}

/** Instances are containers of this machine's Docker Engine, in a network of the environment's own. */
export interface DockerTargetDeclaration extends TargetEdgeDeclaration {
  readonly kind: 'docker';
  /** Socket of the Docker Engine. Default "/var/run/docker.sock". */
  readonly socket?: string | undefined;
  /**
   * Network of the environment's own bridge, whose first address is this machine. Default "10.213.0.0/24" for the first environment,
   * "10.213.1.0/24" for the second.
   */
  readonly subnet?: `${string}/${number}` | undefined;
  /**
   * Docker hosts that share the instances, instead of this machine's Engine. Each is reached by your own `ssh`, with your keys and
   * known hosts, or by a socket.
   */
  readonly hosts?: readonly DockerHostDeclaration[] | undefined;
  /** IPv4 address of this machine as instances on `hosts` reach it. Required with `hosts`. */
  readonly machine?: string | undefined;
  /** Hosts that get a release at the same time: the next ones when it is ready on those. Default: all. */
  readonly atATime?: number | undefined;
  /**
   * Image below those of services, by its digest: "registry.example/node@sha256:…". `veza image base` tells the digest of a tag.
   * Default: one made of this machine's own Node.
   */
  readonly base?: `${string}/${string}@sha256:${string}` | undefined;
}

export interface DockerHostDeclaration {
  readonly name: string;
  /** "ssh://deploy@10.0.0.5", or the path of a socket of this machine. */
  readonly engine: string;
  /** IPv4 address at which this machine reaches its instances. */
  readonly address: string;
}

/** What all targets have in common: where users come in, and through what. */
export interface TargetEdgeDeclaration {
  /** Where users come in. Default "127.0.0.1:8080" for the first environment, 8081 for the second, and so on. */
  readonly listen?: `${string}:${number}` | undefined;
  /** Ports for instances and internal addresses. Default "42000-42999" for the first environment, "43000-43999" for the second. */
  readonly ports?: `${number}-${number}` | undefined;
  /** What shares traffic: the built-in gateway, or HAProxy if this machine has it. Default `gateway`. */
  readonly router?: 'gateway' | 'haproxy' | undefined;
  /** Where users come in over TLS; left out or null: nowhere. */
  readonly https?: HttpsDeclaration | null | undefined;
  /** Processes of the gateway that carry traffic. Default: one a processor. */
  readonly workers?: number | undefined;
  /** A line a request, without personal data. True: addresses truncated to their network. Default false. */
  readonly accessLog?: boolean | AccessLogDeclaration | undefined;
  /** Time that WebSockets, event streams and long transfers live on in a gateway process that was replaced. Default "1h". */
  readonly linger?: Duration | undefined;
}

export interface EnvironmentGatesDeclaration<Environments extends string = string> {
  /** A release must have succeeded there before it may come here. Default: `staging` for `production`, if there is one. */
  readonly requires?: Environments | null | undefined;
  /** A person must approve every deployment. Default false. */
  readonly approval?: boolean | undefined;
  /** Accept releases that were built from uncommitted changes. Default true for `development`, false elsewhere. */
  readonly allowDirty?: boolean | undefined;
  /** What a step does whose time passes without traffic: wait for a person, or go on. Default `proceed` for `development` and `staging`, `pause` elsewhere. */
  readonly idle?: 'pause' | 'proceed' | undefined;
}

/**
 * Declares a platform; the default export of `veza.config.ts`. It returns what it is given: its use is that an editor
 * completes the declaration and marks names that do not exist. `veza validate` checks the rest.
 */
export function definePlatform<
  const Services extends string,
  const Resources extends string = never,
  const Strategies extends string = never,
  const Environments extends string = never,
>(
  platform: PlatformDeclaration<Services, Resources, Strategies, Environments>,
): PlatformDeclaration<Services, Resources, Strategies, Environments> {
  return platform;
}
