import { z } from 'zod';
import type { AnalysisWord } from '../analysis/settings.ts';
import { ANALYSIS_WORDS } from '../analysis/settings.ts';
import { expected, parsed } from '../units/parsed.ts';
import { nearest } from './nearest.ts';
import { count, either, flag, listOf, strict, text, unit } from './schema-parts.ts';
import { command, duration, percent, urlPath, webUrl } from './schema-values.ts';

const WORD = '`careful`, `balanced` or `fast`';

const word = (description: string): z.ZodType<AnalysisWord, AnalysisWord> =>
  unit(
    (input) => {
      const known = ANALYSIS_WORDS.find((one) => one === input);
      if (known !== undefined) return parsed(known);
      return expected(WORD, typeof input === 'string' ? nearest(input, ANALYSIS_WORDS) : null);
    },
    { description, type: 'string', enum: ANALYSIS_WORDS },
  );

const query = (description: string): z.ZodOptional<z.ZodString> =>
  text('a text')
    .min(1, { error: 'a text that is not empty' })
    .max(4_000, { error: 'a text of at most 4000 characters' })
    .describe(description)
    .optional();

const number = (description: string): z.ZodOptional<z.ZodNumber> =>
  z.number({ error: 'a number' }).describe(description).optional();

const weight = percent('Its share of all evidence; default 10.').optional();
const tolerance = percent('A difference of up to this much is not worse; default: that of the analysis.').optional();
const every = duration('Time between two questions; default 10s.', 1_000).optional();
const timeout = duration('Default 10s.', 100).optional();
const times = count(1, 1_000, 'So often in a row a limit must be broken; default 3.').optional();

const countedOrLimited = {
  better: z.enum(['fewer', 'more']).describe('What is better of the events; default fewer.').optional(),
  weight,
  tolerance,
  min: number('Least value; below it the limit is broken.'),
  max: number('Highest value; above it the limit is broken.'),
  times,
  every,
};

const metric = z.discriminatedUnion(
  'from',
  [
    strict(
      {
        from: z.literal('prometheus').describe('Instant queries of a Prometheus.'),
        url: webUrl('Address of the Prometheus.'),
        events: query('Query of a counter that rises with each event.'),
        total: query('Query of a counter of everything that could have been an event.'),
        value: query('Query of a value that has limits.'),
        ...countedOrLimited,
      },
      'a metric from Prometheus',
    ),
    strict(
      {
        from: z.literal('exported').describe('Prometheus text of the instances.'),
        path: urlPath('Path of the text; default /metrics.').optional(),
        events: query('Counter of events.'),
        total: query('Counter of everything that could have been an event.'),
        value: query('Gauge that has limits.'),
        ...countedOrLimited,
      },
      'a metric that the instances export',
    ),
    strict(
      {
        from: z.literal('command').describe('A program that prints {"events": 3, "total": 100}.'),
        run: command('Asked about the release in VEZA_ARM.'),
        timeout,
        ...countedOrLimited,
      },
      'a metric from a command',
    ),
    strict(
      {
        from: z.literal('webhook').describe("A service that lets a candidate pass or not, by Flagger's contract."),
        url: webUrl('Where it is asked.'),
        metadata: z
          .record(z.string(), text('a text'), { error: 'an object of texts, such as { team: "shop" }' })
          .optional(),
        times,
        every,
        timeout,
      },
      'a metric from a webhook',
    ),
    strict(
      {
        from: z.literal('client-errors').describe('Answers of status 4xx, as the router counts them.'),
        weight,
        tolerance,
      },
      'the metric of client errors',
    ),
  ],
  { error: 'an object with `from`: `prometheus`, `exported`, `command`, `webhook` or `client-errors`' },
);

const journeyStep = strict(
  {
    path: urlPath('Path at the release that is tried.'),
    method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']).optional(),
    headers: z
      .record(z.string(), text('a text'), { error: 'an object of headers, such as { accept: "text/html" }' })
      .optional(),
    send: text('a text').describe('Body of the request.').optional(),
    status: count(100, 599, 'Status that the answer must have; default 200.').optional(),
    body: text('a text').describe('Text that the answer must contain.').optional(),
  },
  'a step with `path`',
);

const journey = strict(
  {
    every: duration('Time between two runs against each release; default 10s.', 1_000).optional(),
    timeout: duration('Of all its steps together; default 10s.', 100).optional(),
    steps: listOf(
      either('a path such as "/", or an object with `path`', [journeyStep, urlPath('GET, answered with 200.')]),
      'a list of steps, such as ["/", "/cart"]',
    )
      .min(1, { error: 'at least one step, such as "/"' })
      .max(50, { error: 'at most 50 steps' })
      .describe('One after another, cookies kept.'),
  },
  'a journey such as { every: "10s", steps: ["/"] }',
);

const settings = strict(
  {
    level: word('What everything comes from that is not said here; default balanced.').optional(),
    falseAlarms: percent(
      'Of releases that are not worse, at most this share is ever taken back; default 1.',
    ).optional(),
    falsePasses: percent(
      'Of releases that are worse, at most this share ever ends a step early; default 5.',
    ).optional(),
    tolerance: percent(
      'Errors more frequent by up to this much are not worse; default 50: 1.5 times as many.',
    ).optional(),
    allowance: percent('So many more errors, of all requests, are not worse either; default 0.').optional(),
    margin: percent(
      'A step ends early when errors are surely no more than by this share of all requests; default 0.5.',
    ).optional(),
    slower: percent('Slower by up to this much is not worse; default 10.').optional(),
    warmUp: duration('Time after the first exposure that says nothing; default 0s.').optional(),
    latencyWarmUp: duration(
      'Time in which latency counts only if most requests take three times as long; default 30s.',
    ).optional(),
    bake: duration('No verdict ends a step earlier; default 20s.').optional(),
    minErrors: count(1, 1_000_000, 'Fewer errors take no candidate back; default 3.').optional(),
    minRequests: count(1, 1_000_000_000, 'With fewer requests no verdict ends a step; default 500.').optional(),
    burst: either('a number of errors from 1, or null to have it estimated', [
      count(1, 1_000_000, 'Errors that one cause makes at once.'),
      z.null(),
    ])
      .describe('Errors that one cause makes at once; default null: estimated.')
      .optional(),
    metrics: z
      .record(z.string(), metric, { error: 'an object of metrics by name' })
      .describe('What is compared besides errors and latency, by name.')
      .optional(),
    journeys: z
      .record(z.string(), journey, { error: 'an object of journeys by name' })
      .describe('What synthetic users do with both releases, by name.')
      .optional(),
  },
  `${WORD}, or an object with \`level\`, \`falseAlarms\`, \`metrics\` and the like`,
);

export const analysisSchema = either(
  `${WORD}, or an object with \`level\`, \`falseAlarms\`, \`metrics\` and the like`,
  [settings, word('Its numbers for everything.')],
).describe('How releases are compared with what runs; default balanced.');

/** Copies before the first weight. */
export const mirrorStep = strict(
  {
    mirror: duration('Time for which copies of safe requests go to the candidate, and no user.', 1_000),
    share: percent('Of the safe requests; default 100.').optional(),
    shapes: flag('JSON answers are compared by their shape, too; default false.').optional(),
  },
  'an object with `mirror`, `share` and `shapes`',
);

export type DeclaredAnalysis = z.output<typeof analysisSchema>;
export type DeclaredMetric = z.output<typeof metric>;
export type DeclaredJourney = z.output<typeof journey>;
