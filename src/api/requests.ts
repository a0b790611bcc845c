import { z } from 'zod';
import { StrategyKindSchema } from './schemas.ts';

// What the API takes. Requests are strict: a field that nobody knows is a mistake, not a wish that is silently ignored.
// `null` for an environment means the platform's default one.

const environment = z.string().min(1).nullable().default(null);
const services = z.array(z.string().min(1)).readonly().default([]).describe('empty means all of the environment');

export const BuildRequestSchema = z
  .strictObject({
    environment,
    services,
    dirty: z.boolean().default(false).describe('build uncommitted changes too'),
    force: z.boolean().default(false).describe('build even if the same source has been built'),
  })
  .readonly();
export type BuildRequest = z.output<typeof BuildRequestSchema>;

export const DeployRequestSchema = z
  .strictObject({
    environment,
    releases: z.array(z.string().min(1)).min(1).readonly().describe('ids or unambiguous prefixes, one a service'),
    strategy: StrategyKindSchema.nullable().default(null).describe('null means what the service declares'),
    order: z
      .enum(['separate', 'together', 'in-order'])
      .default('separate')
      .describe('separate: a deployment for each service; otherwise one train'),
    kind: z.enum(['planned', 'rework']).default('planned'),
    force: z.boolean().default(false).describe('deploy even what already runs, or is on its way'),
  })
  .readonly();
export type DeployRequest = z.output<typeof DeployRequestSchema>;

export const RollbackRequestSchema = z
  .strictObject({
    environment,
    services,
    release: z.string().min(1).nullable().default(null).describe('null means the one before'),
  })
  .readonly();
export type RollbackRequest = z.output<typeof RollbackRequestSchema>;

export const OperationRequestSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('pause') }).readonly(),
  z.strictObject({ kind: z.literal('resume') }).readonly(),
  z.strictObject({ kind: z.literal('promote'), to: z.enum(['next', 'all']).default('next') }).readonly(),
  z.strictObject({ kind: z.literal('abort') }).readonly(),
  z.strictObject({ kind: z.literal('rollback') }).readonly(),
  z.strictObject({ kind: z.literal('retry') }).readonly(),
  z.strictObject({ kind: z.literal('approve') }).readonly(),
]);

/** A page longer than this is no page to be put before a service. */
export const LONGEST_PAGE = 200_000;

export const MaintenanceRequestSchema = z.discriminatedUnion('kind', [
  z
    .strictObject({
      kind: z.literal('on'),
      retryAfterSeconds: z.number().int().min(0).max(86_400).default(300),
      html: z.string().min(1).max(LONGEST_PAGE).nullable().default(null).describe('null means the built-in page'),
    })
    .readonly(),
  z.strictObject({ kind: z.literal('off') }).readonly(),
]);
export type MaintenanceRequest = z.output<typeof MaintenanceRequestSchema>;

export const RunRequestSchema = z
  .strictObject({
    environment,
    service: z.string().min(1),
    release: z.string().min(1).nullable().default(null).describe('null means the stable one'),
    command: z.tuple([z.string().min(1)], z.string()).readonly(),
  })
  .readonly();
export type RunRequest = z.output<typeof RunRequestSchema>;

export const SecretValueSchema = z.strictObject({ value: z.string().min(1).max(65_536) }).readonly();

export const UpRequestSchema = z
  .strictObject({
    environment: environment.describe('null means the default one, and all in which something is deployed'),
  })
  .readonly();
export type UpRequest = z.output<typeof UpRequestSchema>;

export const DownRequestSchema = z
  .strictObject({
    environment: environment.describe('null means all of them, and the control plane itself'),
    keepRunning: z.boolean().default(false).describe('end the control plane alone; instances and gateways go on'),
  })
  .readonly();
export type DownRequest = z.output<typeof DownRequestSchema>;

export const RemovalRequestSchema = z
  .strictObject({ environment, service: z.string().min(1).describe('live, and not declared any more') })
  .readonly();
export type RemovalRequest = z.output<typeof RemovalRequestSchema>;

export const GatewayUpgradeRequestSchema = z.strictObject({ environment }).readonly();

export const GatewayRenewRequestSchema = z
  .strictObject({
    environment,
    host: z.string().min(1).max(255).nullable().default(null).describe('null means all certificates'),
  })
  .readonly();

// Queries arrive as strings.

const flag = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true');
const count = (fallback: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, 'expected a whole number')
    .default(String(fallback))
    .transform(Number);
const optional = z
  .string()
  .min(1)
  .optional()
  .transform((text) => text ?? null);

export const StatusQuerySchema = z.strictObject({ environment: optional }).readonly();

export const DeploymentsQuerySchema = z
  .strictObject({ environment: optional, service: optional, active: flag, limit: count(20) })
  .readonly();
export type DeploymentsFilter = z.output<typeof DeploymentsQuerySchema>;

export const ReleasesQuerySchema = z.strictObject({ service: optional }).readonly();

export const EventsQuerySchema = z
  .strictObject({ environment: optional, deployment: optional, after: count(0), follow: flag })
  .readonly();
export type EventsFilter = Omit<z.output<typeof EventsQuerySchema>, 'after'>;

export const LogsQuerySchema = z
  .strictObject({
    environment: optional,
    /** Comma-separated; absent means all. */
    services: z
      .string()
      .default('')
      .transform((text) => text.split(',').filter((part) => part !== '')),
    tail: count(100),
    follow: flag,
  })
  .readonly();
export type LogsFilter = z.output<typeof LogsQuerySchema>;

export const SecretsQuerySchema = z.strictObject({ environment: optional }).readonly();
