import type { ArmTrafficView, DeploymentView, LegView, PhaseName } from '../../api/schemas.ts';
import { clockText, durationText, latencyText, percentText, plural, rateText, shortRelease } from './numbers.ts';
import { cut, padEnd, padStart, paint, type Sign, sign, slotPaint, type Style, widthOf, wrap } from './style.ts';

/** Release id → what its commit says, for people; may know none. */
export type Labels = ReadonlyMap<string, string>;

export interface RenderContext {
  readonly style: Style;
  /** UTC milliseconds. */
  readonly now: number;
  readonly labels: Labels;
  /** Leave out what it waits for: nobody is going to watch it. */
  readonly last?: boolean;
}

/** Columns below which a label is left out. */
const LEAST_LABEL = 16;

/** What a deployment passes, in the words of the phases. */
const TRAIL: readonly { readonly phase: PhaseName; readonly word: string }[] = [
  { phase: 'preparing', word: 'prepare' },
  { phase: 'migrating', word: 'migrate' },
  { phase: 'starting', word: 'start' },
  { phase: 'checking', word: 'check' },
  { phase: 'mirroring', word: 'mirror' },
  { phase: 'stepping', word: 'step' },
  { phase: 'switched', word: 'switch' },
  { phase: 'watching', word: 'watch' },
  { phase: 'committing', word: 'commit' },
  { phase: 'retiring', word: 'retire' },
];

export const hasEnded = (view: DeploymentView): boolean =>
  view.phase === 'succeeded' || view.phase === 'reverted' || view.phase === 'refused';

/** One deployment as a block of lines: head, trail of phases, legs, what it waits for. */
export function deploymentLines(view: DeploymentView, context: RenderContext): readonly string[] {
  const { style } = context;
  return [
    headLine(view, context),
    trailLine(view, style),
    ...view.legs.flatMap((leg) => legLines(view, leg, context)),
    ...(context.last === true ? [] : waitLines(view, context)),
  ].map((line) => cut(style, line));
}

function headLine(view: DeploymentView, { style, now }: RenderContext): string {
  const dot = ` ${paint(style, 'dim', sign(style, 'dot'))} `;
  const services = view.legs.map((leg) => leg.service).join(', ');
  const train = view.legs.length > 1 ? ` (train, ${view.order === 'together' ? 'together' : 'in order'})` : '';
  const kind = view.kind === 'planned' ? '' : `${dot}${view.kind}`;
  const elapsed = durationText((view.endedAt ?? now) - view.startedAt);
  return `${paint(style, 'bold', view.id)}${dot}${view.environment}${dot}${services}${train}${kind}${dot}${paint(style, 'dim', elapsed)}`;
}

function trailLine(view: DeploymentView, style: Style): string {
  if (view.phase === 'pending') return `  ${paint(style, 'cyan', sign(style, 'active'))} pending`;
  if (view.phase === 'refused') return `  ${paint(style, 'red', `${sign(style, 'failed')} refused`)}`;
  if (view.phase === 'reverting' || view.phase === 'reverted' || view.phase === 'stuck') {
    return `  ${paint(style, view.phase === 'reverting' ? 'yellow' : 'red', `${sign(style, 'failed')} ${view.phase}`)}`;
  }
  // What this one does not pass is left out; retiring is shown when it is time, nobody waits for it.
  const passes = (phase: PhaseName): boolean => {
    if (phase === view.phase) return true;
    return phase === 'stepping'
      ? view.steps.length > 0
      : phase !== 'migrating' && phase !== 'mirroring' && phase !== 'retiring';
  };
  const words = TRAIL.filter(({ phase }) => passes(phase));
  const at = view.phase === 'succeeded' ? words.length : words.findIndex(({ phase }) => phase === view.phase);
  const part = (word: string, index: number): string => {
    if (index < at) return paint(style, 'green', `${sign(style, 'done')} ${word}`);
    if (index > at) return paint(style, 'dim', `${sign(style, 'ahead')} ${word}`);
    const detail = view.phase === 'stepping' ? ` ${view.step + 1}/${view.steps.length}` : '';
    return paint(style, 'cyan', `${sign(style, 'active')} ${word}${detail}`);
  };
  const all = words.map(({ word }, index) => part(word, index));
  const whole = `  ${all.join('  ')}`;
  // A narrow terminal gets where it is now and what comes.
  if (widthOf(whole) <= style.width) return whole;
  return `  ${all.slice(Math.max(0, at - 1), at + 3).join('  ')}`;
}

