import type { EventView } from '../../api/schemas.ts';
import type { DeploymentEvent } from '../../core/rollout/event.ts';
import type { DeploymentPlan } from '../../core/rollout/plan.ts';
import {
  ENDED,
  REMOVED,
  WORLD,
  type JournaledEnd,
  type JournaledEvent,
  type JournaledRemoval,
} from '../../engine/entries.ts';
import type { Entry } from '../../store/journal.ts';
import { MAINTENANCE, type MaintenanceDecision } from './maintenance-book.ts';
import { MIGRATIONS, migrationEntryInWords, type MigrationEntry } from './migration-book.ts';
import { PORT_ASSIGNED, type PortAssignment } from './port-book.ts';

/** A journal entry as the API shows it. `planOf`: the plan of the deployment whose stream it is in. */
export function eventView(entry: Entry, planOf: (deployment: string) => DeploymentPlan | null): EventView {
  const plan = entry.stream === WORLD ? null : planOf(entry.stream);
  const event = eventOf(entry);
  const leg = event !== null && 'leg' in event ? event.leg : legOfEffect(event);
  return {
    seq: entry.seq,
    at: entry.time,
    environment: plan?.environment ?? decisionOf(entry)?.environment ?? routerEventOf(entry)?.environment ?? '',
    deployment: entry.stream === WORLD ? null : entry.stream,
    service: leg === null ? (decisionOf(entry)?.service ?? null) : (plan?.legs[leg]?.service ?? null),
    type: entry.kind,
    text: textOf(entry, event, plan),
    data: entry.body,
  };
}

/** Kind of the journal's entry for an alarm. */
export const ALARM = 'alarm';

/** Kind of the journal's entry for what befell a router: it died, somebody changed it, it cannot be brought back. */
export const ROUTER_EVENT = 'router';

export type JournaledRouterEvent = Readonly<Record<'environment' | 'kind' | 'message', string>>;

const routerEventOf = (entry: Entry): JournaledRouterEvent | null =>
  entry.kind === ROUTER_EVENT ? (entry.body as unknown as JournaledRouterEvent) : null;

const decisionOf = (entry: Entry): MaintenanceDecision | JournaledRemoval | MigrationEntry | null =>
  entry.kind === MIGRATIONS
    ? (entry.body as unknown as MigrationEntry)
    : entry.kind === MAINTENANCE
      ? (entry.body as unknown as MaintenanceDecision)
      : entry.kind === REMOVED
        ? (entry.body as unknown as JournaledRemoval)
        : null;

function worldText(entry: Entry): string {
  const decision = decisionOf(entry);
  if (decision !== null && 'what' in decision) return migrationEntryInWords(decision);
  if (decision !== null) {
    const { service, environment, by } = decision;
    if (!('on' in decision)) return `${service} is taken away from ${environment}, by ${by}`;
    const { on } = decision;
    return `maintenance of ${service} in ${environment} ${on === null ? 'is over' : 'begins'}, by ${by}`;
  }
  const befell = routerEventOf(entry);
  if (befell !== null) return `router of ${befell.environment} ${befell.kind}: ${befell.message}`;
  if (entry.kind === ALARM) {
    const { severity, message } = entry.body as unknown as { readonly severity: string; readonly message: string };
    return `alarm ${severity}: ${message}`;
  }
  if (entry.kind === PORT_ASSIGNED) {
    const { environment, owner, port } = entry.body as unknown as PortAssignment;
    return `${owner} of ${environment} has port ${port}`;
  }
  return JSON.stringify(entry.body);
}

const eventOf = (entry: Entry): DeploymentEvent | null =>
  entry.stream === WORLD || entry.kind === ENDED ? null : (entry.body as unknown as JournaledEvent).event;

/** Effect ids are `deployment/leg/phase/n`. */
function legOfEffect(event: DeploymentEvent | null): number | null {
  if (event === null || !('id' in event)) return null;
  const leg = Number(event.id.split('/')[1]);
  return Number.isInteger(leg) ? leg : null;
}

/** What an effect does, in words: "5 % to the candidate", "smoke tests". */
function effectName(entry: Entry, id: string): string {
  const { about } = entry.body as unknown as JournaledEvent;
  if (about === null) return id.split('/').slice(2).join(' ');
  switch (about.kind) {
    case 'check-policy':
      return 'policy';
    case 'verify-artifact':
      return 'artifact verified';
    case 'reserve':
      return 'room';
    case 'migrate':
      return 'migrations';
    case 'scale':
      return `${about.slot} to ${about.count} instances`;
    case 'smoke':
      return 'smoke tests';
    case 'route':
      return about.mirror === true ? 'copies to the candidate, no user' : `${about.weight} % to the candidate`;
    case 'unroute':
      return 'route taken away';
    case 'adopt':
      return 'the candidate is called stable';
    case 'drain':
      return `${about.slot} drained`;
    case 'stop':
      return `${about.slot} stopped`;
    default:
      return about.kind;
  }
}

function textOf(entry: Entry, event: DeploymentEvent | null, plan: DeploymentPlan | null): string {
  if (entry.kind === ENDED) {
    const { state } = entry.body as unknown as JournaledEnd;
    return `${state.phase}${state.reason === null ? '' : `: ${state.reason.text}`}`;
  }
  if (event === null) return worldText(entry);
  switch (event.type) {
    case 'requested':
      return `${event.plan.kind} deployment of ${event.plan.legs.map((leg) => `${leg.service} to ${leg.candidate.release}`).join(', ')} by ${event.plan.requestedBy}`;
    case 'admitted':
      return 'it is its turn';
    case 'effect-done':
      return `${effectName(entry, event.id)}: done`;
    case 'effect-failed':
      return `${effectName(entry, event.id)}: ${event.cause}: ${event.reason}`;
    case 'committed':
      return `committed: ${plan?.legs.map((leg) => leg.service).join(', ') ?? ''}`;
    case 'slot-observed':
      return `${event.arm}: ${event.ready} ready${event.fault === null ? '' : `, ${event.fault}`}${event.note === null ? '' : ` (${event.note})`}`;
    case 'analysis':
      return `${event.verdict}: ${event.evidence.summary}`;
    case 'condition':
      return `${event.condition} ${event.holds ? `holds: ${event.reason}` : 'is over'}`;
    case 'timer':
      return 'a time has come';
    case 'operation':
      return `${event.operation.kind} by ${event.by}`;
    case 'superseded':
      return event.by === entry.stream ? 'its service is taken away' : `replaced by ${event.by}`;
    case 'took-over':
      return `a control plane took over (epoch ${event.epoch})`;
  }
}
