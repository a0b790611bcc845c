import type { Disagreement, JudgedMoment, ReplayCheck } from '../../core/analysis/replay-check.ts';
import type { Outcome } from '../../core/analysis/what-if.ts';
import { evidenceText, type ExplanationContext } from './explanation.ts';
import { clockText, countText, durationText, plural } from './numbers.ts';
import { cut, paint, sign, type Style, wrap } from './style.ts';
import { table } from './table.ts';

/** A leg that was judged again. */
export interface ReplayedLeg {
  readonly service: string;
  /** UTC milliseconds at which the first stored second began and the last one ended. */
  readonly from: number;
  readonly to: number;
  readonly check: ReplayCheck;
  readonly original: Outcome;
  /** With other settings; null when none were asked for. */
  readonly other: {
    readonly changes: readonly string[];
    readonly notes: readonly string[];
    readonly outcome: Outcome;
  } | null;
}

/** Whether a verdict comes out the same, and what other settings would have done. */
export function replayLines(legs: readonly ReplayedLeg[], context: ExplanationContext): readonly string[] {
  return legs.flatMap((leg, index) => [
    ...(index === 0 ? [] : ['']),
    ...headLines(leg, context),
    ...checkLines(leg, context),
    ...otherLines(leg, context),
  ]);
}

function headLines(
  { service, from, to, original }: ReplayedLeg,
  { style, now }: ExplanationContext,
): readonly string[] {
  const seconds = durationText(to - from);
  const text = `${paint(style, 'bold', service)}: ${seconds} from ${clockText(from, now)}, ${plural(original.requests, 'request')} of the candidate`;
  return [cut(style, text)];
}

function checkLines({ check }: ReplayedLeg, { style, now }: ExplanationContext): readonly string[] {
  const { agrees, same, partial, beyond, disagreements, worse } = check;
  const [mark, colour] = agrees ? (['done', 'green'] as const) : (['failed', 'red'] as const);
  const painted = paint(style, colour, sign(style, mark));
  const verdict = agrees ? agreement(check, now) : 'the stored seconds do not give what the journal has';
  const lines = [
    ...sentence(painted, verdict, style),
    ...sentence(
      ' ',
      `${plural(same, 'judgement')} of the journal ${same === 1 ? 'comes' : 'come'} out the same`,
      style,
    ),
  ];
  if (partial > 0)
    lines.push(
      ...sentence(
        ' ',
        `${countText(partial)} on part of a second, at the end of a window: the seconds around ${partial === 1 ? 'it' : 'them'} agree`,
        style,
      ),
    );
  if (beyond > 0)
    lines.push(...sentence(' ', `${countText(beyond)} from after the last stored second cannot be compared`, style));
  for (const one of disagreements.slice(0, MOST)) lines.push(...sentence(painted, disagreement(one, now), style));
  if (disagreements.length > MOST) lines.push(`    and ${countText(disagreements.length - MOST)} more (--json)`);
  if (!agrees && disagreements.length === 0) {
    const told = worse.journal === null ? 'nobody said worse' : `the journal has ${moment(worse.journal, now)}`;
    const found =
      worse.replayed === null
        ? 'the stored seconds never do'
        : `the stored seconds give ${moment(worse.replayed, now)}`;
    lines.push(...sentence(painted, `${told}, ${found}`, style));
  }
  return lines;
}

const MOST = 5;

function agreement({ worse }: ReplayCheck, now: number): string {
  if (worse.replayed === null) return 'the same as then: never worse';
  const told = worse.journal === null ? '' : `, journaled at ${clockText(worse.journal.at, now)}`;
  return `the same as then: ${moment(worse.replayed, now)}${told}`;
}

const moment = ({ at, verdict, worse }: JudgedMoment, now: number): string =>
  `${verdict} at ${clockText(at, now)}${worse === null ? '' : ` with evidence ${evidenceText(worse)}`}`;

const disagreement = ({ journal, replayed }: Disagreement, now: number): string =>
  replayed === null
    ? `the journal has ${moment(journal, now)}; the stored seconds never add up to what it had counted`
    : `the journal has ${moment(journal, now)}; the same counts give ${moment(replayed, now)}`;

function otherLines(leg: ReplayedLeg, context: ExplanationContext): readonly string[] {
  if (leg.other === null) return [];
  const { style, now } = context;
  const { changes, notes, outcome } = leg.other;
  const back = ({ worseAt }: Outcome): string =>
    worseAt === null ? 'never' : `${clockText(worseAt, now)}, after ${durationText(worseAt - leg.from)}`;
  const shown = ({ shownAt }: Outcome): string =>
    shownAt === null ? 'never' : `after ${durationText(shownAt - leg.from)}`;
  const evidence = ({ highest, threshold }: Outcome): string =>
    `${evidenceText(highest)} of ${evidenceText(threshold)}`;
  const row = (title: string, text: (one: Outcome) => string): readonly string[] => [
    title,
    text(leg.original),
    text(outcome),
  ];
  const rows = [
    row('called worse', back),
    row('failed requests until then', ({ failed }) => countText(failed)),
    row('of requests of the candidate', ({ requests }) => countText(requests)),
    row('highest evidence', evidence),
    row('shown to be not worse', shown),
  ];
  const columns = [{ title: '' }, { title: 'AS IT WAS' }, { title: changes.join(' ') }];
  return [
    '',
    ...table({ ...style, width: style.width - 2 }, columns, rows).map((line) => `  ${line}`),
    ...notes.flatMap((note) => sentence(paint(style, 'yellow', sign(style, 'warning')), note, style)),
    ...missing(leg, outcome, context),
  ];
}

/** Nobody knows what users would have met if the release had stayed. */
function missing(
  { original, to }: ReplayedLeg,
  { worseAt }: Outcome,
  { style, now }: ExplanationContext,
): readonly string[] {
  if (original.worseAt === null || (worseAt !== null && worseAt <= original.worseAt)) return [];
  const mark = paint(style, 'yellow', sign(style, 'warning'));
  const text = `It was taken back from ${clockText(original.worseAt, now)} on, and nothing is recorded after ${clockText(to, now)}: what users would have met after that is not known, and more evidence might have come.`;
  return sentence(mark, text, style);
}

function sentence(mark: string, text: string, style: Style): readonly string[] {
  return wrap(text, Math.max(30, style.width - 4)).map((line, index) =>
    index === 0 ? `  ${mark} ${line}` : `    ${line}`,
  );
}
