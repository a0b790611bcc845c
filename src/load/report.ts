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

export interface OperationReport {
  /** Requests sent; for event streams and WebSockets: connections opened. */
  readonly requests: number;
  /** Requests whose answer was all it must be; for streams: connections that ended properly. */
  readonly ok: number;
  /** Events received, or messages echoed. */
  readonly items: number;
  readonly lost: number;
  readonly wrong: number;
  readonly failedByRelease: number;
  /** From when a request was due to the end of its answer; for `ws` from message to echo, for `events` to the first byte. */
  readonly latencyMs: Quantiles;
}

export interface ReleaseReport {
  /** Service and version in words, "web v2". */
  readonly name: string | null;
  readonly answers: number;
  readonly failed: number;
  readonly latencyMs: Quantiles;
}

export interface SecondReport {
  /** Seconds since the run began. */
  readonly second: number;
  /** Answers by release. */
  readonly answers: Readonly<Record<string, number>>;
  readonly lost: number;
  readonly wrong: number;
  readonly failedByRelease: number;
}

/** Whether all that was acknowledged is there at the end. */
export interface AcknowledgedReport {
  readonly acknowledged: number;
  readonly found: number;
  readonly missing: number;
  /** False when the check could not be made to its end: then nothing is known about what is missing. */
  readonly complete: boolean;
  readonly problem: string | null;
}

export interface LoadCounts {
  /** Requests sent, with uploads and stream connections. */
  readonly requests: number;
  readonly inFlight: number;
  /** Events received and messages echoed. */
  readonly items: number;
  readonly lost: number;
  readonly wrong: number;
  readonly failedByRelease: number;
  /** Requests that were due and not sent, because too many were in flight. */
  readonly skipped: number;
}

/** The run as it is now. */
export interface LoadSnapshot extends LoadCounts {
  readonly elapsedSeconds: number;
  readonly latencyMs: Quantiles;
  readonly lostByKind: Readonly<Partial<Record<LostKind, number>>>;
  readonly failedByReleases: Readonly<Record<string, number>>;
  readonly releases: Readonly<Record<string, ReleaseReport>>;
  /** The last whole second; null before there is one. */
  readonly lastSecond: SecondReport | null;
}

export interface LoadReport extends LoadCounts {
  readonly client: string;
  readonly target: string;
  readonly host: string;
  /** UTC milliseconds. */
  readonly startedAt: number;
  readonly durationSeconds: number;
  readonly rate: number;
  readonly operations: Readonly<Record<Operation, OperationReport>>;
  readonly releases: Readonly<Record<string, ReleaseReport>>;
  readonly lostByKind: Readonly<Partial<Record<LostKind, number>>>;
  /** The first 20. */
  readonly lostDetails: readonly LostIncident[];
  /** The first 20. */
  readonly wrongDetails: readonly Incident[];
  readonly failedByReleases: Readonly<Record<string, number>>;
  /** Which versions answered together, web to worker: `"v1 v1 v1": 120`. */
  readonly chains: Readonly<Record<string, number>>;
  readonly acknowledged: AcknowledgedReport;
  readonly seconds: readonly SecondReport[];
}

/** True when nothing was lost, wrong or left unchecked. What a release failed by itself is not the deployment's. */
export function isClean(report: LoadReport): boolean {
  return report.lost === 0 && report.wrong === 0 && report.skipped === 0 && report.acknowledged.complete;
}

/** The report as lines for a person. */
export function formatReport(report: LoadReport): string {
  const lines = [
    `${report.requests} requests in ${report.durationSeconds} s to ${report.host} at ${report.target}` +
      ` (${report.items} events and echoes on streams)`,
    `lost ${report.lost}   wrong ${report.wrong}   failed by release ${report.failedByRelease}` +
      (report.skipped > 0 ? `   not sent ${report.skipped}` : ''),
    '',
    row(['operation', 'requests', 'lost', 'wrong', 'failed', 'p50 ms', 'p95 ms', 'p99 ms']),
  ];
  for (const [operation, its] of Object.entries(report.operations)) {
    if (its.requests === 0) continue;
    const { p50, p95, p99 } = its.latencyMs;
    lines.push(row([operation, its.requests, its.lost, its.wrong, its.failedByRelease, p50, p95, p99]));
  }
  lines.push('', row(['release', 'answers', '', '', 'failed', 'p50 ms', 'p95 ms', 'p99 ms']));
  for (const [release, its] of Object.entries(report.releases)) {
    const { p50, p95, p99 } = its.latencyMs;
    lines.push(row([its.name ?? release, its.answers, '', '', its.failed, p50, p95, p99]));
  }
  const { acknowledged } = report;
  lines.push(
    '',
    acknowledged.complete
      ? `${acknowledged.acknowledged} messages acknowledged, ${acknowledged.missing} of them missing at the end`
      : `acknowledged messages could not be checked: ${acknowledged.problem ?? 'unknown'}`,
  );
  for (const lost of report.lostDetails) lines.push(incidentLine(`lost (${lost.kind})`, lost));
  for (const wrong of report.wrongDetails) lines.push(incidentLine('wrong', wrong));
  return lines.join('\n');
}

function incidentLine(what: string, incident: Incident): string {
  const at = (incident.sinceStartMs / 1000).toFixed(2);
  return `  ${at} s  ${incident.operation}  ${what}: ${incident.detail}${incident.release === null ? '' : ` [${incident.release}]`}`;
}

function row(cells: readonly (string | number | null)[]): string {
  return cells
    .map((cell, column) => (column === 0 ? String(cell).padEnd(14) : String(cell ?? '-').padStart(10)))
    .join('');
}