function legLines(view: DeploymentView, leg: LegView, context: RenderContext): readonly string[] {
  const { style } = context;
  const nameWidth = Math.max(7, ...view.legs.map(({ service }) => service.length));
  const stable = leg.stable;
  const [from, to] = [stable === null ? 'nothing' : shortRelease(stable.release), shortRelease(leg.candidate.release)];
  const move =
    stable === null
      ? `${sign(style, 'arrow')} ${slotPaint(style, leg.candidate.slot, to)}`
      : `${slotPaint(style, stable.slot, from)} ${sign(style, 'arrow')} ${slotPaint(style, leg.candidate.slot, to)}`;
  const head = `  ${paint(style, 'bold', padEnd(leg.service, nameWidth))} ${weightBar(leg, style)} ${padStart(`${leg.weight} %`, 5)}  ${move}`;
  // A label that would be cut to a few letters says nothing.
  const label = context.labels.get(leg.candidate.release) ?? '';
  const fits = label !== '' && style.width - widthOf(head) >= Math.min(widthOf(label), LEAST_LABEL) + 2;
  const lines = [fits ? `${head}  ${paint(style, 'dim', label)}` : head];
  const ready = leg.wanted === 0 ? '' : `${leg.ready}/${leg.wanted} ready`;
  // What the last ten seconds were like is no news once it has ended.
  if (hasEnded(view)) return [...lines, ...verdictLine(leg, style)];
  if (leg.traffic === null) {
    if (ready !== '') lines.push(`    candidate  ${readyText(leg, ready, style)}`);
  } else {
    const stableReady = leg.stableReady === null ? '' : `${leg.stableReady}/${leg.instances} ready`;
    if (stable !== null)
      lines.push(
        `    ${slotPaint(style, stable.slot, padEnd('stable', 9))}  ${armText(leg.traffic.stable, style)}  ${paint(style, 'dim', stableReady)}`,
      );
    lines.push(
      `    ${slotPaint(style, leg.candidate.slot, 'candidate')}  ${armText(leg.traffic.candidate, style)}  ${readyText(leg, ready, style)}`,
    );
  }
  if (leg.note !== null) lines.push(`    ${paint(style, 'yellow', `${sign(style, 'warning')} ${leg.note}`)}`);
  return [...lines, ...verdictLine(leg, style)];
}

const verdictLine = (leg: LegView, style: Style): readonly string[] =>
  leg.verdict === 'worse' && leg.evidence !== null
    ? [`    ${paint(style, 'red', `${sign(style, 'failed')} ${leg.evidence.summary}`)}`]
    : [];

const readyText = (leg: LegView, text: string, style: Style): string =>
  leg.wanted > 0 && leg.ready < leg.wanted ? paint(style, 'yellow', text) : paint(style, 'dim', text);

/** Candidate's share from the left, in the colours of the slots. */
function weightBar(leg: LegView, style: Style): string {
  const width = Math.max(8, Math.min(30, style.width - 56));
  // A candidate that has any traffic is seen, and a stable that has any too.
  const exact = (leg.weight / 100) * width;
  const filled =
    leg.weight === 0 ? 0 : leg.weight === 100 ? width : Math.min(width - 1, Math.max(1, Math.round(exact)));
  const candidate = slotPaint(style, leg.candidate.slot, sign(style, 'full').repeat(filled));
  const rest = sign(style, 'empty').repeat(width - filled);
  return candidate + (leg.stable === null ? paint(style, 'dim', rest) : slotPaint(style, leg.stable.slot, rest));
}

