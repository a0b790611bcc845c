import type { ServiceRecord } from '../rollout/ledger.ts';
import { isCommitted, type DeploymentState, type LegState } from '../rollout/state.ts';
import type { RouteEdge } from '../route-edge.ts';
import { LOOPBACK, plainEdge, type Endpoint, type RouteTableEntry } from '../route-table.ts';
import { otherSlot, type Slot } from '../slot.ts';
import type { Service } from '../spec/platform.ts';

export interface RouteFacts {
  readonly service: string;
  readonly record: ServiceRecord;
  /** The deployment of this service that has not ended, if there is one. */
  readonly deployment: DeploymentState | null;
  /** The service as the release that is live declares it (the candidate's, when nothing is live). */
  readonly declared: Service;
  readonly internalPort: number;
  /** Address of this machine as instances reach it. */
  readonly machine: string;
  /** What users are told instead, as somebody decided; left out or null: nothing. */
  readonly maintenance?: RouteEdge['maintenance'];
  /** Ready instances of a slot, if it runs this release. */
  readonly endpoints: (slot: Slot, release: string) => readonly Endpoint[];
}

/**
 * What the router shall do for a service, from what the journal says and which instances are ready: nothing else decides
 * it, so after a crash the same table comes out. Null: no route at all.
 */
export function routeEntry(facts: RouteFacts): RouteTableEntry | null {
  const { record, deployment } = facts;
  const index = deployment?.plan.legs.findIndex((leg) => leg.service === facts.service) ?? -1;
  const plan = deployment?.plan.legs[index];
  const leg = deployment?.legs[index];
  const before = deployment !== null && !isCommitted(deployment);
  const stable = before && plan !== undefined ? plan.stable : record.live;
  // After the commit the old slot has no place in the table, warm or not.
  const candidate =
    before && plan !== undefined && leg?.started === true && mayBeReached(deployment, stable !== null)
      ? plan.candidate
      : null;
  if (stable === null && candidate === null) return null;
  const stableSlot = stable?.slot ?? otherSlot(candidate?.slot ?? 'blue');
  const slots = {
    [stableSlot]: stable?.release ?? null,
    [otherSlot(stableSlot)]: candidate?.release ?? null,
  } as Record<Slot, string | null>;
  const endpointsOf = (slot: Slot): readonly Endpoint[] => {
    const release = slots[slot];
    return release === null ? [] : facts.endpoints(slot, release);
  };
  const candidateWeight = candidate === null ? 0 : (leg?.routing ?? leg?.weight ?? 0);
  return {
    service: facts.service,
    public: publicRoute(
      facts,
      stable !== null || candidateWeight > 0,
      deployment !== null && leg?.exposed === true && mayBeAskedFor(deployment, leg),
    ),
    internalPort: facts.internalPort,
    ...(facts.machine === LOOPBACK ? {} : { internalHost: facts.machine }),
    proxy: facts.declared.proxy,
    edge: { ...plainEdge, ...facts.declared.edge, maintenance: facts.maintenance ?? null },
    stable: stableSlot,
    candidateWeight,
    ...(candidate !== null && leg?.mirror === true && plan?.mirror ? { mirror: plan.mirror } : {}),
    endpoints: { blue: endpointsOf('blue'), green: endpointsOf('green') },
    releases: { blue: slots.blue, green: slots.green },
  };
}

/** While the undo drains and stops the candidate, nobody may reach it; with no stable to go back to, not even before. */
const mayBeReached = (deployment: DeploymentState, hasStable: boolean): boolean => {
  const undone = deployment.phase === 'reverting' || deployment.phase === 'stuck';
  return !undone || (hasStable && deployment.stage === 'routing');
};

/** By the header, once users may be on the candidate: not while it gets copies, nor on its way back. */
const mayBeAskedFor = (deployment: DeploymentState, leg: LegState): boolean =>
  !leg.mirror && deployment.phase !== 'reverting' && deployment.phase !== 'stuck';

/** Users reach a first release once it has passed its checks and has its share: before, nobody would answer them; the header that asks for the candidate works once it is exposed. */
function publicRoute(facts: RouteFacts, open: boolean, exposed: boolean): RouteTableEntry['public'] {
  const { route } = facts.declared;
  if (!open || route === null) return null;
  return exposed ? route : { ...route, canaryHeader: null };
}
