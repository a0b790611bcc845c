import { z } from 'zod';

// What the API answers with. Everything is readonly, so that values of the core fit without a copy; absent is `null`.

const list = <T extends z.ZodType>(item: T) => z.array(item).readonly();
const time = z.number().describe('UTC milliseconds');

export const SlotSchema = z.enum(['blue', 'green']);
export const StrategyKindSchema = z.enum(['rolling', 'blue-green', 'canary']);
export const DeploymentKindSchema = z.enum(['planned', 'rework', 'rollback']);
export const VerdictSchema = z.enum(['worse', 'not-worse', 'undecided']);

const ACTIVE_PHASES = [
  'pending',
  'preparing',
  'migrating',
  'starting',
  'checking',
  'mirroring',
  'stepping',
  'switched',
  'watching',
  'committing',
  'retiring',
  'reverting',
  'stuck',
] as const;
export const PhaseSchema = z.enum([...ACTIVE_PHASES, 'succeeded', 'reverted', 'refused']);
export type PhaseName = z.infer<typeof PhaseSchema>;

export const StageSchema = z.enum([
  'working',
  'scaling',
  'routing',
  'holding',
  'recording',
  'adopting',
  'draining',
  'warm',
  'stopping',
]);

export const SlotReleaseSchema = z.object({ release: z.string(), slot: SlotSchema }).readonly();
export type SlotReleaseView = z.infer<typeof SlotReleaseSchema>;

/** One arm over the last 10 s (`recent`) and since the candidate first had traffic (`total`). */
export const ArmTrafficSchema = z
  .object({
    requestsPerSecond: z.number(),
    errorPercent: z.number().nullable().describe('5xx answers and gateway errors; null without requests'),
    p50Ms: z.number().nullable(),
    p99Ms: z.number().nullable(),
    totalRequests: z.number(),
    totalErrors: z.number().describe('5xx answers that an instance gave'),
    totalLost: z.number().describe('requests that no instance answered: refused, reset, timed out, cut short'),
  })
  .readonly();
export type ArmTrafficView = z.infer<typeof ArmTrafficSchema>;

const ArmEvidenceSchema = z
  .object({
    requests: z.number(),
    errors: z.number(),
    p50Ms: z.number().nullable(),
    p99Ms: z.number().nullable(),
  })
  .readonly();

const MetricTotalsSchema = z.object({ events: z.number(), total: z.number() }).readonly();

export const MetricEvidenceSchema = z
  .object({
    metric: z.string().describe('`errors`, `latency p99`, or the name that was declared'),
    worse: z.number().describe('e-value that the candidate is worse in this metric'),
    needed: z.number().describe('by itself it takes the release back at this'),
    notWorse: z.number().nullable().describe('e-value that it is not; null: no promotion waits for this metric'),
    shownAt: z.number().describe('not worse counts as shown from here on'),
    dispersion: z.number().describe('how many events come at once; each counts as one by so many'),
    candidate: MetricTotalsSchema,
    stable: MetricTotalsSchema,
  })
  .readonly();

export const EvidenceSchema = z
  .object({
    summary: z.string(),
    candidate: ArmEvidenceSchema,
    stable: ArmEvidenceSchema,
    metrics: list(MetricEvidenceSchema).exactOptional(),
    worse: z.number().exactOptional().describe('combined e-value that the candidate is worse'),
    threshold: z.number().exactOptional().describe('the combined e-value at which it is taken back'),
    rule: z
      .enum(['comparison', 'past', 'limits', 'breaker', 'mirror', 'metric-limit'])
      .nullable()
      .exactOptional()
      .describe('what the verdict rests on; null while there is none'),
    since: z.number().nullable().exactOptional().describe('UTC seconds since when the candidate is worse, about'),
  })
  .readonly();

