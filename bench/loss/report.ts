import type { ActionKind, LossResult, Segment } from './run.ts';

/** What a process that is killed takes along, and nothing can save: what was in flight in it. */
const physical: ReadonlySet<string> = new Set(['reset', 'cut-short', 'event-cut', 'websocket-closed']);

export interface LossRow {
  readonly router: string;
  readonly manner: string;
  readonly requests: number;
  /** Everything that was lost, except what the killed process had in flight. */
  readonly lost: number;
  readonly inDeployments: number;
  readonly inReplacements: number;
  readonly otherwise: number;
  readonly byTheKill: number;
  readonly refused: number;
  readonly webSocketsCut: number;
  readonly streamsCut: number;
  readonly uploadsLost: number;
  readonly wrong: number;
  /** Acknowledged messages that were not there at the end; null when that could not be checked. */
  readonly missing: number | null;
}

export function rowOf({ router, manner, segments, report }: LossResult): LossRow {
  const sum = (action: Segment['action'], of: (segment: Segment) => number): number =>
    segments.filter((segment) => segment.action === action).reduce((total, segment) => total + of(segment), 0);
  const kinds = (segment: Segment, wanted: boolean): number =>
    Object.entries(segment.byKind)
      .filter(([kind]) => physical.has(kind) === wanted)
      .reduce((total, [, count]) => total + count, 0);
  const byTheKill = sum('kill', (segment) => kinds(segment, true));
  const lostIn = (action: ActionKind): number => sum(action, (segment) => segment.lost);
  const inDeployments = lostIn('deployment');
  const inReplacements = lostIn('replacement');
  const lost = report.lost - byTheKill;
  return {
    router,
    manner,
    requests: report.requests,
    lost,
    inDeployments,
    inReplacements,
    otherwise: lost - inDeployments - inReplacements,
    byTheKill,
    refused: report.lostByKind.refused ?? 0,
    webSocketsCut: report.operations.ws.lost,
    streamsCut: report.operations.events.lost,
    uploadsLost: report.operations.upload.lost,
    wrong: report.wrong,
    missing: report.acknowledged.complete ? report.acknowledged.missing : null,
  };
}

export function lossPage(results: readonly LossResult[], circumstances: string): string {
  const rows = results.map(rowOf);
  const cells = (row: LossRow): readonly (string | number)[] => [
    row.router + (row.manner === 'polite' ? ', polite instances' : ''),
    row.requests.toLocaleString('en-US'),
    `**${row.lost}**`,
    row.inDeployments,
    row.inReplacements,
    row.otherwise,
    row.byTheKill,
    row.refused,
    row.webSocketsCut,
    row.streamsCut,
    row.uploadsLost,
    row.wrong,
    row.missing ?? 'not checked',
  ];
  const practices = new Map(results.map(({ router, practice }) => [router, practice]));
  return [
    '# What deployments, replacements and a kill lose',
    '',
    circumstances,
    '',
    '| router | requests | lost | in deployments | in replacements | otherwise | broken by the kill | refused | WebSockets cut | streams cut | uploads lost | wrong | acknowledged and gone |',
    '|---|---|---|---|---|---|---|---|---|---|---|---|---|',
    ...rows.map((row) => `| ${cells(row).join(' | ')} |`),
    '',
    '`lost` is everything but `broken by the kill`: what was in flight in the process that was killed. The columns behind it count the same losses by',
    'kind, those of the kill included.',
    '',
    '| router | a deployment | a replacement | the kill |',
    '|---|---|---|---|',
    ...[...practices].map(
      ([router, { deployment, replacement, kill }]) => `| ${router} | ${deployment} | ${replacement} | ${kill} |`,
    ),
    '',
  ].join('\n');
}
