import { redact, type Redaction } from '../redact.ts';
import type { ExplainedFailure } from './explanation.ts';

/** A line that an instance of the candidate wrote. */
export interface LoggedLine {
  /** UTC milliseconds. */
  readonly time: number;
  readonly instance: string;
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
}

/** A line that belongs to what went wrong, without what is nobody's business. */
export interface LogEvidence extends LoggedLine {
  /** The trace or request of a failed request, if the line names one. */
  readonly id: string | null;
  /** How many lines said the same but for numbers; this is the first. */
  readonly times: number;
}

const MOST_LINES = 20;
/** So far from a failed request a line is believed to be about it. */
const NEAR_MS = 2_000;
const LONGEST_TEXT = 400;

const SAYS_ERROR =
  /(?:^|[^a-z])(?:errors?|exception|fatal|panic|critical|fail(?:ed|ure|ures|s)?|unhandled|uncaught|traceback|refused|denied|time(?:d[ -]?)?out)(?:[^a-z]|$)|[a-z](?:Error|Exception)\b|"level":\s*(?:50|60)\b/i;
const OF_A_STACK = /^\s+(?:at |\.{3} |File ")|^Caused by:?$/;

/**
 * Lines of the candidate that go with what went wrong: those that name the trace or request of a failed request first, then errors near a
 * failed request, then other errors since the candidate is worse; of each kind the earliest. Lines that say the same are one.
 *
 * @param lines of the candidate's release, oldest first
 * @param since UTC milliseconds; errors before that are not looked at
 */
export function logEvidence(
  lines: readonly LoggedLine[],
  about: { readonly failures: readonly ExplainedFailure[]; readonly since: number; readonly until: number },
  secrets: Redaction['secrets'],
): readonly LogEvidence[] {
  const ids = [...new Set(about.failures.flatMap(({ traceId, requestId }) => [traceId ?? [], requestId ?? []].flat()))];
  const keep = new Set(ids);
  const alike = new Map<string, { line: LogEvidence; rank: number }>();
  for (const line of lines) {
    if (line.time < about.since - NEAR_MS || line.time > about.until + NEAR_MS) continue;
    const id = ids.find((one) => line.text.includes(one)) ?? null;
    const isError = !OF_A_STACK.test(line.text) && (line.stream === 'stderr' || SAYS_ERROR.test(line.text));
    if ((id === null && !isError) || line.text.trim() === '') continue;
    const isNear = about.failures.some(({ at }) => line.time >= at - NEAR_MS && line.time <= at + NEAR_MS + 1_000);
    const rank = id !== null ? 0 : isNear ? 1 : 2;
    const text = redact(line.text, { secrets, keep }).trim();
    const nameless = id === null ? text : text.replaceAll(id, '#');
    const key = `${line.stream} ${nameless.replace(/\[(?:hex|uuid)\]|[0-9a-f]*\d[0-9a-f]*/gi, '#')}`;
    const known = alike.get(key);
    if (known !== undefined) {
      // The first is shown, or the first that can be followed.
      const shown =
        known.line.id === null && id !== null
          ? { ...known.line, text: shortened(text), id, time: line.time }
          : known.line;
      known.line = { ...shown, times: known.line.times + 1 };
      known.rank = Math.min(known.rank, rank);
      continue;
    }
    const { time, instance, stream } = line;
    alike.set(key, { line: { time, instance, stream, text: shortened(text), id, times: 1 }, rank });
  }
  return [...alike.values()]
    .sort((a, b) => a.rank - b.rank || a.line.time - b.line.time)
    .slice(0, MOST_LINES)
    .map(({ line }) => line);
}

const shortened = (text: string): string => (text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text);
