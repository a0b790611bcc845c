import { z } from 'zod';
import { analysisSchema, mirrorStep } from './schema-analysis.ts';
import { count, either, listOf, strict } from './schema-parts.ts';
import { batch, duration, percent } from './schema-values.ts';

const hardLimits = strict(
  {
    minSuccess: percent('Least success rate; default 99.').optional(),
    maxP99: duration('Highest 99th percentile of the latency; default 500ms.', 1).optional(),
    minRequests: count(1, 1_000_000, 'Requests that an arm must have before the limits apply; default 100.').optional(),
  },
  'an object with `minSuccess`, `maxP99` and `minRequests`',
).describe('Broken, a release is taken back whatever the comparison says.');

const deadlines = strict(
  {
    preparing: duration('Default 10m, or 1d where a person must approve.', 1_000).optional(),
    migrating: duration('Default 10m.', 1_000).optional(),
    starting: duration('Default 10m, or more when the startup probe gives more.', 1_000).optional(),
    checking: duration('Default 5m.', 1_000).optional(),
    stepping: duration('On one step, and on mirroring, whatever the verdict; default 30m.', 1_000).optional(),
    switched: duration('Default 1m.', 1_000).optional(),
    reverting: duration('Default 5m.', 1_000).optional(),
    retiring: duration('Default: keepWarm and ten minutes.', 1_000).optional(),
    paused: duration('Default 4h.', 1_000).optional(),
  },
  'an object with the deadlines of phases, such as { starting: "10m" }',
).describe('The longest time in each phase.');

const common = {
  watch: duration('Time after the switch in which the analysis can still roll back; default 5m.').optional(),
  keepWarm: duration('Time that the old slot is kept after the commit; default 10m.').optional(),
  minCandidates: count(1, 10_000, 'At least so many ready candidates before the first weight; default 1.').optional(),
  onNew: z
    .enum(['supersede', 'queue', 'refuse'])
    .describe('What a newer release does to a deployment that is under way; default supersede.')
    .optional(),
  limits: hardLimits.optional(),
  analysis: analysisSchema.optional(),
  deadlines: deadlines.optional(),
};

const step = either(
  'a weight between 0 and 100 such as 5, or an object such as { weight: 5, hold: "1m" } or { mirror: "30s" }',
  [
    strict(
      { weight: percent('Share of traffic for the candidate.'), hold: duration('Time on this step.').optional() },
      'an object with `weight` and `hold`',
    ),
    mirrorStep,
    percent('Share of traffic for the candidate.'),
  ],
);

const canary = strict(
  {
    kind: z.literal('canary').describe('Rising weights, compared with stable all the while.'),
    steps: listOf(step, 'a list of weights, such as [5, 25, 50]')
      .describe('Rising weights, and before them { mirror: "30s" } if wanted; default 5, 25, 50.')
      .optional(),
    hold: duration('Time on a step without `worse`; default 1m.').optional(),
    holdback: percent('Share that stays on stable through the watch window; default 5.').optional(),
    ...common,
  },
  'a canary strategy',
);

const blueGreen = strict(
  {
    kind: z.literal('blue-green').describe('All traffic at once, the old slot kept warm.'),
    holdback: percent('Share that stays on stable through the watch window; default 0.').optional(),
    ...common,
  },
  'a blue-green strategy',
);

const rolling = strict(
  {
    kind: z.literal('rolling').describe('Instances replaced batch by batch.'),
    batch: batch.optional(),
    hold: duration('Time on a batch without `worse`; default 30s.').optional(),
    ...common,
  },
  'a rolling strategy',
);

export const STRATEGY_KINDS = ['canary', 'blue-green', 'rolling'] as const;

/** A strategy as one writes it out. */
export const strategySchema = z.discriminatedUnion('kind', [canary, blueGreen, rolling], {
  error: 'an object with `kind`: `canary`, `blue-green` or `rolling`',
});

export type DeclaredStrategy = z.output<typeof strategySchema>;