export const LegSchema = z
  .object({
    service: z.string(),
    strategy: StrategyKindSchema,
    stable: SlotReleaseSchema.nullable(),
    candidate: SlotReleaseSchema,
    weight: z.number().describe('percent for the candidate, acknowledged by the router'),
    wanted: z.number().describe('candidate instances asked for'),
    ready: z.number().describe('candidate instances ready'),
    instances: z.number().describe('full size of a slot'),
    stableReady: z.number().nullable(),
    note: z
      .string()
      .nullable()
      .describe('why the candidate is not (all) ready, or which metric cannot be asked, in words'),
    verdict: VerdictSchema,
    evidence: EvidenceSchema.nullable(),
    traffic: z.object({ stable: ArmTrafficSchema, candidate: ArmTrafficSchema }).readonly().nullable(),
    url: z.string().nullable().describe('public address of the service'),
    group: z.number().describe('index of the group it belongs to'),
  })
  .readonly();
export type LegView = z.infer<typeof LegSchema>;

export const HoldSchema = z.object({ reason: z.string(), since: time, text: z.string() }).readonly();

export const DeploymentSchema = z
  .object({
    id: z.string(),
    environment: z.string(),
    kind: DeploymentKindSchema,
    order: z.enum(['together', 'in-order']),
    requestedBy: z.string(),
    approvedBy: z.string().nullable(),
    phase: PhaseSchema,
    stage: StageSchema,
    group: z.number().describe('index of the active group'),
    groups: z.number(),
    step: z.number().describe('index of the active step while stepping'),
    steps: list(z.number()).describe('weights of the active group'),
    legs: list(LegSchema),
    waitsFor: z.string().nullable().describe('one sentence; null when it waits for nothing or has ended'),
    until: time.nullable().describe('when the phase is given up or the wait ends'),
    holds: list(HoldSchema),
    reason: z
      .object({ code: z.string(), service: z.string().nullable(), text: z.string() })
      .readonly()
      .nullable()
      .describe('why it was refused or taken back'),
    startedAt: time,
    phaseSince: time,
    committedAt: time.nullable(),
    endedAt: time.nullable(),
    warmUntil: time.nullable(),
    supersededBy: z.string().nullable(),
    summary: z.string().describe('one sentence that says what happened or happens'),
  })
  .readonly();
export type DeploymentView = z.infer<typeof DeploymentSchema>;

export const InstanceSchema = z
  .object({
    id: z.string(),
    slot: SlotSchema,
    release: z.string(),
    state: z.string(),
    address: z.string().describe('host:port'),
    metrics: z.string().nullable().describe('host:port of its metrics, which users cannot reach; null: none'),
    pid: z.number().nullable(),
    startedAt: time,
    restarts: z.number(),
    reason: z.string().nullable(),
  })
  .readonly();
export type InstanceView = z.infer<typeof InstanceSchema>;

export const MaintenanceSchema = z.object({ since: time, by: z.string(), retryAfterSeconds: z.number() }).readonly();

/** Answer to a decision about maintenance. */
export const MaintenanceAnswerSchema = z
  .object({
    environment: z.string(),
    service: z.string(),
    maintenance: MaintenanceSchema.nullable().describe('null when the service is open'),
    inForce: z.boolean().describe('false when the gateway could not be told yet; it will be'),
  })
  .readonly();
export type MaintenanceAnswer = z.infer<typeof MaintenanceAnswerSchema>;

export const ServiceStatusSchema = z
  .object({
    environment: z.string(),
    service: z.string(),
    declared: z
      .boolean()
      .describe('false: it is live, but the declaration does not name it any more; it stays until it is removed'),
    stable: SlotReleaseSchema.nullable().describe('null when nothing is deployed'),
    candidate: SlotReleaseSchema.nullable(),
    weight: z.number().describe('percent for the candidate'),
    ready: z.number().describe('stable instances ready'),
    wanted: z.number(),
    warm: z
      .object({ release: z.string(), slot: SlotSchema, until: time })
      .readonly()
      .nullable()
      .describe('old slot that still runs: going back is one router write'),
    deployment: z.string().nullable().describe('the active one'),
    phase: PhaseSchema.nullable(),
    url: z.string().nullable(),
    internalUrl: z.string().nullable(),
    instances: list(InstanceSchema),
    deployedAt: time.nullable(),
    maintenance: MaintenanceSchema.nullable().describe('users get a page instead of the service; null when it is open'),
    note: z.string().nullable().describe('what is not well, in words'),
  })
  .readonly();
