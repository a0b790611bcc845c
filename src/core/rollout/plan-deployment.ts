import type { Release } from '../release/release.ts';
import { otherSlot } from '../slot.ts';
import type { EnvironmentGates, PhaseDeadlines, Service, Strategy } from '../spec/platform.ts';
import type { ServiceRecord } from './ledger.ts';
import type { DeploymentId, DeploymentKind, DeploymentPlan, LegPlan } from './plan.ts';
import { blueGreen } from './strategies/blue-green.ts';
import { canary } from './strategies/canary.ts';
import { rolling } from './strategies/rolling.ts';
import type { Shape, Shaping } from './strategies/shape.ts';
import { groupLegs } from './train.ts';

export interface WantedRelease {
  readonly release: Release;
  /** The service as this environment runs it, out of the release. */
  readonly service: Service;
}

export interface PlanRequest {
  readonly id: DeploymentId;
  readonly environment: string;
  readonly kind: DeploymentKind;
  readonly order: DeploymentPlan['order'];
  readonly requestedBy: string;
  readonly gates: EnvironmentGates;
  /** In the order in which they shall go. */
  readonly wanted: readonly WantedRelease[];
  /** Overrides the declared strategy for this deployment. */
  readonly strategy: Strategy['kind'] | null;
}

const SHAPES: Readonly<Record<Strategy['kind'], Shaping>> = { canary, 'blue-green': blueGreen, rolling };

/** A rollback is watched only as long as it takes to see that it answers: the release has been live before. */
const ROLLBACK_WATCH_MS = 3_000;

/** What a deployment will do, fixed from what is declared in the releases and from what runs now. */
export function planDeployment(request: PlanRequest, recordOf: (service: string) => ServiceRecord): DeploymentPlan {
  const legs = request.wanted.map((wanted) => planLeg(wanted, request, recordOf(wanted.service.name)));
  const strategies = request.wanted.map(({ service }) => service.strategy);
  return {
    id: request.id,
    environment: request.environment,
    kind: request.kind,
    order: request.order,
    onNew: strategies.some((strategy) => strategy.onNew === 'refuse')
      ? 'refuse'
      : strategies.some((strategy) => strategy.onNew === 'queue')
        ? 'queue'
        : 'supersede',
    requestedBy: request.requestedBy,
    approval: request.gates.approval && request.kind !== 'rollback',
    idle: request.kind === 'rollback' ? 'proceed' : request.gates.idle,
    legs,
    groups: groupLegs(
      request.order,
      request.wanted.map(({ service }) => ({
        ...shapeOf(service, request),
        watchMs:
          request.kind === 'rollback'
            ? Math.min(ROLLBACK_WATCH_MS, service.strategy.watchMs)
            : service.strategy.watchMs,
      })),
    ),
    deadlines: longest(strategies.map((strategy) => strategy.deadlines)),
  };
}

function shapeOf(service: Service, request: PlanRequest): Shape {
  if (request.kind === 'rollback') return { mirror: null, steps: [], holdback: 0 };
  return SHAPES[request.strategy ?? service.strategy.kind](service.strategy, service.instances);
}

function planLeg({ release, service }: WantedRelease, request: PlanRequest, record: ServiceRecord): LegPlan {
  const { live } = record;
  const slot = live === null ? 'blue' : otherSlot(live.slot);
  const { mirror } = shapeOf(service, request);
  return {
    service: service.name,
    strategy: request.kind === 'rollback' ? 'blue-green' : (request.strategy ?? service.strategy.kind),
    stable: live,
    candidate: { slot, release: release.id },
    instances: service.instances,
    minCandidates: Math.min(service.strategy.minCandidates, service.instances),
    minReady: 1,
    keepWarmMs: service.strategy.keepWarmMs,
    migrations: service.gates.migrations !== null && request.kind !== 'rollback',
    smoke: service.gates.smoke.length > 0,
    warm: record.warm?.slot === slot && record.warm.release === release.id,
    mirror: mirror === null ? null : { share: mirror.share, shapes: mirror.shapes },
  };
}

/** The same plan for what runs now: something else may have committed while it waited for its turn. */
export function rebase(plan: DeploymentPlan, recordOf: (service: string) => ServiceRecord): readonly LegPlan[] {
  return plan.legs.map((leg) => {
    const { live, warm } = recordOf(leg.service);
    const slot = live === null ? 'blue' : otherSlot(live.slot);
    return {
      ...leg,
      stable: live,
      candidate: { slot, release: leg.candidate.release },
      warm: warm?.slot === slot && warm.release === leg.candidate.release,
    };
  });
}

function longest(all: readonly PhaseDeadlines[]): PhaseDeadlines {
  const [first, ...rest] = all;
  if (first === undefined) throw new RangeError('a deployment has at least one leg');
  const most = { ...first };
  for (const deadlines of rest) {
    for (const key of Object.keys(most) as (keyof PhaseDeadlines)[]) {
      if (deadlines[key] > most[key]) most[key] = deadlines[key];
    }
  }
  return most;
}
