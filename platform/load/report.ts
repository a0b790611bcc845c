import type { LostKind } from './classify.ts';
import type { Quantiles } from './histogram.ts';
import type { Operation } from './options.ts';

/** One thing that went wrong, for a person or for a caller who finds out whose fault it was. */
export interface Incident {
  /** UTC milliseconds. */
  readonly time: number;
  /** Milliseconds since the run began. */
  readonly sinceStartMs: number;
  readonly operation: Operation;
  /** Release that answered, as far as it did; null when nothing came. */
  readonly release: string | null;
  readonly detail: string;
}

export interface LostIncident extends Incident {
  readonly kind: LostKind;
}

export interface Counts {
  /** Requests sent; for `chat` connections opened. */
  readonly requests: number;
  readonly lost: number;
  readonly wrong: number;
  readonly slow: number;
  readonly failedByRelease: number;
  readonly loggedOut: number;
}

export interface OperationReport extends Counts {
  /** Requests whose answer was all it must be; for `chat` connections that ended properly. */
  readonly ok: number;
  /** From when it was due to the end of its answer; what follows the first request of an action, from when it was sent; for `chat` from message to acknowledgement. */
  readonly latencyMs: Quantiles;
}

export interface ChatCounts {
  readonly said: number;
  readonly acknowledged: number;
  /** Messages that members received, each by each member. */
  readonly delivered: number;
  /** Acknowledged messages that a member did not receive, or that the history does not have, counted once a member. */
  readonly missing: number;
  /** Connections made again. */
  readonly reconnects: number;
}

export interface LoadCounts extends Counts {
  /** Things that were due and not done, because nobody was there, or too much was waiting for somebody. */
  readonly skipped: number;
  /** Bytes of audio that were compared with what they must be. */
  readonly audioBytes: number;
  readonly sessions: number;
  readonly chat: ChatCounts;
}

/** The run as it is now. */
export interface LoadSnapshot extends LoadCounts {
  readonly elapsedSeconds: number;
  readonly failedByReleases: Readonly<Record<string, number>>;
}

export interface LoadReport extends LoadSnapshot {
  readonly run: string;
  readonly target: string;
  /** UTC milliseconds. */
  readonly startedAt: number;
  readonly rate: number;
  readonly latencyMs: Quantiles;
  readonly operations: Readonly<Record<string, OperationReport>>;
  /** Answers by release. */
  readonly releases: Readonly<Record<string, number>>;
  readonly lostByKind: Readonly<Record<string, number>>;
  /** What was acknowledged and could not be looked for at the end; null when all could be. */
  readonly unchecked: string | null;
  /** The first 20 of each. */
  readonly lostDetails: readonly LostIncident[];
  readonly wrongDetails: readonly Incident[];
  readonly loggedOutDetails: readonly Incident[];
}

/** True when nothing was lost, wrong, missing, logged out or left unchecked. What a release failed by itself is not the deployment's. */
export function isClean(report: LoadReport): boolean {
  const { lost, wrong, skipped, loggedOut, chat, unchecked } = report;
  return lost + wrong + skipped + loggedOut + chat.missing === 0 && unchecked === null;
}

/** The report as lines for a person. */
export function formatReport(report: LoadReport): string {
  const { chat } = report;
  const lines = [
    `${report.requests} requests in ${report.elapsedSeconds} s to ${report.target}, ${report.sessions} sessions`,
    `lost ${report.lost}   wrong ${report.wrong}   slow ${report.slow}   chat messages missing ${chat.missing}   ` +
      `sessions logged out ${report.loggedOut}   failed by a release ${report.failedByRelease}` +
      (report.skipped > 0 ? `   not done ${report.skipped}` : ''),
    `chat: ${chat.said} said, ${chat.acknowledged} acknowledged, ${chat.delivered} delivered, ${chat.reconnects} reconnects`,
    `audio: ${(report.audioBytes / 1e6).toFixed(1)} MB compared`,
    '',
    row(['what', 'requests', 'lost', 'wrong', 'slow', 'failed', 'p50 ms', 'p99 ms']),
  ];
  for (const [operation, its] of Object.entries(report.operations)) {
    if (its.requests === 0) continue;
    const { p50, p99 } = its.latencyMs;
    lines.push(row([operation, its.requests, its.lost, its.wrong, its.slow, its.failedByRelease, p50, p99]));
  }
  lines.push('', row(['release', 'answers', 'failed']));
  for (const [release, answers] of Object.entries(report.releases)) {
    lines.push(row([release, answers, report.failedByReleases[release] ?? 0]));
  }
  if (report.unchecked !== null) lines.push('', `not everything could be looked for at the end: ${report.unchecked}`);
  for (const incident of report.lostDetails) lines.push(incidentLine(`lost (${incident.kind})`, incident));
  for (const incident of report.wrongDetails) lines.push(incidentLine('wrong', incident));
  for (const incident of report.loggedOutDetails) lines.push(incidentLine('logged out', incident));
  return lines.join('\n');
}

function incidentLine(what: string, { sinceStartMs, operation, detail, release }: Incident): string {
  const by = release === null ? '' : ` [${release}]`;
  return `  ${(sinceStartMs / 1_000).toFixed(2)} s  ${operation}  ${what}: ${detail}${by}`;
}

function row(cells: readonly (string | number | null)[]): string {
  return cells
    .map((cell, column) => (column === 0 ? String(cell).padEnd(18) : String(cell ?? '-').padStart(10)))
    .join('');
}
