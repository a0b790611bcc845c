import { z } from 'zod';
import type { EvidenceRecord } from '../core/analysis/evidence-record.ts';
import { ANALYSIS_WORDS } from '../core/analysis/settings.ts';
import type { DurationMs, Percent } from '../core/units/quantities.ts';

// What is kept of an analysis, as the API gives it: enough to compute every verdict again.

/** A number whose kind of quantity the compiler knows. */
const quantity = <T extends number>() => z.number() as unknown as z.ZodType<T>;
const list = <T extends z.ZodType>(item: T) => z.array(item).readonly();
const perArm = <T extends z.ZodType>(item: T) => z.object({ stable: item, candidate: item }).readonly();
const latency = list(z.tuple([z.number(), z.number()]).readonly()).describe(
  'bucket and count, ascending; 32 buckets an octave from 100 us',
);

const RouteSecondSchema = z
  .object({
    route: z.string(),
    requests: z.number(),
    bad: z.record(z.string(), z.number()).readonly().describe('by status; `lost`: no instance answered'),
    latency,
  })
  .readonly();

export const FailedRequestSchema = z
  .object({
    route: z.string(),
    status: z.number().describe('0: no instance answered'),
    latencyMs: z.number(),
    traceId: z.string().nullable(),
    requestId: z.string().nullable(),
    instance: z.string().nullable(),
  })
  .readonly();

const ArmSecondSchema = z
  .object({
    requests: z.number(),
    serverErrors: z.number().describe('answers of the instance with status 5xx'),
    gatewayErrors: z.number().describe('requests that no instance answered'),
    clientErrors: z.number(),
    latency,
    waiting: latency.exactOptional(),
    routes: list(RouteSecondSchema).exactOptional(),
    failures: list(FailedRequestSchema).exactOptional(),
  })
  .readonly();

const MirrorSecondSchema = z
  .object({
    pairs: z.number(),
    skipped: z.number(),
    stableErrors: z.number(),
    candidateErrors: z.number(),
    statusDiffers: z.number(),
    sizeDiffers: z.number(),
    shapeDiffers: z.number(),
    latency: perArm(latency),
    routes: list(z.object({ route: z.string(), pairs: z.number(), different: z.number() }).readonly()),
  })
  .readonly();

const MetricCountSchema = z.object({ events: z.number(), total: z.number().nullable() }).readonly();
const MetricSampleSchema = z
  .object({ metric: z.string(), arms: perArm(MetricCountSchema.nullable()) })
  .readonly()
  .describe('what has been counted since the metric was asked before; null: it could not be asked');

const TrafficSecondSchema = z
  .object({
    service: z.string(),
    second: z.number().describe('UTC seconds'),
    arms: perArm(ArmSecondSchema),
    mirror: MirrorSecondSchema.exactOptional(),
    samples: list(MetricSampleSchema).exactOptional(),
  })
  .readonly();

const TrafficMinuteSchema = z
  .object({
    minute: z.number().describe('UTC minutes'),
    observed: z.number().describe('seconds of it that were observed'),
    errors: z
      .object({ seconds: z.number(), total: z.number(), events: z.number(), squares: z.number() })
      .readonly()
      .describe('moments of the errors a second'),
    clientErrors: z.number(),
    latency,
  })
  .readonly();

const weighedMetric = { name: z.string(), weight: z.number(), delta: z.number() };
const MetricSettingsSchema = z.discriminatedUnion('kind', [
  z.object({ ...weighedMetric, kind: z.literal('share') }).readonly(),
  z.object({ ...weighedMetric, kind: z.literal('rate'), better: z.enum(['more', 'fewer']) }).readonly(),
  z
    .object({
      name: z.string(),
      kind: z.literal('limit'),
      min: z.number().nullable(),
      max: z.number().nullable(),
      times: z.number(),
    })
    .readonly(),
]);

const AnalysisSettingsSchema = z
  .object({
    word: z.enum(ANALYSIS_WORDS),
    alpha: z.number(),
    beta: z.number(),
    delta: z.number(),
    allowance: z.number(),
    margin: z.number(),
    slower: z.number(),
    warmUpSeconds: z.number(),
    latencyWarmUpSeconds: z.number(),
    minErrors: z.number(),
    minRequests: z.number(),
    bakeSeconds: z.number(),
    burst: z.number().nullable(),
    horizonSeconds: z.number(),
    metrics: list(MetricSettingsSchema),
  })
  .readonly();

/** One leg's evidence, whole. */
export const EvidenceRecordSchema: z.ZodType<EvidenceRecord> = z
  .object({
    deployment: z.string(),
    leg: z.number().describe('index of the leg'),
    environment: z.string(),
    service: z.string(),
    stable: z.string().nullable(),
    candidate: z.string(),
    settings: z
      .object({
        analysis: AnalysisSettingsSchema,
        limits: z
          .object({ minSuccessPercent: quantity<Percent>(), maxP99Ms: quantity<DurationMs>(), minRequests: z.number() })
          .readonly(),
      })
      .readonly()
      .describe('in force for the whole rollout'),
    past: list(TrafficMinuteSchema).describe('of stable, before the first exposure, at most an hour'),
    seconds: list(
      z
        .object({
          traffic: TrafficSecondSchema,
          weight: z.number().describe('percent for the candidate at the end of the second'),
          phase: z.string(),
          step: z.number(),
        })
        .readonly(),
    ).describe('in the order in which they were judged'),
  })
  .readonly();
