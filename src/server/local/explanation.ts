import type { ExplanationView, LegExplanationView } from '../../api/explanation-schemas.ts';
import { commitsBetween } from '../../build/commits-between.ts';
import { explainLeg, type LegEvidence } from '../../core/analysis/explanation.ts';
import { logEvidence, type LoggedLine } from '../../core/analysis/log-evidence.ts';
import { configurationChanges } from '../../core/release/changes.ts';
import type { Release, ReleaseId } from '../../core/release/release.ts';
import type { LegPlan } from '../../core/rollout/plan.ts';
import type { DeploymentState } from '../../core/rollout/state.ts';
import type { EvidenceBook } from '../../engine/evidence-book.ts';
import { GitMissingError, VezaError } from '../../errors.ts';
import type { OpenEnvironment } from './environments.ts';
import { secretValues } from './explanation-secrets.ts';
import type { ReleaseShelf } from './release-shelf.ts';

export interface ExplanationParts {
  readonly projectDir: string;
  readonly shelf: Pick<ReleaseShelf, 'has' | 'get'>;
  readonly running: { readonly evidence: Pick<EvidenceBook, 'read'> };
  /** Environments with their drivers, by name. */
  readonly opened: () => ReadonlyMap<string, OpenEnvironment>;
  /** UTC milliseconds at which a deployment was requested. */
  readonly startedAtOf: (deployment: string) => number;
}

/** Lines that are looked through, of the newest. */
const LINES = 20_000;

/** Why a deployment was judged as it was: numbers, routes, log lines, and what changed. Works while it runs and long after. */
export async function explainDeployment(
  state: DeploymentState,
  parts: ExplanationParts,
  signal: AbortSignal,
): Promise<ExplanationView> {
  const { id, environment } = state.plan;
  const open = parts.opened().get(environment);
  const secrets = open === undefined ? null : await known(secretValues(open));
  const legs: LegExplanationView[] = [];
  for (const index of state.plan.legs.keys()) legs.push(await legExplanation(state, index, parts, secrets, signal));
  return { deployment: id, environment, legs };
}

async function legExplanation(
  state: DeploymentState,
  index: number,
  parts: ExplanationParts,
  secrets: readonly string[] | null,
  signal: AbortSignal,
): Promise<LegExplanationView> {
  const plan = state.plan.legs[index];
  const leg = state.legs[index];
  if (plan === undefined || leg === undefined) throw new RangeError(`${state.plan.id} has no leg ${index}`);
  const notes: string[] = [];
  const record = parts.running.evidence.read(state.plan.id, index);
  if (record === 'unavailable') notes.push('the stored evidence cannot be read now; `veza status` says why');
  else if (record === null && leg.evidence !== null)
    notes.push('no seconds of it are kept (any more): routes, failed requests and a replay are not possible');
  const evidence = explainLeg(leg, record === 'unavailable' ? null : record);
  const logs = await logsOf(state, plan, evidence, parts, secrets, notes, signal);
  return {
    service: plan.service,
    ...evidence,
    logs,
    changes: await changesOf(state, plan, parts, secrets, notes, signal),
    notes,
  };
}

async function logsOf(
  state: DeploymentState,
  plan: LegPlan,
  { verdict, since, kept }: LegEvidence,
  parts: ExplanationParts,
  secrets: readonly string[] | null,
  notes: string[],
  signal: AbortSignal,
): Promise<LegExplanationView['logs']> {
  // Errors in the log of a release that nobody had trouble with explain nothing.
  if (verdict !== 'worse' && (kept?.errors ?? 0) === 0 && state.reason === null) return [];
  const { environment } = state.plan;
  const open = parts.opened().get(environment);
  if (open === undefined) {
    notes.push(`${environment} is down, so its logs were not looked at`);
    return [];
  }
  if (secrets === null) {
    notes.push('the secrets of the environment cannot be read, so no line of a log is shown: it might hold one');
    return [];
  }
  const query = { environment, service: plan.service, tail: LINES, follow: false };
  const lines: LoggedLine[] = [];
  for await (const line of open.parts.runtime.logs(query, signal))
    if (line.release === plan.candidate.release) lines.push(line);
  const about = {
    failures: kept?.failures ?? [],
    since: since ?? kept?.from ?? parts.startedAtOf(state.plan.id),
    until: kept?.to ?? state.endedAt ?? Date.now(),
  };
  return logEvidence(lines, about, secrets);
}

async function changesOf(
  state: DeploymentState,
  { stable, candidate }: LegPlan,
  parts: ExplanationParts,
  secrets: readonly string[] | null,
  notes: string[],
  signal: AbortSignal,
): Promise<LegExplanationView['changes']> {
  if (stable === null) return null;
  const release = (id: string): Release | null => (parts.shelf.has(id) ? parts.shelf.get(id as ReleaseId) : null);
  const [before, after] = [release(stable.release), release(candidate.release)];
  if (before === null || after === null) {
    notes.push(
      `${before === null ? stable.release : candidate.release} is not kept any more, so nothing is known of what changed`,
    );
    return null;
  }
  const { environment } = state.plan;
  const [old, fresh] = [before.config[environment] ?? {}, after.config[environment] ?? {}];
  const changes = configurationChanges(old, fresh, secrets ?? []);
  return {
    from: factsOf(before),
    to: factsOf(after),
    artifact: before.artifact === after.artifact ? 'same' : 'changed',
    commits: await commitsOf(before, after, environment, parts, signal),
    // Without knowing the secrets nobody can tell which value is one.
    configuration:
      secrets === null ? changes.map((one) => ({ ...one, before: null, after: null, masked: true })) : changes,
  };
}

const factsOf = ({ id, commit, subject, dirty }: Release) => ({ release: id, commit, subject, dirty });

async function commitsOf(
  before: Release,
  after: Release,
  environment: string,
  { projectDir }: ExplanationParts,
  signal: AbortSignal,
) {
  const folder = after.config[environment]?.source ?? '.';
  try {
    return await commitsBetween({ projectDir, folder, from: before.commit, to: after.commit }, signal);
  } catch (error) {
    if (error instanceof GitMissingError) return null;
    throw error;
  }
}

/** Null when they cannot be read. */
async function known(values: Promise<readonly string[]>): Promise<readonly string[] | null> {
  try {
    return await values;
  } catch (error) {
    if (error instanceof VezaError) return null;
    throw error;
  }
}
