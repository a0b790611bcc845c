import { z } from 'zod';
import { ANALYSIS_WORDS } from '../core/analysis/settings.ts';
import { StrategyKindSchema } from './schemas.ts';

// What a deployment now would do, as the API foretells it.

const list = <T extends z.ZodType>(item: T) => z.array(item).readonly();
const time = z.number().describe('UTC milliseconds');
const perHour = <T extends z.ZodType>(item: T) => z.object({ typical: item, quiet: item }).readonly();

const CommitSchema = z.object({ commit: z.string(), subject: z.string() }).readonly();

const TrafficForecastSchema = z
  .object({
    requestsPerSecond: z.number(),
    errorShare: z.number().describe('0 to 1'),
  })
  .readonly();

const StageForecastSchema = z
  .object({
    name: z.enum(['mirroring', 'step', 'watch']),
    weight: z.number().describe('percent for the candidate; of copies while mirroring'),
    holdMs: z.number().describe('observed milliseconds that it lasts at most when nothing is wrong'),
    wellMs: z.number().nullable().describe('in a typical hour, for a release as good as stable; null without history'),
    smallest: perHour(z.number().nullable()).describe(
      'share of failing requests from which on a fault is found by its end with 90 % probability; null: none is, or nothing is known',
    ),
  })
  .readonly();

const ForecastWarningSchema = z
  .object({
    code: z.enum(['no-comparison', 'slow-to-see', 'starves', 'blind-step']),
    text: z.string(),
    instead: list(z.string()).describe('what could be done, one way an entry'),
  })
  .readonly();

export const ServiceForecastSchema = z
  .object({
    service: z.string(),
    strategy: StrategyKindSchema,
    analysis: z.enum(ANALYSIS_WORDS),
    instances: z.number(),
    live: CommitSchema.unwrap().extend({ release: z.string() }).readonly().nullable(),
    next: CommitSchema.unwrap()
      .extend({
        release: z.string().nullable().describe('null: it would be built'),
        changes: list(z.string()).describe('files that are not committed; empty when clean'),
      })
      .readonly()
      .nullable()
      .describe('what `veza deploy` would bring; null when that is what is live'),
    commits: list(CommitSchema).describe('between the two, newest first, of this service alone'),
    configuration: list(z.string()).describe('keys of the declaration that are other than in what is live'),
    traffic: z
      .object({
        minutes: z.number(),
        from: time,
        to: time,
        typical: TrafficForecastSchema,
        quiet: TrafficForecastSchema,
      })
      .readonly()
      .nullable()
      .describe('of the last week; null when nothing has been observed'),
    stages: list(StageForecastSchema),
    faults: list(z.object({ share: z.number(), seconds: perHour(z.number().nullable()) }).readonly()).describe(
      'seconds after the first user until half of the faults of such a share are found; null: not before the commit',
    ),
    holdsMs: z.number().describe('all stages in full'),
    wellMs: z.number().nullable().describe('all stages of a release as good as stable, in a typical hour'),
    atMostMs: z.number().describe('when it is given up at the latest, if nobody pauses it'),
    warnings: list(ForecastWarningSchema),
  })
  .readonly();
export type ServiceForecastView = z.infer<typeof ServiceForecastSchema>;

export const ForecastGateSchema = z
  .object({
    service: z.string().nullable(),
    gate: z.enum(['source', 'approval', 'requires', 'policy', 'migrations', 'smoke', 'active']),
    state: z.enum(['passes', 'waits', 'refuses']),
    text: z.string(),
    hint: z.string().nullable(),
  })
  .readonly();
export type ForecastGateView = z.infer<typeof ForecastGateSchema>;

export const ForecastSchema = z
  .object({ environment: z.string(), services: list(ServiceForecastSchema), gates: list(ForecastGateSchema) })
  .readonly();
export type ForecastView = z.infer<typeof ForecastSchema>;

export const ForecastRequestSchema = z
  .strictObject({
    services: z.array(z.string().min(1)).readonly().default([]).describe('empty means all of the environment'),
    strategy: StrategyKindSchema.nullable().default(null).describe('null means what the service declares'),
  })
  .readonly();
export type ForecastRequest = z.output<typeof ForecastRequestSchema>;
