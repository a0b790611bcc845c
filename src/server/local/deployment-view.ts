import type { ArmTrafficView, DeploymentView, LegView } from '../../api/schemas.ts';
import { type Seen, waitsFor, waitsUntil } from '../../core/rollout/describe.ts';
import { isFinal, type DeploymentState } from '../../core/rollout/state.ts';
import type { TrafficBook } from '../../engine/traffic-book.ts';

export interface ViewFacts {
  readonly now: number;
  readonly startedAt: number;
  book(leg: number): TrafficBook | null;
  seen(leg: number): Seen | null;
  /** Metrics of a leg that cannot be asked now, in words. */
  metricNotes(leg: number): readonly string[];
  /** What keeps every deployment from going on, whatever it waits for itself. */
  readonly storeTrouble: string | null;
  /** How far the migrations of a service are; null when none are under way. */
  migrating(service: string): string | null;
  /** Public address of a service; null when it has none. */
  url(service: string): string | null;
  /** How a release is called by people: the first line of its commit's message. */
  subject(release: string): string;
}

/** A deployment as the API shows it. */
export function deploymentView(state: DeploymentState, facts: ViewFacts): DeploymentView {
  const { plan } = state;
  const group = plan.groups[state.group];
  return {
    id: plan.id,
    environment: plan.environment,
    kind: plan.kind,
    order: plan.order,
    requestedBy: plan.requestedBy,
    approvedBy: state.approvedBy,
    phase: state.phase,
    stage: state.stage,
    group: state.group,
    groups: plan.groups.length,
    step: state.step,
    steps: group?.steps.map(({ weight }) => weight) ?? [],
    legs: plan.legs.map((_, index) => legView(state, index, facts)),
    waitsFor: waits(state, facts),
    until: waitsUntil(state, facts.now, (leg) => facts.seen(leg)),
    holds: state.holds,
    reason: reasonView(state),
    startedAt: facts.startedAt,
    phaseSince: state.since,
    committedAt: state.committedAt,
    endedAt: state.endedAt,
    warmUntil: isFinal(state.phase) ? null : state.warmUntil,
    supersededBy: state.supersededBy,
    summary: summary(state, facts),
  };
}

/** Without a journal nothing is done, so that is what it waits for. */
function waits(state: DeploymentState, facts: ViewFacts): string | null {
  const { plan } = state;
  const told = waitsFor(state, facts.now, (leg) => facts.seen(leg));
  const how = plan.legs.flatMap(({ service }) => facts.migrating(service) ?? []);
  const own =
    state.phase === 'migrating' && told === 'migrations' && how.length > 0 ? `migrations: ${how.join('; ')}` : told;
  if (facts.storeTrouble === null || isFinal(state.phase)) return own;
  return `the store, nothing is started or moved meanwhile: ${facts.storeTrouble}`;
}

/** The core names the leg in the text; here it has a field of its own. */
function reasonView({ plan, reason }: DeploymentState): DeploymentView['reason'] {
  if (reason === null) return null;
  const service = reason.leg === null ? null : (plan.legs[reason.leg]?.service ?? null);
  const prefix = `${service ?? ''}: `;
  const text = service !== null && reason.text.startsWith(prefix) ? reason.text.slice(prefix.length) : reason.text;
  return { code: reason.code, service, text };
}

function legView(state: DeploymentState, index: number, facts: ViewFacts): LegView {
  const plan = state.plan.legs[index];
  const leg = state.legs[index];
  if (plan === undefined || leg === undefined) throw new RangeError(`${state.plan.id} has no leg ${index}`);
  const book = facts.book(index);
  return {
    service: plan.service,
    strategy: plan.strategy,
    stable: plan.stable,
    candidate: plan.candidate,
    weight: leg.weight,
    wanted: leg.wanted,
    ready: leg.candidateReady,
    instances: plan.instances,
    stableReady: leg.stableReady,
    note: leg.candidateNote ?? (facts.metricNotes(index).join('; ') || null),
    verdict: leg.verdict,
    evidence: leg.evidence,
    traffic: book === null ? null : { stable: armView(book, 'stable'), candidate: armView(book, 'candidate') },
    url: facts.url(plan.service),
    group: state.plan.groups.findIndex((group) => group.legs.includes(index)),
  };
}

const armView = (book: TrafficBook, arm: 'stable' | 'candidate'): ArmTrafficView => book.summary(arm);

function summary(state: DeploymentState, facts: ViewFacts): string {
  const { plan, reason } = state;
  const named = plan.legs.map((leg) => `${leg.service} ${facts.subject(leg.candidate.release)}`).join(', ');
  const services = plan.legs.map((leg) => leg.service).join(', ');
  const took = `${(Math.max(0, (state.committedAt ?? state.endedAt ?? facts.now) - facts.startedAt) / 1_000).toFixed(1)} s`;
  const why = reason === null ? '' : `: ${reason.text}`;
  switch (state.phase) {
    case 'succeeded':
    case 'retiring':
      return `${named} ${plan.legs.length === 1 ? 'is' : 'are'} live after ${took}`;
    case 'reverted':
      return plan.legs.every((leg) => leg.stable === null)
        ? `${services} stopped again${why}`
        : `${services} back on stable with 100 %${why}`;
    case 'refused':
      return `${services} refused before anything started${why}`;
    case 'reverting':
    case 'stuck':
      return `${services} going back to stable${why}`;
    default:
      return `${named} on the way (${state.phase})`;
  }
}
