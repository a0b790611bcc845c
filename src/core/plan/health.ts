import type { Health, Probe } from '../spec/platform.ts';
import { durationInWords, probeInWords } from './words.ts';

export type ProbeKind = 'startup' | 'readiness' | 'liveness';

export interface ProbeResult {
  readonly kind: ProbeKind;
  readonly ok: boolean;
  /** What went wrong, in words for people: "connection refused", "answered 503". */
  readonly detail: string;
  /** Nobody listened on the port. */
  readonly refused: boolean;
}

/** What the probes of one launch of an instance have shown so far. */
export interface HealthProgress {
  readonly launchedAt: number;
  readonly started: boolean;
  readonly ready: boolean;
  /** First success of an unbroken row of readiness successes. */
  readonly readyFrom: number | null;
  readonly readinessFailures: number;
  readonly livenessFailures: number;
  /** Somebody accepted a connection at least once. */
  readonly opened: boolean;
  readonly lastDetail: string | null;
  /** Set once the instance has to be restarted: why, in words for people. */
  readonly failure: string | null;
}

export const beginHealth = (launchedAt: number): HealthProgress => ({
  launchedAt,
  started: false,
  ready: false,
  readyFrom: null,
  readinessFailures: 0,
  livenessFailures: 0,
  opened: false,
  lastDetail: null,
  failure: null,
});

/** Health of an instance found running: what was known of it holds until a probe says otherwise. */
export const adoptHealth = (
  launchedAt: number,
  known: { readonly started: boolean; readonly ready: boolean },
): HealthProgress => ({
  ...beginHealth(launchedAt),
  started: known.started,
  ready: known.ready,
  readyFrom: known.ready ? launchedAt : null,
  opened: known.started,
});

/** The moment at which an instance that has not started counts as failed: launch + interval x failures. */
export const startupDeadline = (launchedAt: number, probe: Probe): number =>
  launchedAt + probe.intervalMs * probe.failures;

/** What a probe's result, known at `at`, changes. A result that comes after a failure was found changes nothing. */
export function noteProbe(progress: HealthProgress, health: Health, result: ProbeResult, at: number): HealthProgress {
  if (progress.failure !== null) return progress;
  const seen = { ...progress, opened: progress.opened || !result.refused };
  switch (result.kind) {
    case 'startup':
      return noteStartup(seen, health, result, at);
    case 'readiness':
      return noteReadiness(seen, health, result, at);
    case 'liveness':
      return noteLiveness(seen, health, result);
  }
}

function noteStartup(progress: HealthProgress, health: Health, result: ProbeResult, at: number): HealthProgress {
  if (progress.started) return progress;
  if (result.ok) return { ...progress, started: true, lastDetail: null };
  const probe = health.startup;
  if (at < startupDeadline(progress.launchedAt, probe)) return { ...progress, lastDetail: result.detail };
  const within = durationInWords(probe.intervalMs * probe.failures);
  const failure = progress.opened
    ? `did not answer ${probeInWords(probe)} within ${within} (last: ${result.detail})`
    : `port never opened within ${within} (last: ${result.detail})`;
  return { ...progress, lastDetail: result.detail, failure };
}

function noteReadiness(progress: HealthProgress, health: Health, result: ProbeResult, at: number): HealthProgress {
  if (!progress.started) return progress;
  if (result.ok) {
    const readyFrom = progress.readyFrom ?? at;
    const ready = progress.ready || at - readyFrom >= health.stableForMs;
    return { ...progress, readyFrom, ready, readinessFailures: 0, lastDetail: ready ? null : progress.lastDetail };
  }
  const readinessFailures = progress.readinessFailures + 1;
  const ready = progress.ready && readinessFailures < health.readiness.failures;
  // An instance that traffic relies on may miss a probe; one that is still to prove itself may not.
  const readyFrom = ready ? progress.readyFrom : null;
  return { ...progress, readinessFailures, ready, readyFrom, lastDetail: result.detail };
}

function noteLiveness(progress: HealthProgress, health: Health, result: ProbeResult): HealthProgress {
  const probe = health.liveness;
  if (probe === null || !progress.started) return progress;
  if (result.ok) return { ...progress, livenessFailures: 0 };
  const livenessFailures = progress.livenessFailures + 1;
  if (livenessFailures < probe.failures) return { ...progress, livenessFailures };
  const failure = `did not answer ${probeInWords(probe)} (liveness) ${times(livenessFailures)} (last: ${result.detail})`;
  return { ...progress, livenessFailures, ready: false, readyFrom: null, lastDetail: result.detail, failure };
}

const times = (count: number): string => (count === 1 ? 'once' : `${count} times in a row`);

export type HealthVerdict = 'starting' | 'ready' | 'unready' | 'failed';

/** What the probes say about an instance; `failed` means that it has to be restarted. */
export function healthVerdict(progress: HealthProgress, health: Health): HealthVerdict {
  if (progress.failure !== null) return 'failed';
  if (progress.ready) return 'ready';
  return progress.started && progress.readinessFailures >= health.readiness.failures ? 'unready' : 'starting';
}

/** Why an instance is not ready, in words for people; null when it is, or when nothing was tried yet. */
export function healthReason(progress: HealthProgress, health: Health): string | null {
  if (progress.failure !== null) return progress.failure;
  if (progress.ready || progress.lastDetail === null) return null;
  if (!progress.started) return `waiting for ${probeInWords(health.startup)} (last: ${progress.lastDetail})`;
  return `${probeInWords(health.readiness)} failed ${times(progress.readinessFailures)} (last: ${progress.lastDetail})`;
}

/** A deployment waits for nothing but the instance: the first probes come this quickly. */
const FIRST_PACE_MS = 25;

/**
 * When the next start-up or readiness probe is due, after one that ended at `now`. Until the first `ready` the pace is a
 * tenth of the time waited so far, at least 25 ms, at most the declared interval; then it is the declared interval. The
 * moments at which something is decided (end of the start-up time, end of `stableForMs`) are never overslept.
 */
export function nextProbe(
  progress: HealthProgress,
  health: Health,
  now: number,
): { readonly kind: 'startup' | 'readiness'; readonly at: number } {
  const waited = Math.max(0, now - progress.launchedAt);
  const quick = Math.max(FIRST_PACE_MS, Math.floor(waited / 10));
  if (!progress.started) {
    const at = Math.min(
      now + Math.min(health.startup.intervalMs, quick),
      startupDeadline(progress.launchedAt, health.startup),
    );
    return { kind: 'startup', at: Math.max(now, at) };
  }
  if (progress.ready) return { kind: 'readiness', at: now + health.readiness.intervalMs };
  const paced = now + Math.min(health.readiness.intervalMs, quick);
  const proven = progress.readyFrom === null ? paced : progress.readyFrom + health.stableForMs;
  return { kind: 'readiness', at: Math.max(now, Math.min(paced, proven)) };
}