export type ServiceStatusView = z.infer<typeof ServiceStatusSchema>;

export const ResourceSchema = z
  .object({
    environment: z.string(),
    name: z.string(),
    kind: z.string(),
    state: z.string(),
    address: z.string().nullable(),
  })
  .readonly();

export const StatusSchema = z
  .object({
    platform: z.string(),
    services: list(ServiceStatusSchema),
    resources: list(ResourceSchema),
    notes: list(z.string()).describe('what the control plane cannot do right now, in words'),
  })
  .readonly();
export type StatusView = z.infer<typeof StatusSchema>;

export const ReleaseSchema = z
  .object({
    id: z.string(),
    service: z.string(),
    artifact: z.string(),
    artifactBytes: z.number(),
    configuration: z.string(),
    commit: z.string(),
    subject: z.string(),
    dirty: z.boolean(),
    builder: z.string(),
    builtAt: time,
    deployedIn: list(
      z.object({ environment: z.string(), slot: SlotSchema, role: z.enum(['stable', 'candidate', 'warm']) }).readonly(),
    ),
  })
  .readonly();
export type ReleaseView = z.infer<typeof ReleaseSchema>;

export const BuildProgressSchema = z
  .object({
    service: z.string(),
    stage: z.enum(['source', 'command', 'output', 'packing', 'storing', 'built', 'reused']),
    text: z.string().describe('the command, a line of its output, or what is being done'),
  })
  .readonly();
export type BuildProgressView = z.infer<typeof BuildProgressSchema>;

export const BuildSchema = z
  .object({ releases: list(ReleaseSchema.unwrap().extend({ reused: z.boolean() }).readonly()) })
  .readonly();
export type BuildView = z.infer<typeof BuildSchema>;

/** One entry of the journal, readable by people (`text`) and machines (`data`). */
export const EventSchema = z
  .object({
    seq: z.number().describe('position in the journal; resume after it'),
    at: time,
    environment: z.string(),
    deployment: z.string().nullable(),
    service: z.string().nullable(),
    type: z.string(),
    text: z.string(),
    data: z.unknown(),
  })
  .readonly();
export type EventView = z.infer<typeof EventSchema>;

export const LogLineSchema = z
  .object({
    time,
    environment: z.string(),
    service: z.string(),
    instance: z.string(),
    release: z.string(),
    stream: z.enum(['stdout', 'stderr']),
    text: z.string(),
  })
  .readonly();
export type LogLineView = z.infer<typeof LogLineSchema>;

export const RunOutputSchema = z
  .object({ stream: z.enum(['stdout', 'stderr']), base64: z.string().describe('the bytes, base64') })
  .readonly();
export type RunOutputView = z.infer<typeof RunOutputSchema>;

export const RunSchema = z.object({ exitStatus: z.number() }).readonly();

export const SecretSchema = z
  .object({
    environment: z.string(),
    name: z.string(),
    setAt: time.nullable().describe('null when it is referred to and not set'),
    usedBy: list(z.string()),
  })
  .readonly();
export type SecretView = z.infer<typeof SecretSchema>;

export const CheckSchema = z
  .object({
    name: z.string(),
    state: z.enum(['ok', 'warning', 'missing']),
    text: z.string(),
    fix: z.string().nullable().describe('the command or step that fixes it'),
  })
  .readonly();
export type CheckView = z.infer<typeof CheckSchema>;

export const UpProgressSchema = z.object({ text: z.string() }).readonly();
export type UpProgressView = z.infer<typeof UpProgressSchema>;

export const UpSchema = z
  .object({ started: list(z.string()).describe('environments that were down; their instances may not be ready yet') })
  .readonly();
export type UpView = z.infer<typeof UpSchema>;

