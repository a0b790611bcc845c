import { createHmac, randomBytes } from 'node:crypto';
import { pino, type DestinationStream, type Logger } from 'pino';
import { looksPersonal } from './personal.ts';
import { traceOf } from './trace.ts';

/**
 * What may stand in a log line. Anything else is dropped, whoever passes it: a new field is added here, with the form that
 * its value must have, or it is never printed. So nothing of a person gets into a log by being forgotten.
 */
export interface LogFields {
  readonly method?: string | undefined;
  /** the template, never the path that was asked for */
  readonly route?: string | undefined;
  readonly status?: number | undefined;
  readonly durationMs?: number | undefined;
  readonly code?: string | undefined;
  readonly reason?: string | undefined;
  readonly outcome?: string | undefined;
  readonly state?: string | undefined;
  readonly kind?: string | undefined;
  readonly operation?: string | undefined;
  readonly dependency?: string | undefined;
  readonly role?: string | undefined;
  readonly alg?: string | undefined;
  readonly attempt?: number | undefined;
  readonly count?: number | undefined;
  readonly bytes?: number | undefined;
  readonly lagMs?: number | undefined;
  readonly port?: number | undefined;
  /** names of settings or columns that are wrong; never their values */
  readonly names?: readonly string[] | undefined;
  /** a person's id; printed as the first 12 digits of an HMAC under a key that this process alone has and forgets */
  readonly person?: string | undefined;
  /** only its class, its code and where it was thrown: messages of errors quote data */
  readonly error?: unknown;
  /** the same as `error`, as pino's users write it */
  readonly err?: unknown;
}

/**
 * A text without gaps to fill: `log.info(fields, 'saved')` compiles, `` log.info(fields, `saved ${name}`) `` does not.
 * What varies goes into a field.
 */
export type StaticText<Text extends string> = {} extends Record<Text, unknown> ? never : Text;

export interface LogMethod {
  <const Text extends string>(message: StaticText<Text>): void;
  <const Text extends string>(fields: LogFields, message: StaticText<Text>): void;
}

export interface Log {
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
  readonly fatal: LogMethod;
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogOptions {
  readonly level: LogLevel;
  /** on every line: service, release, deployment, instance, slot, environment */
  readonly base: Readonly<Record<string, string | undefined>>;
  /** where lines go, instead of standard output */
  readonly to?: { write(line: string): void };
}

const token = /^\w[\w.-]{0,79}$/;
type Form = (value: unknown) => unknown;
const word: Form = (value) =>
  typeof value === 'string' && token.test(value) && !looksPersonal(value) ? value : undefined;
const number: Form = (value) => (typeof value === 'number' && Number.isFinite(value) ? value : undefined);
const template: Form = (value) =>
  typeof value === 'string' && /^[\w./:*{}-]{1,120}$/.test(value) && !looksPersonal(value) ? value : undefined;
const words: Form = (value) => (Array.isArray(value) ? value.map(word).filter((one) => one !== undefined) : undefined);

const forms: Readonly<Record<Exclude<keyof LogFields, 'person' | 'error' | 'err'>, Form>> = {
  method: word,
  route: template,
  status: number,
  durationMs: (value) =>
    typeof value === 'number' && Number.isFinite(value) ? Math.round(value * 10) / 10 : undefined,
  code: word,
  reason: word,
  outcome: word,
  state: word,
  kind: word,
  operation: word,
  dependency: word,
  role: word,
  alg: word,
  attempt: number,
  count: number,
  bytes: number,
  lagMs: number,
  port: number,
  names: words,
};
const allowed = Object.entries(forms);

// Never written anywhere: lines of one process can be brought together, not with a person, and not with those of another.
const personKey = randomBytes(32);

/** A name for a person in the logs of this process alone. */
export function pseudonym(personId: string): string {
  return createHmac('sha256', personKey).update(personId).digest('hex').slice(0, 12);
}

/** Makes the log of a service: JSON lines of allow-listed fields. */
export function createLog(options: LogOptions): Log {
  const base: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.base)) if (value !== undefined) base[name] = value;
  const settings = {
    level: options.level,
    base,
    messageKey: 'message',
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string): { level: string } => ({ level: label }) },
  };
  const lines: Logger =
    options.to === undefined ? pino(settings) : pino(settings, options.to satisfies DestinationStream);
  return {
    debug: method(lines, 'debug'),
    info: method(lines, 'info'),
    warn: method(lines, 'warn'),
    error: method(lines, 'error'),
    fatal: method(lines, 'fatal'),
  };
}

function method(lines: Logger, level: Exclude<LogLevel, 'silent'>): LogMethod {
  return (first: LogFields | string, message?: string): void => {
    if (!lines.isLevelEnabled(level)) return;
    const fields = typeof first === 'string' ? {} : first;
    lines[level](clean(fields), harmless(typeof first === 'string' ? first : message));
  };
}

/** The allow-listed fields of whatever was passed, each in its own form. */
function clean(fields: LogFields): Record<string, unknown> {
  const line: Record<string, unknown> = {};
  if (typeof fields !== 'object' || fields === null) return line;
  for (const [name, form] of allowed) {
    const value = fields[name as keyof LogFields];
    if (value === undefined) continue;
    const formed = form(value);
    if (formed !== undefined) line[name] = formed;
  }
  if (typeof fields.person === 'string') line['person'] = pseudonym(fields.person);
  const error = fields.error ?? fields.err;
  if (error !== undefined && error !== null) line['error'] = describeError(error);
  const trace = traceOf();
  if (trace !== null) {
    line['traceId'] = trace.traceId;
    line['spanId'] = trace.spanId;
  }
  return line;
}

/** Texts are literals by their type; this is for those that come past it. */
function harmless(text: unknown): string {
  return typeof text === 'string' && text.length <= 300 && !looksPersonal(text) ? text : '(withheld)';
}

interface ErrorLine {
  readonly type: string;
  readonly code?: string;
  readonly at?: readonly string[];
  readonly cause?: ErrorLine;
}

const frame =
  /^\s+at (?:(?:async )?[\w.<>$#[\] ]{1,120} \()?(?:file:\/\/|node:|\/)[\w./%+ -]{1,300}:\d{1,7}:\d{1,7}\)?$/;

function describeError(error: unknown, depth = 0): ErrorLine {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code } = error as { code?: unknown };
  const type = word(error.constructor.name);
  const head = `${error.name}: ${error.message}`;
  const stack = error.stack ?? '';
  // A message can have lines that look like frames: the stack counts only from where it ends.
  const at = (stack.startsWith(head) ? stack.slice(head.length) : '')
    .split('\n')
    .filter((line) => frame.test(line) && !line.includes('@'))
    .slice(0, 8)
    .map((line) => line.trim().slice(3));
  const named = word(code);
  return {
    type: typeof type === 'string' ? type : 'Error',
    ...(typeof named === 'string' && { code: named }),
    ...(at.length > 0 && { at }),
    ...(error.cause instanceof Error && depth < 3 && { cause: describeError(error.cause, depth + 1) }),
  };
}
