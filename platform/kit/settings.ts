import { z } from 'zod';
import { LOG_LEVELS } from './log.ts';

/** Forms of settings that several services share. All come as text from the environment. */
export const setting = {
  /** a key or password: at least 32 characters, never shown */
  secret: () => z.string().min(32),
  /** a secret that travels in a header of HTTP (a b64token of RFC 6750 and what else is visible there) */
  headerSecret: () =>
    z
      .string()
      .min(32)
      .regex(/^[\x21-\x7e]*$/, 'must be visible ASCII without spaces'),
  /** an address of another service or of a backing service */
  url: (...protocols: readonly string[]) =>
    z
      .string()
      .refine((text) => URL.canParse(text) && (protocols.length === 0 || protocols.includes(new URL(text).protocol)), {
        error: protocols.length === 0 ? 'must be a URL' : `must be a URL that begins with ${protocols.join(' or ')}`,
      }),
  integer: (least: number, most: number) =>
    z
      .string()
      .regex(/^-?\d{1,15}$/, 'must be a whole number')
      .transform(Number)
      .refine((value) => value >= least && value <= most, `must be a number from ${least} to ${most}`),
  flag: () => z.enum(['true', 'false', '1', '0']).transform((text) => text === 'true' || text === '1'),
  /** words between commas */
  list: () =>
    z.string().transform((text) =>
      text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== ''),
    ),
};

/** What every service reads from its environment. */
export const baseSettings = z.object({
  HOST: z.string().min(1).default('127.0.0.1'),
  /** 0: any free port, for tests */
  PORT: setting.integer(0, 65_535).default(8080),
  /** 0 or absent: no metrics; `any`: any free port, for tests */
  METRICS_PORT: z.literal('any').or(setting.integer(0, 65_535)).default(0),
  LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
  VEZA_SERVICE: z.string().optional(),
  VEZA_RELEASE: z.string().optional(),
  VEZA_INSTANCE: z.string().optional(),
  VEZA_SLOT: z.string().optional(),
  VEZA_ENVIRONMENT: z.string().optional(),
  VEZA_DEPLOYMENT: z.string().optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: setting.url('http:', 'https:').optional(),
  /** share of the traces beginning here that are recorded */
  OTEL_TRACES_SAMPLER_ARG: z
    .string()
    .regex(/^(?:0(?:\.\d{1,9})?|1(?:\.0{1,9})?)$/, 'must be a number from 0 to 1')
    .transform(Number)
    .default(1),
  /** how long a drain may take, in milliseconds, before what is left is cut off */
  DRAIN_TIMEOUT_MS: setting.integer(0, 3_600_000).default(25_000),
});
export type BaseSettings = z.output<typeof baseSettings>;

export interface SettingMistake {
  readonly name: string;
  /** what is wrong; never the value */
  readonly wrong: string;
}

/** Thrown for an environment that a service cannot run with: names every mistake at once, and no value. */
export class SettingsRefused extends Error {
  readonly mistakes: readonly SettingMistake[];

  constructor(mistakes: readonly SettingMistake[]) {
    super(['The environment is not right:', ...mistakes.map(({ name, wrong }) => `  ${name}: ${wrong}`)].join('\n'));
    this.name = 'SettingsRefused';
    this.mistakes = mistakes;
  }
}

/**
 * Reads the settings of a service. An empty variable is taken for an absent one.
 *
 * @throws SettingsRefused with all mistakes of both
 */
export function readSettings<Shape extends z.ZodType>(
  shape: Shape,
  environment: Readonly<Record<string, string | undefined>>,
): z.output<Shape> & BaseSettings {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  const base = baseSettings.safeParse(given);
  const own = shape.safeParse(given);
  const mistakes = new Map<string, string>();
  for (const issue of [...(base.error?.issues ?? []), ...(own.error?.issues ?? [])]) {
    const name = String(issue.path[0] ?? '(all)');
    if (!mistakes.has(name)) mistakes.set(name, withoutValues(explain(issue, given[name]), given));
  }
  if (!base.success || !own.success) {
    throw new SettingsRefused([...mistakes].map(([name, wrong]) => ({ name, wrong })).toSorted(byName));
  }
  return { ...base.data, ...(own.data as object) } as z.output<Shape> & BaseSettings;
}

const byName = (a: SettingMistake, b: SettingMistake): number => (a.name < b.name ? -1 : 1);

function explain(issue: z.core.$ZodIssue, value: string | undefined): string {
  if (value === undefined) return 'is missing';
  switch (issue.code) {
    case 'too_small':
      return `must be at least ${String(issue.minimum)} ${issue.origin === 'string' ? 'characters long' : ''}`.trimEnd();
    case 'too_big':
      return `must be at most ${String(issue.maximum)} ${issue.origin === 'string' ? 'characters long' : ''}`.trimEnd();
    case 'invalid_value':
      return `must be one of: ${issue.values.map(String).join(', ')}`;
    case 'invalid_union':
      return 'has none of the forms that are allowed';
    default:
      return issue.message;
  }
}

/** No message repeats what a variable holds, whatever a schema wrote into it. */
function withoutValues(text: string, given: Readonly<Record<string, string | undefined>>): string {
  let clean = text;
  for (const value of Object.values(given)) {
    if (value !== undefined && value.length >= 6) clean = clean.replaceAll(value, '…');
  }
  return clean;
}
