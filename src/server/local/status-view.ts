import type { InstanceView, ServiceStatusView } from '../../api/schemas.ts';
import type { Ledger } from '../../core/rollout/ledger.ts';
import { isCommitted, type DeploymentState } from '../../core/rollout/state.ts';
import type { SlotStatus } from '../../drivers/runtime/runtime.ts';
import type { MaintenanceBook } from './maintenance-book.ts';
import type { EnvironmentHands } from '../../engine/actor.ts';

export interface StatusFacts {
  readonly environment: string;
  readonly service: string;
  /** False: it is live, and not in the declaration any more. */
  readonly declared: boolean;
  readonly ledger: Ledger;
  /** Null when the environment's drivers are not started. */
  readonly hands: EnvironmentHands | null;
  readonly url: string | null;
  readonly maintenance: ReturnType<MaintenanceBook['find']>;
}

/** How one service of an environment stands. */
export function serviceStatus(facts: StatusFacts): ServiceStatusView {
  const { environment, service, ledger, hands } = facts;
  const record = ledger.record(environment, service);
  const deployment = activeOf(facts);
  const index = deployment?.plan.legs.findIndex((leg) => leg.service === service) ?? -1;
  const before = deployment !== null && !isCommitted(deployment) ? deployment : null;
  const live = record.live === null ? null : (hands?.slots.status(service, record.live.slot) ?? null);
  const candidate = before?.plan.legs[index]?.candidate ?? null;
  const warm =
    deployment !== null && deployment.stage === 'warm' && record.warm !== null && deployment.warmUntil !== null;
  return {
    environment,
    service,
    declared: facts.declared,
    stable: record.live,
    candidate,
    weight: before?.legs[index]?.weight ?? 0,
    ready: live?.instances.filter((instance) => instance.state === 'ready').length ?? 0,
    wanted: live?.wanted ?? 0,
    warm: warm && record.warm !== null ? { ...record.warm, until: deployment.warmUntil ?? 0 } : null,
    deployment: deployment?.plan.id ?? null,
    phase: deployment?.phase ?? null,
    url: facts.url,
    internalUrl:
      record.live === null || hands === null
        ? null
        : `http://${hands.parts.runtime.machine}:${hands.parts.internalPort(service)}`,
    instances: instances(facts),
    deployedAt: record.liveSince,
    maintenance: facts.maintenance && maintenanceView(facts.maintenance),
    note: noteOf(live) ?? deployment?.holds[0]?.text ?? null,
  };
}

/** What the API shows of a decision; the page itself is in the journal. */
export const maintenanceView = ({
  by,
  at,
  on,
}: NonNullable<ReturnType<MaintenanceBook['find']>>): NonNullable<ServiceStatusView['maintenance']> => ({
  since: at,
  by,
  retryAfterSeconds: on.retryAfterSeconds,
});

const activeOf = ({ ledger, environment, service }: StatusFacts): DeploymentState | null =>
  ledger
    .active()
    .find(
      (state) => state.plan.environment === environment && state.plan.legs.some((leg) => leg.service === service),
    ) ?? null;

function instances({ hands, service }: StatusFacts): InstanceView[] {
  return (['blue', 'green'] as const).flatMap((slot) => {
    const status = hands?.slots.status(service, slot) ?? null;
    return (status?.instances ?? []).map((instance) => ({
      id: instance.id,
      slot,
      release: status?.release ?? '',
      state: instance.state,
      address: `${instance.address.host}:${instance.address.port}`,
      metrics: instance.metrics === undefined ? null : `${instance.metrics.host}:${instance.metrics.port}`,
      pid: instance.pid,
      startedAt: instance.startedAt,
      restarts: instance.restarts,
      reason: instance.reason,
    }));
  });
}

function noteOf(live: SlotStatus | null): string | null {
  const unwell = live?.instances.find((instance) => instance.state !== 'ready' && instance.reason !== null);
  return unwell === undefined ? null : `${unwell.id}: ${unwell.reason ?? ''}`;
}
