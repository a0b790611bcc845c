import { z } from 'zod';
import { FailedRequestSchema } from './evidence-schemas.ts';
import { MetricEvidenceSchema, VerdictSchema } from './schemas.ts';

// Why a deployment was judged as it was.

const list = <T extends z.ZodType>(item: T) => z.array(item).readonly();
const time = z.number().describe('UTC milliseconds');
const totals = z.object({ events: z.number(), total: z.number() }).readonly();

const RouteFindingSchema = z
  .object({
    route: z.string().describe('`GET /orders/:id`'),
    kind: z.enum(['errors', 'client-errors', 'slow', 'differs']),
    certainty: z
      .enum(['found', 'suspected'])
      .describe('of all routes that are found at most 5 % are innocent, on average; suspected ones are not excluded'),
    evidence: z.number().nullable().describe('e-value that the candidate is worse on this route'),
    candidate: totals,
    stable: totals,
    excess: z.number().describe("events of the candidate minus what stable's rate would have given"),
    low: z.number().describe('of the excess, with 95 % certainty'),
    high: z.number(),
    statuses: z.record(z.string(), z.number()).readonly().describe('of the candidate; `lost`: no instance answered'),
    slowerThanMs: z.number().nullable().describe('slow is what takes longer'),
  })
  .readonly();

const FailureSchema = FailedRequestSchema.unwrap().extend({ at: time }).readonly();

const KeptSchema = z
  .object({
    from: time,
    to: time,
    seconds: z.number(),
    worseAt: time.nullable().describe('end of the first second with the verdict `worse`'),
    requests: z.number().describe('of the candidate'),
    errors: z.number(),
    attribution: z
      .object({
        routes: list(RouteFindingSchema).describe('found ones by excess, then suspected ones by evidence'),
        tested: z.number().describe('routes and kinds that were tested at once'),
        counted: z.boolean().describe('false: the router did not count by route'),
      })
      .readonly(),
    failures: list(FailureSchema).describe('a few of the failed requests'),
  })
  .readonly();

const LogEvidenceSchema = z
  .object({
    time,
    instance: z.string(),
    stream: z.enum(['stdout', 'stderr']),
    text: z.string().describe('without secrets, addresses and the like'),
    id: z.string().nullable().describe('trace or request of a failed request that the line names'),
    times: z.number().describe('lines that said the same but for numbers'),
  })
  .readonly();

const ReleaseFactsSchema = z
  .object({ release: z.string(), commit: z.string(), subject: z.string(), dirty: z.boolean() })
  .readonly();

const CommitSchema = z.object({ commit: z.string(), subject: z.string(), at: time }).readonly();

const ChangesSchema = z
  .object({
    from: ReleaseFactsSchema,
    to: ReleaseFactsSchema,
    artifact: z.enum(['same', 'changed']),
    commits: z
      .object({ added: list(CommitSchema), removed: list(CommitSchema) })
      .readonly()
      .nullable()
      .describe('that touch the source or the declaration, newest first; null: the project has not both commits'),
    configuration: list(
      z
        .object({
          key: z.string(),
          kind: z.enum(['added', 'removed', 'changed']),
          before: z.string().nullable().describe('JSON'),
          after: z.string().nullable(),
          masked: z.boolean().describe('values are not shown: they may be secret'),
        })
        .readonly(),
    ),
  })
  .readonly();

export const LegExplanationSchema = z
  .object({
    service: z.string(),
    verdict: VerdictSchema,
    summary: z.string().nullable().describe('null before anything was judged'),
    rule: z
      .enum(['comparison', 'past', 'limits', 'breaker', 'mirror', 'metric-limit'])
      .nullable()
      .describe('what the verdict rests on; null while there is none'),
    metric: z.string().nullable().describe('that says most against the candidate'),
    worse: z.number().nullable().describe('combined e-value that the candidate is worse'),
    threshold: z.number().nullable(),
    metrics: list(MetricEvidenceSchema),
    ratio: z
      .object({ estimate: z.number().nullable(), low: z.number(), high: z.number().nullable(), alpha: z.number() })
      .readonly()
      .nullable()
      .describe("candidate's share of that metric by stable's, with an interval that holds at every look"),
    since: time.nullable().describe('since when the candidate is worse, about'),
    kept: KeptSchema.nullable().describe('null: no seconds of it are kept (any more)'),
    logs: list(LogEvidenceSchema),
    changes: ChangesSchema.nullable().describe('null: there was nothing before, or a release is not kept any more'),
    notes: list(z.string()).describe('what could not be found out, and why'),
  })
  .readonly();
export type LegExplanationView = z.infer<typeof LegExplanationSchema>;

export const ExplanationSchema = z
  .object({ deployment: z.string(), environment: z.string(), legs: list(LegExplanationSchema) })
  .readonly();
export type ExplanationView = z.infer<typeof ExplanationSchema>;