function armText(arm: ArmTrafficView, style: Style): string {
  const errors = `${padStart(percentText(arm.errorPercent), 7)} err`;
  const bad = arm.errorPercent !== null && arm.errorPercent > 0;
  return [
    `${padStart(rateText(arm.requestsPerSecond), 6)} req/s`,
    bad ? paint(style, 'red', errors) : errors,
    `p50 ${padStart(latencyText(arm.p50Ms), 6)}`,
    `p99 ${padStart(latencyText(arm.p99Ms), 6)}`,
  ].join('  ');
}

function waitLines(view: DeploymentView, { style, now }: RenderContext): readonly string[] {
  if (hasEnded(view)) return [];
  const lines = view.holds.map((hold) =>
    paint(style, 'yellow', `  ${sign(style, 'warning')} held for ${durationText(now - hold.since)}: ${hold.text}`),
  );
  if (view.reason !== null) lines.push(paint(style, 'red', `  ${reasonText(view)}`));
  if (view.waitsFor !== null) {
    const left = view.until === null ? null : view.until - now;
    const until =
      view.until === null || left === null
        ? ''
        : `, until ${clockText(view.until, now)}${left > 0 ? ` (${durationText(Math.ceil(left / 1000) * 1000)})` : ''}`;
    lines.push(`  waits for ${view.waitsFor}${paint(style, 'dim', until)}`);
  }
  return lines;
}

/** One line for a log: what a pipe or a dumb terminal gets on every change. */
export function changeLine(view: DeploymentView, now: number): string {
  const legs = view.legs.map((leg) => {
    const traffic = leg.traffic?.candidate ?? null;
    const numbers =
      traffic === null || traffic.requestsPerSecond === 0
        ? `${leg.ready}/${leg.wanted} ready`
        : `${rateText(traffic.requestsPerSecond)} req/s, ${percentText(traffic.errorPercent)} errors, p50 ${latencyText(traffic.p50Ms)}, p99 ${latencyText(traffic.p99Ms)}`;
    return `${leg.service} ${leg.weight} % (${numbers})${leg.note === null || view.waitsFor?.includes(leg.note) === true ? '' : ` [${leg.note}]`}`;
  });
  const held = view.holds.length === 0 ? '' : `; held: ${view.holds.map((hold) => hold.text).join('; ')}`;
  const until = view.until === null ? '' : `, until ${clockText(view.until, now)}`;
  const waits = view.waitsFor === null ? '' : `; waits for ${view.waitsFor}${until}`;
  return `${clockText(now, now)} ${view.id} ${view.phase}: ${legs.join(', ')}${held}${waits}`;
}

/**
 * Two views with the same key say the same; only then a log may leave the second one out. Notes are no news of their own:
 * they come and go while instances start, and the next line has them.
 */
export const changeKey = (view: DeploymentView): string =>
  JSON.stringify([
    view.phase,
    view.group,
    view.step,
    view.holds.map((hold) => hold.reason),
    view.legs.map((leg) => [leg.weight, leg.wanted, leg.ready, leg.verdict]),
  ]);

/** Why it was refused or taken back; names the service where a train has several. */
export function reasonText(view: DeploymentView): string {
  if (view.reason === null) return view.summary;
  const service = view.reason.service !== null && view.legs.length > 1 ? `${view.reason.service}: ` : '';
  return `${service}${view.reason.text}`;
}

/** The last line: what happened, in one sentence (wrapped where the terminal is narrow). */
export function outcomeLines(view: DeploymentView, context: RenderContext): readonly string[] {
  const { style } = context;
  const { mark, colour, text } = outcome(view, context);
  // What follows the first line is indented by two.
  return wrap(`${sign(style, mark)} ${text}`, Math.max(40, style.width - 2)).map((line, index) =>
    index === 0 ? line.replace(sign(style, mark), paint(style, colour, sign(style, mark))) : `  ${line}`,
  );
}