export const DownProgressSchema = z.object({ text: z.string() }).readonly();
export type DownProgressView = z.infer<typeof DownProgressSchema>;

export const DownSchema = z
  .object({
    stopped: list(z.object({ environment: z.string(), service: z.string(), instances: z.number() }).readonly()),
    controlPlaneEnds: z.boolean().describe('the control plane ends after this answer'),
  })
  .readonly();
export type DownView = z.infer<typeof DownSchema>;

export const RemovalProgressSchema = z.object({ text: z.string() }).readonly();
export type RemovalProgressView = z.infer<typeof RemovalProgressSchema>;

export const RemovalSchema = z
  .object({ environment: z.string(), service: z.string(), instances: z.number().describe('how many it had') })
  .readonly();
export type RemovalView = z.infer<typeof RemovalSchema>;

const AddressSchema = z.object({ host: z.string(), port: z.number() }).readonly();

export const GatewaySchema = z
  .object({
    environment: z.string(),
    haproxy: z
      .object({ pid: z.number(), http: AddressSchema, https: AddressSchema.nullable() })
      .readonly()
      .nullable()
      .describe('the router that users reach, when it is HAProxy: this gateway only carries its streams then'),
    pid: z.number().describe('of the supervisor'),
    version: z.string(),
    generation: z.number().describe('counts replacements'),
    since: time,
    http: AddressSchema,
    https: AddressSchema.nullable(),
    workers: list(
      z
        .object({
          pid: z.number(),
          generation: z.number(),
          state: z.enum(['starting', 'active', 'retired']).describe('retired: finishes what it carries, then ends'),
          since: time,
          load: z
            .object({
              inFlight: z.number(),
              streams: z.number(),
              queued: z.number(),
              connections: z.number(),
              memoryBytes: z.number(),
            })
            .readonly()
            .nullable()
            .describe('null: it did not say in time'),
        })
        .readonly(),
    ),
    queues: list(z.object({ service: z.string(), queued: z.number() }).readonly()).describe(
      'requests that wait for an instance with room',
    ),
    certificates: list(
      z
        .object({
          source: z.enum(['files', 'development', 'acme']),
          hosts: list(z.string()),
          shown: z
            .enum(['real', 'placeholder', 'nothing'])
            .describe('to clients; placeholder: signed by the gateway itself until there is a real one'),
          expiresAt: time.nullable().describe('of what is shown'),
          renewAt: time.nullable().describe('null: nobody but you renews it'),
          warning: z.string().nullable().describe('why the last order failed, and what happens next'),
          note: z.string().nullable().describe('what to do once, such as trusting the authority for development'),
        })
        .readonly(),
    ),
    services: z.number(),
    persisted: z.boolean().describe('false: a restart would serve an older table, because the disk cannot be written'),
    warnings: list(z.string()),
  })
  .readonly();
export type GatewayView = z.infer<typeof GatewaySchema>;

export const GatewayProgressSchema = z.object({ text: z.string() }).readonly();
export type GatewayProgressView = z.infer<typeof GatewayProgressSchema>;

export const InfoSchema = z
  .object({
    version: z.string(),
    node: z.string(),
    pid: z.number(),
    startedAt: time,
    platform: z.string(),
    projectDir: z.string(),
    stateDir: z.string(),
    defaultEnvironment: z.string().describe('what a request without environment means'),
    environments: list(
      z
        .object({
          name: z.string(),
          url: z.string().nullable().describe('where the gateway listens for users'),
          gatewayPid: z.number().nullable(),
          services: list(z.string()),
          resources: list(z.string()),
          approval: z.boolean(),
        })
        .readonly(),
    ),
  })
  .readonly();
export type InfoView = z.infer<typeof InfoSchema>;

/** What a deployment or rollback request led to; a service that already runs the release is in `unchanged`. */
export const DeployAnswerSchema = z
  .object({
    deployments: list(DeploymentSchema),
    unchanged: list(z.object({ service: z.string(), release: z.string() }).readonly()),
  })
  .readonly();
export type DeployAnswer = z.infer<typeof DeployAnswerSchema>;
