import type { ExplanationView } from '../../api/explanation-schemas.ts';
import type { DeploymentView, EventView } from '../../api/schemas.ts';
import { deploymentLines, outcomeLines, reasonText, type RenderContext } from './deployment.ts';
import { explanationLines } from './explanation.ts';
import { clockText, countText, durationText, latencyText } from './numbers.ts';
import { cut, padStart, paint, sign, type Style, wrap } from './style.ts';

/** A deployment in full: head and legs, who and when, why it was judged as it was, timeline, outcome. */
export function showLines(
  view: DeploymentView,
  explanation: ExplanationView,
  timeline: readonly EventView[],
  context: RenderContext,
): readonly string[] {
  const { style, now } = context;
  const facts: (readonly [string, string])[] = [
    ['started', `${clockText(view.startedAt, now)} by ${view.requestedBy}`],
    ...(view.approvedBy === null ? [] : ([['approved', `by ${view.approvedBy}`]] as const)),
    ...(view.committedAt === null
      ? []
      : ([
          [
            'committed',
            `${clockText(view.committedAt, now)}, after ${durationText(view.committedAt - view.startedAt)}`,
          ],
        ] as const)),
    ...(view.endedAt === null
      ? []
      : ([
          ['ended', `${clockText(view.endedAt, now)}, after ${durationText(view.endedAt - view.startedAt)}`],
        ] as const)),
    ...(view.reason === null ? [] : ([['reason', `${reasonText(view)} (${view.reason.code})`]] as const)),
    ...(view.supersededBy === null ? [] : ([['replaced by', view.supersededBy]] as const)),
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  return [
    ...deploymentLines(view, context),
    '',
    ...facts.flatMap(([name, text]) =>
      wrap(text, Math.max(30, style.width - width - 4)).map(
        (line, index) => `  ${index === 0 ? paint(style, 'dim', name.padEnd(width)) : ' '.repeat(width)}  ${line}`,
      ),
    ),
    ...evidenceLines(view, explanation, context),
    '',
    paint(style, 'bold', 'Timeline'),
    ...timelineLines(timeline, view.startedAt, style),
    '',
    ...outcomeLines(view, context),
  ];
}

function evidenceLines(
  view: DeploymentView,
  { legs }: ExplanationView,
  { style, now }: RenderContext,
): readonly string[] {
  const lines = legs.flatMap((leg, index) => {
    const told = view.legs[index]?.evidence ?? null;
    if (told === null && leg.changes === null && leg.kept === null) return [];
    return [
      '',
      ...explanationLines(leg, { style, now, said: view.reason?.text ?? '' }),
      ...(told === null ? [] : lastMinute(told, style)),
    ];
  });
  return lines.length === 0 ? [] : ['', paint(style, 'bold', 'Evidence'), ...lines.slice(1)];
}

function lastMinute(
  { stable, candidate }: NonNullable<DeploymentView['legs'][number]['evidence']>,
  style: Style,
): readonly string[] {
  const arm = (name: string, { requests, errors, p50Ms, p99Ms }: typeof stable): string =>
    `    ${name.padEnd(9)}  ${padStart(countText(requests), 8)} requests  ${padStart(countText(errors), 6)} errors  p50 ${latencyText(p50Ms)}  p99 ${latencyText(p99Ms)}`;
  return [
    '',
    `  ${paint(style, 'bold', 'The minute that was judged last')}`,
    cut(style, arm('stable', stable)),
    cut(style, arm('candidate', candidate)),
  ];
}

function timelineLines(timeline: readonly EventView[], startedAt: number, style: Style): readonly string[] {
  if (timeline.length === 0) return [paint(style, 'dim', '  nothing in the journal')];
  const offsets = timeline.map((event) => `+${(Math.max(0, event.at - startedAt) / 1000).toFixed(1)} s`);
  const width = Math.max(...offsets.map((offset) => offset.length));
  return timeline.map((event, index) =>
    cut(
      style,
      `  ${paint(style, 'dim', padStart(offsets[index] ?? '', width))}  ${event.service === null ? '' : `${event.service} ${paint(style, 'dim', sign(style, 'dot'))} `}${event.text}`,
    ),
  );
}
