import { healthReason, healthVerdict, type HealthProgress } from '../../../core/plan/health.ts';
import { supervisedState, type InstanceLife, type InstanceView } from '../../../core/plan/supervise.ts';
import type { Health, RestartPolicy } from '../../../core/spec/platform.ts';
import type { InstanceStatus } from '../runtime.ts';
import type { InstanceRecord } from './records.ts';

/** How an instance is at this moment: what is on disk and what is known in memory only. */
export interface InstanceSituation {
  readonly record: InstanceRecord<unknown>;
  readonly progress: HealthProgress | null;
  readonly health: Health;
  /** The process has ended and what it left behind is being cleared away. */
  readonly clearing: boolean;
  /** It shall not come back after that. */
  readonly going: boolean;
  readonly killed: boolean;
}

function lifeOf({ record, progress, health, clearing, going, killed }: InstanceSituation): InstanceLife {
  const { phase } = record;
  if (clearing) return { kind: 'stopping', since: 0, killed: true, forGood: going };
  switch (phase.kind) {
    case 'down':
      return { kind: 'down', startAt: phase.startAt };
    case 'launching':
      return { kind: 'up', verdict: 'starting' };
    case 'up':
      if (phase.stopping !== null) {
        return { kind: 'stopping', since: phase.stopping.since, killed, forGood: phase.stopping.forGood };
      }
      return { kind: 'up', verdict: progress === null ? 'starting' : healthVerdict(progress, health) };
    case 'gone':
      return { kind: 'stopping', since: 0, killed: true, forGood: true };
  }
}

/** The instance as `supervise` sees it. */
export function viewOf(situation: InstanceSituation): InstanceView {
  const { id, release, createdAt, exits, stopGraceMs } = situation.record;
  return { id, release, createdAt, exits, stopGraceMs, life: lifeOf(situation) };
}

/**
 * The instance as the engine and people see it.
 *
 * @param place where it is, on the machine that it runs on
 */
export function statusOf(
  situation: InstanceSituation,
  place: { readonly host: string; readonly pid: number | null },
  restart: RestartPolicy,
  now: number,
): InstanceStatus {
  const { record, progress, health, clearing, going } = situation;
  const { host, pid } = place;
  const { phase } = record;
  const view = viewOf(situation);
  // While leftovers are cleared away the instance is down already, as far as anybody outside is concerned.
  const isDown = clearing && !going && phase.kind === 'down';
  const life: InstanceLife = isDown ? { kind: 'down', startAt: phase.startAt } : view.life;
  const unready = progress === null ? null : healthReason(progress, health);
  return {
    id: record.id,
    state: supervisedState({ ...view, life }, restart, now),
    address: { host, port: record.port },
    ...(record.metricsPort === undefined ? {} : { metrics: { host, port: record.metricsPort } }),
    pid: phase.kind === 'up' ? pid : null,
    startedAt: phase.kind === 'up' ? phase.launchedAt : record.createdAt,
    restarts: Math.max(0, record.launches - 1),
    reason: (phase.kind === 'up' ? (phase.stopping?.cause ?? unready) : null) ?? record.lastExit,
  };
}
