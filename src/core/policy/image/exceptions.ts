import { type Finding, finding, IMAGE_RULES, type ImageRuleName } from './rules.ts';

/** Somebody's decision to let one finding pass for a time. */
export interface ImageException {
  readonly rule: ImageRuleName;
  /** The service that it is for; null for all. */
  readonly service: string | null;
  /** What the finding is about: `where` of it, or the beginning of that with a `*` at the end. */
  readonly where: string;
  readonly reason: string;
  /** Who has decided. */
  readonly by: string;
  /** The last day on which it holds, `YYYY-MM-DD`, UTC. */
  readonly until: string;
}

export interface Excused {
  readonly finding: Finding;
  readonly exception: ImageException;
}

export interface Judged {
  readonly findings: readonly Finding[];
  readonly excused: readonly Excused[];
}

/** Nobody decides for longer: what was harmless is looked at again. */
export const LONGEST_EXCEPTION_DAYS = 366;
const DAY_MS = 86_400_000;

/** These are about exceptions themselves, or about what nobody could see: there is nothing to excuse. */
const NEVER_EXCUSED: ReadonlySet<ImageRuleName> = new Set(['exception-expired', 'exception-unused']);

/**
 * What is wrong with the exceptions as they are written, in words for the person who wrote them.
 *
 * @param now milliseconds since 1970
 */
export function exceptionMistakes(exceptions: readonly ImageException[], now: number): readonly string[] {
  return exceptions.flatMap((exception, index) => {
    const at = `exceptions[${index}]`;
    const end = endOf(exception.until);
    return [
      Object.hasOwn(IMAGE_RULES, exception.rule) ? null : `${at}.rule: there is no rule \`${exception.rule}\``,
      NEVER_EXCUSED.has(exception.rule) ? `${at}.rule: \`${exception.rule}\` cannot be excused` : null,
      exception.where.replace(/\*$/, '').trim().length < 3
        ? `${at}.where: names what it is about, not everything`
        : null,
      exception.reason.trim().length < 10 ? `${at}.reason: says why, in a sentence` : null,
      exception.by.trim() === '' ? `${at}.by: names who has decided` : null,
      end === null ? `${at}.until: a day, as in 2027-01-31` : null,
      end !== null && end > now + (LONGEST_EXCEPTION_DAYS + 1) * DAY_MS
        ? `${at}.until: at most ${LONGEST_EXCEPTION_DAYS} days from now`
        : null,
    ].filter((mistake) => mistake !== null);
  });
}

/** The moment after the last one of a day; null when it is none. */
function endOf(day: string): number | null {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day)) return null;
  const start = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(start) || new Date(start).toISOString().slice(0, 10) !== day ? null : start + DAY_MS;
}

/**
 * Lets what is excused pass. An exception that has run out excuses nothing and is itself a finding; so is one that excuses nothing.
 *
 * @param service whose image it is
 * @param now milliseconds since 1970
 */
export function applyExceptions(
  findings: readonly Finding[],
  exceptions: readonly ImageException[],
  service: string,
  now: number,
): Judged {
  const ours = exceptions.filter((exception) => exception.service === null || exception.service === service);
  const inForce = ours.filter((exception) => !isOver(exception, now) && !NEVER_EXCUSED.has(exception.rule));
  const excused: Excused[] = [];
  const left: Finding[] = [];
  for (const one of findings) {
    const exception = inForce.find((candidate) => isAbout(candidate, one));
    if (exception === undefined) left.push(one);
    else excused.push({ finding: one, exception });
  }
  const expired = ours.filter((exception) => isOver(exception, now));
  const unused = inForce.filter(
    (exception) => exception.service === service && !excused.some((one) => one.exception === exception),
  );
  return {
    findings: [
      ...left,
      ...expired.map((exception) =>
        finding(
          'exception-expired',
          'refuse',
          exception.where,
          `${exception.rule}, by ${exception.by}, ended on ${exception.until}`,
        ),
      ),
      ...unused.map((exception) =>
        finding(
          'exception-unused',
          'warn',
          exception.where,
          `${exception.rule}, by ${exception.by}, until ${exception.until}`,
        ),
      ),
    ],
    excused,
  };
}

/** What is no day has no future. */
const isOver = ({ until }: ImageException, now: number): boolean => now >= (endOf(until) ?? 0);

function isAbout(exception: ImageException, one: Finding): boolean {
  if (exception.rule !== one.rule) return false;
  return exception.where.endsWith('*')
    ? one.where.startsWith(exception.where.slice(0, -1)) && exception.where.length > 3
    : one.where === exception.where;
}