function outcome(
  view: DeploymentView,
  { style, now, labels }: RenderContext,
): { readonly mark: Sign; readonly colour: 'green' | 'red' | 'yellow'; readonly text: string } {
  const services = listText(view.legs.map((leg) => leg.service));
  const be = view.legs.length === 1 ? 'is' : 'are';
  const name = (release: string): string => {
    const label = labels.get(release);
    return label === undefined ? shortRelease(release) : `${shortRelease(release)} (${label})`;
  };
  if (view.phase === 'succeeded' || view.committedAt !== null) {
    const only = view.legs.length === 1 ? view.legs[0] : undefined;
    const where = only === undefined ? 'at their new releases' : `at ${name(only.candidate.release)}`;
    const warm =
      view.warmUntil !== null && view.warmUntil > now && view.legs.some((leg) => leg.stable !== null)
        ? `; old slot warm until ${clockText(view.warmUntil, now)} ${sign(style, 'dash')} \`${wayBack(view)}\` is one router write`
        : '';
    return {
      mark: 'done',
      colour: 'green',
      text: `${services} ${be} ${where} in ${view.environment}: ${trafficText(view)}${warm}.`,
    };
  }
  const stays = view.legs.some((leg) => leg.stable !== null)
    ? `${services} ${view.legs.length === 1 ? 'stays' : 'stay'} at ${view.legs.length === 1 && view.legs[0]?.stable ? name(view.legs[0].stable.release) : 'what they were'}`
    : `${services} ${be} not deployed`;
  switch (view.phase) {
    case 'refused':
      return {
        mark: 'failed',
        colour: 'red',
        text: `${view.id} was refused, nothing was touched: ${withoutStop(reasonText(view))}. ${stays}.`,
      };
    case 'reverted': {
      const took = view.endedAt === null ? '' : ` after ${durationText(view.endedAt - view.startedAt)}`;
      const by =
        view.supersededBy === null ? '' : ` (${view.supersededBy} goes on: \`veza watch ${view.supersededBy}\`)`;
      return {
        mark: 'failed',
        colour: 'red',
        text: `${view.id} was taken back${took}: ${withoutStop(reasonText(view))}. ${stays}; ${trafficText(view)}${by}.`,
      };
    }
    case 'stuck':
      return {
        mark: 'failed',
        colour: 'red',
        text: `${view.id} is stuck: ${withoutStop(reasonText(view))}. The undo is tried for ever; \`veza show ${view.id}\` says what it waits for.`,
      };
    default:
      return { mark: 'active', colour: 'yellow', text: `${view.id} is ${view.phase}: ${withoutStop(view.summary)}.` };
  }
}

/** The release before a rollback is not `the one before`: it has to be named. */
function wayBack(view: DeploymentView): string {
  const services = view.legs.map((leg) => leg.service).join(' ');
  const [only] = view.legs;
  if (view.kind !== 'rollback' || view.legs.length !== 1 || only?.stable == null) return `veza rollback ${services}`;
  return `veza rollback ${services} --to ${shortRelease(only.stable.release)}`;
}

const withoutStop = (text: string): string => text.replace(/[.\s]+$/, '');

function trafficText(view: DeploymentView): string {
  let [requests, errors, lost] = [0, 0, 0];
  for (const { traffic } of view.legs) {
    for (const arm of traffic === null ? [] : [traffic.stable, traffic.candidate]) {
      requests += arm.totalRequests;
      errors += arm.totalErrors;
      lost += arm.totalLost;
    }
  }
  if (requests === 0) return 'no requests during the rollout';
  const failed = errors === 0 ? '' : `${plural(errors, 'error')} answered by instances, `;
  return `${plural(requests, 'request')} during the rollout, ${failed}${lost} lost`;
}

/** `web`, `api and web`, `worker, api and web` */
export const listText = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1) ?? ''}`;
