import { z } from 'zod';
import { IMAGE_RULES, type ImageRuleName } from '../policy/image/rules.ts';
import { flag, listOf, strict, text } from './schema-parts.ts';

/** What is about exceptions themselves cannot be excused. */
const RULES = Object.keys(IMAGE_RULES).filter((rule) => !rule.startsWith('exception-')) as [
  Exclude<ImageRuleName, `exception-${string}`>,
];

const sentence = (least: number, expected: string, description: string): z.ZodString =>
  text(expected).trim().min(least, { error: expected }).describe(description);

const exceptionSchema = strict(
  {
    rule: z.enum(RULES, { error: 'the name of a rule that can be excused, see docs/image-checks.md' }),
    service: text('the name of a service, or nothing for all')
      .nullable()
      .default(null)
      .describe('Default: all services.'),
    where: sentence(
      3,
      'where the finding is, not everything',
      'As the finding says it, or the beginning of that and a `*`.',
    ).regex(/^[^*]{3}/, { error: 'where the finding is, not everything' }),
    reason: sentence(10, 'why, in a sentence', 'Why it may pass.'),
    by: sentence(1, 'who has decided', 'Who has decided.'),
    until: z.iso
      .date({ error: 'a day, such as "2027-01-31"' })
      .describe('The last day on which it holds, UTC; after it the finding is refused again.'),
  },
  'an exception: { rule, where, reason, by, until }',
);

/** What images have to be like, where that is for people to decide. */
export const imagesSchema = strict(
  {
    vulnerabilities: z
      .enum(['low', 'medium', 'high', 'critical', 'none'], { error: '`low`, `medium`, `high`, `critical` or `none`' })
      .describe('The lowest severity that is refused; default high.')
      .optional(),
    refuseUnchecked: flag('Refuse what nobody could look up; default false: it is warned of.').optional(),
    exceptions: listOf(exceptionSchema, 'a list of exceptions').describe('What may pass for a time.').optional(),
  },
  'settings of images: { vulnerabilities, refuseUnchecked, exceptions }',
);

export type DeclaredImages = z.output<typeof imagesSchema>;
